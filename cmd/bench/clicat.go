// The speed of cat beside zcat, of the same objects.

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// What cat reads.
const (
	catObjects = 16
	catRecords = 265_000 // of an object: 128 MiB of frames
)

// runProgram runs a command that writes much and says what it cost. Its output goes
// through a pipe to a reader that throws it away: what /dev/null would hide.
func (a *cliArchive) runProgram(args ...string) (cost, int64, error) {
	command := exec.Command(args[0], args[1:]...)
	command.Env, command.Dir = a.env, a.dir
	var talk bytes.Buffer
	command.Stderr = &talk
	out, err := command.StdoutPipe()
	if err != nil {
		return cost{}, 0, err
	}
	begin := time.Now()
	if err := command.Start(); err != nil {
		return cost{}, 0, err
	}
	peak := make(chan int64, 1)
	go func() { peak <- watchPeak(command.Process.Pid) }()
	if _, err := io.Copy(io.Discard, out); err != nil {
		return cost{}, 0, err
	}
	if err := command.Wait(); err != nil {
		return cost{}, 0, fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, talk.String())
	}
	return cost{time.Since(begin).Seconds(), childSeconds(command)}, <-peak, nil
}

// watchPeak returns the peak of resident memory, in bytes, that a process had
// when last seen. What the system tells of a process that has ended counts the
// memory of this one, from which it was forked.
func watchPeak(pid int) (peak int64) {
	for {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, found := strings.Cut(string(status), "VmHWM:")
		if err != nil || !found {
			return peak
		}
		var kilobytes int64
		if _, err := fmt.Sscan(rest, &kilobytes); err == nil {
			peak = kilobytes << 10
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// benchCat compares cat with zcat on the same objects: cat from S3, zcat from files.
func benchCat(report func(figure)) error {
	ctx := context.Background()
	a, err := newCLIArchive(ctx)
	if err != nil {
		return err
	}
	defer a.stop()
	if err := a.archive(ctx, bifrost.Partition{Name: "views"}, pageViews(catRecords, 1), catObjects); err != nil {
		return err
	}
	subjects := map[string][]string{
		"zcat": {"taskset", "-c", "0", "sh", "-c", "zcat *.gz"},
		"one":  {"taskset", "-c", "0", "./bifrost", "cat", "views", "--format", "value"},
		"two":  {"taskset", "-c", "0,1", "./bifrost", "cat", "views", "--format", "value"},
	}
	costs, memory := map[string][]cost{}, int64(0)
	for range cliRounds {
		for _, name := range []string{"zcat", "one", "two"} {
			c, peak, err := a.runProgram(subjects[name]...)
			if err != nil {
				return err
			}
			costs[name] = append(costs[name], c)
			if name != "zcat" {
				memory = max(memory, peak)
			}
		}
	}
	note := fmt.Sprintf("%.1f GB raw in %d objects on a local S3", float64(a.raw)/1e9, catObjects)
	report(figure{Name: "cli/cat/zcat", Value: megabytes(a.raw, costs["zcat"], wall), Unit: "MB/s", Note: note})
	report(figure{Name: "cli/cat/one-core", Value: megabytes(a.raw, costs["one"], wall), Unit: "MB/s"})
	report(figure{Name: "cli/cat/two-cores", Value: megabytes(a.raw, costs["two"], wall), Unit: "MB/s"})
	report(figure{
		Name:   "cli/cat/ratio",
		Value:  ratio(costs["one"], costs["zcat"], wall),
		Unit:   "of zcat, one core",
		Target: "at least 0.8",
	})
	report(figure{
		Name:  "cli/cat/ratio-processor",
		Value: ratio(costs["one"], costs["zcat"], processor),
		Unit:  "of zcat, by processor time",
	})
	report(figure{
		Name:   "cli/cat/scaling",
		Value:  ratio(costs["two"], costs["one"], wall),
		Unit:   "of one core",
		Target: "above 1",
		Note:   fmt.Sprintf("%d cores, the S3 server on them too", runtime.NumCPU()),
	})
	report(figure{Name: "cli/cat/memory", Value: float64(memory) / (1 << 20), Unit: "MiB", Target: "under 200"})
	return nil
}
