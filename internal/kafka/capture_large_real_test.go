//go:build real

package kafka

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/capture"
)

// The cluster of TestCaptureOfALargeCluster.
const (
	largeTopics     = 10_000
	largePartitions = 6 // of each topic
	largeGroups     = 2_000
	largeCommits    = 8         // topics that a group has read, each with all its partitions
	largeMemory     = 128 << 20 // bytes that a capture may take
)

// TestCaptureOfALargeCluster captures 10,000 topics and 2,000 groups. The brokers
// are a process of their own, so that the memory which is looked at is that of the
// capture alone.
//
// It runs before the tests that are parallel: the heap that it looks at is the process's.
func TestCaptureOfALargeCluster(t *testing.T) {
	client := connectPatiently(t, Config{Brokers: startLargeCluster(t)})
	c := &capture.Capturer{Group: "g", Cluster: client, Bucket: bifrosttest.NewStore(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	stop, peak := watchHeap()
	began := time.Now()
	made, err := c.CaptureNow(t.Context())
	took := time.Since(began)
	stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v, at most %d MiB of heap, %d bytes", took, peak.Load()>>20, made.Bytes())
	if peak.Load() > largeMemory {
		t.Errorf("it took %d MiB of heap, want at most %d", peak.Load()>>20, largeMemory>>20)
	}
	s, err := made.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Configuration.Topics) != largeTopics || len(s.Positions.Offsets) != largeTopics || len(s.Positions.Groups) != largeGroups || len(s.Missing()) != 0 {
		t.Errorf("%d and %d topics, %d groups, missing %+v", len(s.Configuration.Topics), len(s.Positions.Offsets), len(s.Positions.Groups), s.Missing())
	}
	for _, g := range s.Positions.Groups {
		if len(g.Offsets) != largeCommits {
			t.Fatalf("group %s has read %d topics", g.Name, len(g.Offsets))
		}
	}
}

func connectPatiently(t *testing.T, config Config) *Client {
	t.Helper()
	client, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// watchHeap looks at the heap, garbage included, until stop is called.
func watchHeap() (stop func(), peak *atomic.Uint64) {
	peak, quit := new(atomic.Uint64), make(chan struct{})
	runtime.GC()
	go func() {
		for {
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			peak.Store(max(peak.Load(), stats.HeapInuse))
			select {
			case <-quit:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return func() { close(quit) }, peak
}

const largeVariable = "BIFROST_TEST_LARGE_CLUSTER"

// startLargeCluster runs this test binary again as the brokers, which end with the
// pipe to them.
func startLargeCluster(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestLargeClusterProcess$")
	cmd.Env = append(os.Environ(), largeVariable+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(line), ",")
}

// TestLargeClusterProcess is no test but those brokers.
func TestLargeClusterProcess(t *testing.T) {
	if os.Getenv(largeVariable) == "" {
		return
	}
	names := make([]string, largeTopics)
	for i := range names {
		names[i] = fmt.Sprintf("topic-%05d", i)
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(largePartitions, names...))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	admin := kadm.NewClient(producer(t, cluster.ListenAddrs()))
	for g := range largeGroups {
		commitLargeGroup(t, admin, g, names)
	}
	fmt.Println(strings.Join(cluster.ListenAddrs(), ","))
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func commitLargeGroup(t *testing.T, admin *kadm.Client, group int, names []string) {
	var offsets kadm.Offsets
	for i := range largeCommits {
		topic := names[(group*largeCommits+i)%len(names)]
		for p := range int32(largePartitions) {
			offsets.Add(kadm.Offset{Topic: topic, Partition: p, At: int64(group*1_000_003 + i), LeaderEpoch: 3, Metadata: "metadata of a consumer"})
		}
	}
	answers, err := admin.CommitOffsets(t.Context(), fmt.Sprintf("group-%04d", group), offsets)
	if err == nil {
		err = answers.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
}
