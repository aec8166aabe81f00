package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// objectFile is a file of so many records, one each second from noon on.
func objectFile(t *testing.T, records int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "records.baldr.gz")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	w := baldr.NewWriter(file, baldr.Options{})
	noon := time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)
	for n := range records {
		r := baldr.Record{Offset: int64(n), Timestamp: noon.Add(time.Duration(n) * time.Second).UnixMilli(), Value: fmt.Appendf(nil, "value %d", n)}
		if err := w.WriteRecord(&r); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(baldr.Summary{Topic: "orders", Start: 0, End: int64(records)}); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// execute runs a command in this process, and answers its exit code as well.
func execute(t *testing.T, out *os.File, args ...string) (code int, err error) {
	t.Helper()
	var talk bytes.Buffer
	root := newRoot(app.New(strings.NewReader(""), out, &talk))
	root.SetArgs(args)
	err = root.ExecuteContext(t.Context())
	return exitCode(t.Context(), err), err
}

// On a full disk a command fails and says so: what did not fit is not archived
// anywhere else, and a script would take the rest for all.
func TestAFullDisk(t *testing.T) {
	t.Parallel()
	few, many := objectFile(t, 3), objectFile(t, 60_000) // less than the buffer, and more
	for _, args := range [][]string{
		{"cat", few}, {"cat", many}, {"cat", few, "--json"}, {"cat", few, "--format", "baldr"}, {"cat", few, "-0"}, {"cat", many, "-n", "2"},
		{"version"}, {"version", "--json"},
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		code, err := execute(t, full, args...)
		if code != exitFailure || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%v: exit code %d, error %v; want a failure for want of room", args, code, err)
		}
		if got := err.Error(); got != "write /dev/full: no space left on device" {
			t.Errorf("%v: it says %q", args, got)
		}
		full.Close()
	}
}

// What is written by other packages, or by lines that nobody asks for an error, has to arrive as well.
func TestAFullDiskEndsEveryCommand(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"help"}, {"help", "cat"}, {"cat", "--help"}, {"--version"}, {}, {"completion", "bash"}, {"version"}, {"__complete", "stat"},
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		var talk bytes.Buffer
		code := executeCommand(t.Context(), app.New(strings.NewReader(""), full, &talk), args)
		if code != exitFailure || !strings.Contains(talk.String(), "bifrost: write /dev/full: no space left on device") {
			t.Errorf("%v: exit code %d, said %q", args, code, talk.String())
		}
		full.Close()
	}
}

// Who is interrupted, or has no room left, is told what stays and how to go on.
func TestHowToGoOn(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	ended, end := context.WithCancel(t.Context())
	end()
	for name, c := range map[string]struct {
		ctx  context.Context
		args []string
		code int
		says string
	}{
		"cat to a full disk":     {t.Context(), []string{"cat", objectFile(t, 3)}, exitFailure, "run it again into an empty file"},
		"export, interrupted":    {ended, []string{"export", "orders", "--to", t.TempDir()}, exitInterrupted, "files that are complete stay"},
		"flush, interrupted":     {ended, []string{"flush"}, exitInterrupted, "What is archived stays"},
		"a failure of its own":   {t.Context(), []string{"cat", "./nothing"}, exitFailure, ""},
		"a command without rest": {ended, []string{"status"}, exitInterrupted, ""},
	} {
		var talk bytes.Buffer
		a := app.New(strings.NewReader(""), full, &talk)
		for variable, value := range map[string]string{"BIFROST_BROKERS": "127.0.0.1:1", "BIFROST_BUCKET": "b",
			"BIFROST_GROUP": "g", "BIFROST_PROGRESS_TABLE": "p", "BIFROST_OBJECTS_TABLE": "o"} {
			a.SetVariable(variable, value)
		}
		code := executeCommand(c.ctx, a, append(c.args, "--region", "eu-west-1", "--endpoint-url", "http://127.0.0.1:1"))
		if code != c.code || !strings.Contains(talk.String(), c.says) || c.says == "" && strings.Contains(talk.String(), "stay") {
			t.Errorf("%s: exit code %d, said %q", name, code, talk.String())
		}
	}
}

// Whoever reads the output has seen enough: that is no failure.
func TestAClosedPipe(t *testing.T) {
	t.Parallel()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	reader.Close()
	if code, err := execute(t, writer, "cat", objectFile(t, 60_000)); code != exitOK {
		t.Errorf("exit code %d, error %v", code, err)
	}
}

// Partitions are in order of their numbers: the tenth comes after the second.
func TestPartitionsAreSortedByNumber(t *testing.T) {
	t.Parallel()
	var topic []bifrost.Progress
	for _, n := range []int32{10, 2, 1, 11, 0, 3, 9, 4, 8, 5, 7, 6} {
		topic = append(topic, bifrost.Progress{Partition: bifrost.Partition{Name: "orders", Number: n}})
	}
	readback.SortProgress(topic)
	if list := settings.ListNumbers(topic); list != "0-11" {
		t.Errorf("partitions %s, want 0-11", list)
	}
	s := settings.Selection{}
	if err := s.ParseFlags([]string{"10,2", "1-3", "11"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	selected, err := s.SelectPartitions(topic)
	if err != nil || settings.ListNumbers(selected) != "1-3,10-11" || len(selected) != 5 {
		t.Errorf("selected %s, error %v", settings.ListNumbers(selected), err)
	}
}

// Times are in UTC wherever the program runs: CI runs this test in St. John's, half
// an hour beside everybody else.
func TestTimesAreInUTC(t *testing.T) {
	t.Parallel()
	if _, offset := time.Now().Zone(); offset == 0 && os.Getenv("TZ") != "" && os.Getenv("TZ") != "UTC" {
		t.Errorf("TZ is %s, and this is UTC: there is no data of time zones here", os.Getenv("TZ"))
	}
	at := time.UnixMilli(1_709_208_000_007) // in the zone of this machine
	if got := human.Moment(at); got != "2024-02-29 12:00:00Z" {
		t.Errorf("moment %s", got)
	}
	if got := human.Timestamp(at); got == nil || *got != "2024-02-29T12:00:00.007Z" {
		t.Errorf("timestamp %v", got)
	}
	for _, text := range []string{"2024-02-29T12:00:00Z", "2024-02-29T12:00:00", "2024-02-29T12:00", "2024-02-29 12:00:00Z", "2024-02-29T08:30:00-03:30"} {
		if ms, err := human.ParseTime(text, at); err != nil || ms != 1_709_208_000_000 {
			t.Errorf("%s is %d, error %v", text, ms, err)
		}
	}
}

// -n counts records, from the first to the last of them.
func TestCatEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	name := objectFile(t, 5)
	for limit, want := range map[string]int{"0": 5, "1": 1, "2": 2, "5": 5, "9": 5} {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		code, err := execute(t, out, "cat", name, "-n", limit)
		content, readErr := os.ReadFile(out.Name())
		if lines := bytes.Count(content, []byte("\n")); code != exitOK || err != nil || readErr != nil || lines != want {
			t.Errorf("-n %s prints %d records, want %d; exit code %d, errors %v %v", limit, lines, want, code, err, readErr)
		}
		out.Close()
	}
}

// A file is closed once it is printed: there may be more of them than a process may have open.
func TestCatClosesItsFiles(t *testing.T) {
	t.Parallel()
	names := []string{objectFile(t, 5)}
	folder := filepath.Dir(names[0])
	for n := range 50 {
		names = append(names, filepath.Join(folder, fmt.Sprint(n)))
		if err := os.Link(names[0], names[n+1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, flags := range [][]string{nil, {"-n", "7"}} {
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		if code, err := execute(t, out, slices.Concat([]string{"cat"}, names, flags)...); code != exitOK || err != nil {
			t.Fatalf("exit code %d, error %v", code, err)
		}
		out.Close()
		open, err := filepath.Glob("/proc/self/fd/*")
		if err != nil || len(open) == 0 {
			t.Fatalf("no open files are known: %v", err)
		}
		for _, link := range open {
			if name, err := os.Readlink(link); err == nil && strings.HasPrefix(name, folder+"/") {
				t.Errorf("%s is still open", name)
			}
		}
	}
}

// A command that was interrupted is not one that succeeded.
func TestInterruptedIsNoSuccess(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code := exitCode(ctx, fmt.Errorf("read: %w", context.Canceled)); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	if code := exitCode(t.Context(), fmt.Errorf("read: %w", context.Canceled)); code != exitFailure {
		t.Errorf("exit code %d of a command that nobody interrupted, want %d", code, exitFailure)
	}
}
