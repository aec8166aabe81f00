//go:build real && soak

package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

const (
	killsLast     = 150 * time.Second
	afterTheKills = 2 * time.Minute
)

// TestKilledWorkers kills half of the functions that archive, each second, and ticks
// often, so that there are always some. After that there is a tick a minute, as on AWS,
// and two minutes after the last kill everything has to be archived: what a function
// that is dead had in hand is given to another by the first tick or the second.
func TestKilledWorkers(t *testing.T) {
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	k := &killedWorkers{operations: newOperations(t, broker.Addr())}
	k.producePlain(k.topic("large"), 150_000)
	k.create(k.topic("small"), nil)
	k.startPlainStack(map[string]string{"TargetBytes": "2097152"})

	k.lastKill = time.Now().Add(killsLast)
	next := time.Now()
	for time.Now().Before(k.lastKill) {
		if !next.After(time.Now()) {
			k.tick()
			next = time.Now().Add(5 * time.Second)
		}
		k.produceSome()
		k.killHalf()
		time.Sleep(time.Second)
	}
	k.lastKill, next = time.Now(), next.Add(time.Minute)
	t.Logf("%d functions killed; not archived: %d offsets", k.kills, k.behind())
	if k.kills < 20 || k.behind() == 0 {
		t.Error("not much was put to the test")
	}
	k.check(k.client.Flush(t.Context()))
	for k.behind() > 0 && time.Since(k.lastKill) < afterTheKills {
		if !next.After(time.Now()) {
			k.tick()
			next = next.Add(time.Minute)
		}
		_ = pause(t.Context())
	}
	if lag := k.behind(); lag > 0 {
		t.Errorf("%v after the last kill %d offsets are not archived", afterTheKills, lag)
	}
	t.Logf("everything was archived %v after the last kill", time.Since(k.lastKill).Round(time.Second))
	k.archive()
	k.comparePartitions()
	k.verify()
}

type killedWorkers struct {
	*operations
	lastKill       time.Time
	kills, written int
}

// tick logs what it says: in flight are functions, dead ones too until their time is over.
func (k *killedWorkers) tick() {
	k.Helper()
	answer, err := tick(k.Context(), k.stack)
	k.check(err)
	k.Logf("%v to the last kill: %s", time.Until(k.lastKill).Round(time.Second), answer.text)
}

// produceSome gives each partition of the quiet topic a record.
func (k *killedWorkers) produceSome() {
	for p := range int32(partitionsEach) {
		k.written++
		k.client.Produce(context.WithoutCancel(k.Context()), &kgo.Record{Topic: k.topic("small"), Partition: p, Value: fmt.Appendf(nil, "small %d", k.written)}, nil)
	}
}

// killHalf kills half of the processes that archive, rounded up.
func (k *killedWorkers) killHalf() {
	k.Helper()
	running := k.workers()
	rand.Shuffle(len(running), func(i, j int) { running[i], running[j] = running[j], running[i] })
	for _, pid := range running[:(len(running)+1)/2] {
		if syscall.Kill(pid, syscall.SIGKILL) == nil {
			k.kills++
		}
	}
}

// workers are the processes in which this stack's AWS runs the archive function.
func (k *killedWorkers) workers() []int { return k.processesOf("ArchiveFunction") }

// processesOf are the processes in which this stack's AWS runs a function.
func (e *endToEnd) processesOf(function string) (pids []int) {
	e.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	e.check(err)
	for _, path := range all {
		environ, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended, or is none of ours
		}
		if !bytes.Contains(environ, []byte("AWS_LAMBDA_FUNCTION_NAME="+e.stack.Outputs[function]+"\x00")) ||
			!bytes.Contains(environ, []byte(e.stack.AWS.URL)) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		e.check(err)
		pids = append(pids, pid)
	}
	return pids
}

// behind is how many offsets of both topics are not archived.
func (k *killedWorkers) behind() (lag int64) {
	k.Helper()
	ends, err := k.admin.ListCommittedOffsets(k.Context(), k.topics...)
	k.check(err)
	rows, err := progressRows(k.Context(), k.stack)
	k.check(err)
	next := map[string]int64{}
	for _, row := range rows {
		next[fmt.Sprintf("%s/%d", row.Topic, row.Partition)] = row.NextOffset
	}
	for topic, partitions := range ends.Offsets() {
		for p, end := range partitions {
			lag += end.At - next[fmt.Sprintf("%s/%d", topic, p)]
		}
	}
	return lag
}
