//go:build real && soak

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// application is a program of testdata/application, in Java or of librdkafka, with a
// group of its own.
type application struct {
	program  []string
	group    string
	protocol string
	copies   bool // into a topic that is called as the group, in transactions that carry the positions
	live     bool // it is not stopped before the capture

	read []string // what it said before and after, of a reader
}

// Applications that were stopped in the middle go on in a second cluster: what they read
// before and after is every record, once. Those that copy in transactions have copied
// every record once if they were stopped before the capture, and at least once if not.
func TestApplicationsGoOn(t *testing.T) {
	t.Parallel()
	source, s := clusterOfItsOwn(t)
	want := s.orders(t)
	const some = 500 // fewer than half of all
	all := applications(t)
	var stopped sync.WaitGroup
	var killed []*running
	for _, a := range all {
		if a.copies {
			must(t, s.topic(t.Context(), a.group, 2))
		}
		if a.live {
			killed = append(killed, a.start(t, s.brokers))
			continue
		}
		stopped.Go(func() { a.run(t, s.brokers, some) })
	}
	stopped.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, r := range killed {
		r.await(t, 1)
	}
	s.bifrost(t, "capture")
	for _, r := range killed {
		if done := r.kill(t); done >= len(want) {
			t.Errorf("%s had copied everything when it was killed", r.group)
		}
	}
	s.bifrost(t, "flush") // what was not archived when it was captured
	must(t, source.Kill())

	target, _ := clusterOfItsOwn(t)
	s.run(t, "restore", "--at", "latest", "--to-brokers", target.Addr(), "--groups", "--yes").
		must(t, 0, "All that was asked for is as it was captured")
	var resumed sync.WaitGroup
	for _, a := range all {
		resumed.Go(func() { a.run(t, target.Addr(), 0) })
	}
	resumed.Wait()
	second := &sandbox{brokers: target.Addr()}
	for _, a := range all {
		got := a.read
		if a.copies {
			got = second.committed(t, a.group)
		}
		slices.Sort(got)
		doubled := len(got) - len(slices.Compact(slices.Clone(got)))
		t.Logf("%s: %d records, %d of them doubled", a.group, len(got), doubled)
		if doubled > 0 && !a.live {
			t.Errorf("%s: %d records came twice", a.group, doubled)
		}
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%s: %d records of %d", a.group, len(got), len(want))
		}
	}
}

func applications(t *testing.T) []*application {
	t.Helper()
	java := []string{"java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", kafkaJars(t), "-Dorg.slf4j.simpleLogger.defaultLogLevel=error",
		filepath.Join("testdata", "application", "Application.java")}
	python := []string{localservices.PythonForTest(t), filepath.Join("testdata", "application", "application.py")}
	return []*application{
		{program: java, group: "java-reader", protocol: "classic"},
		{program: java, group: "java-reader-848", protocol: "consumer"},
		{program: java, group: "java-copier", protocol: "classic", copies: true},
		{program: java, group: "java-live", protocol: "classic", copies: true, live: true},
		{program: python, group: "librdkafka-reader", protocol: "classic"},
		{program: python, group: "librdkafka-reader-848", protocol: "consumer"},
		{program: python, group: "librdkafka-copier", protocol: "classic", copies: true},
		{program: python, group: "librdkafka-live", protocol: "classic", copies: true, live: true},
	}
}

// command ends after that many records, with 0 at the end of the topic.
func (a *application) command(ctx context.Context, brokers string, most int) *exec.Cmd {
	out := "-"
	if a.copies {
		out = a.group
	}
	args := append(slices.Clone(a.program), brokers, a.group, a.protocol, "orders", out, strconv.Itoa(most))
	return exec.CommandContext(ctx, args[0], args[1:]...)
}

// run waits for the end.
func (a *application) run(t *testing.T, brokers string, most int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute) // eight of them share the machine
	defer cancel()
	command := a.command(ctx, brokers, most)
	var out, talk bytes.Buffer
	command.Stdout, command.Stderr = &out, &talk
	if err := command.Run(); err != nil {
		t.Errorf("%s: %v\n%s", a.group, err, talk.String())
	}
	if !a.copies {
		a.read = append(a.read, strings.Fields(out.String())...)
	}
}

// running is an application that is not stopped.
type running struct {
	*application
	process *exec.Cmd
	done    atomic.Int64 // records that it has copied
	ended   chan struct{}
}

func (a *application) start(t *testing.T, brokers string) *running {
	t.Helper()
	r := &running{application: a, process: a.command(t.Context(), brokers, -1), ended: make(chan struct{})}
	reading, writing := io.Pipe()
	var talk bytes.Buffer
	r.process.Stdout, r.process.Stderr = writing, &talk
	must(t, r.process.Start())
	go func() {
		for lines := bufio.NewScanner(reading); lines.Scan(); {
			n, _ := strconv.ParseInt(lines.Text(), 10, 64)
			r.done.Store(n)
		}
	}()
	go func() {
		_ = r.process.Wait() // it is killed
		writing.Close()
		close(r.ended)
	}()
	return r
}

// await returns once it has copied so many records.
func (r *running) await(t *testing.T, records int64) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); r.done.Load() < records; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s has copied nothing", r.group)
		}
	}
}

func (r *running) kill(t *testing.T) (done int) {
	t.Helper()
	must(t, r.process.Process.Kill())
	<-r.ended
	return int(r.done.Load())
}

// orders fills a topic with transactions, a third of which are aborted, and returns the
// values of the others, sorted.
func (s *sandbox) orders(t *testing.T) (committed []string) {
	t.Helper()
	const topic, partitions, transactions, records = "orders", 3, 90, 50
	must(t, s.topic(t.Context(), topic, partitions))
	client, err := s.client(kgo.TransactionalID("orders"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must(t, err)
	defer client.Close()
	for n := range transactions {
		must(t, client.BeginTransaction())
		commit := n%3 != 1
		for i := range records {
			value := fmt.Sprintf("order-%d-%d-%v", n, i, commit)
			client.Produce(t.Context(), &kgo.Record{Topic: topic, Partition: int32(i % partitions), Key: []byte(value), Value: []byte(value)}, nil)
			if commit {
				committed = append(committed, value)
			}
		}
		must(t, client.Flush(t.Context()))
		must(t, client.EndTransaction(t.Context(), kgo.TransactionEndTry(commit)))
	}
	slices.Sort(committed)
	return committed
}

// committed are the values of a topic that a consumer of committed records reads.
func (s *sandbox) committed(t *testing.T, topic string) (values []string) {
	t.Helper()
	client, err := s.client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	must(t, err)
	defer client.Close()
	positions := map[int32]int64{}
	for at, end := int64(0), s.settledEnd(t, topic); at < end; {
		fetches := client.PollFetches(t.Context())
		must(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			at += r.Offset + 1 - positions[r.Partition]
			positions[r.Partition] = r.Offset + 1
			if !r.Attrs.IsControl() {
				values = append(values, string(r.Value))
			}
		})
	}
	return values
}

// kafkaJars is a class path with Apache Kafka's own clients.
func kafkaJars(t *testing.T) string {
	t.Helper()
	root, err := localservices.Root()
	must(t, err)
	jars, err := filepath.Glob(filepath.Join(root, ".local", "kafka-*", "kafka-clients-*.jar"))
	if err != nil || len(jars) == 0 {
		t.Fatalf("Apache Kafka's client is not installed: %v", err)
	}
	return filepath.Join(filepath.Dir(jars[0]), "*")
}
