//go:build real && soak

package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Fifty consumers in five groups read a thousand partitions at once, all of what is in them
// and more than the gateway can keep: it stays within 512 MiB.
func TestMemoryOfAThousandPartitions(t *testing.T) {
	const partitions, rounds, perRound, groups, members = 1000, 10, 10, 5, 10
	const all = partitions * rounds * perRound // records
	_, s := clusterOfItsOwn(t)
	ctx, topic := t.Context(), "wide"
	must(t, s.topic(ctx, topic, partitions))
	random := rand.NewChaCha8([32]byte{22})
	for round := range rounds {
		var records []*kgo.Record
		for number := range int32(partitions) {
			for n := range perRound {
				half := make([]byte, 5000) // which hexadecimal digits make twice as long
				_, _ = random.Read(half)   // never fails
				records = append(records, &kgo.Record{Partition: number, Key: fmt.Appendf(nil, "%d-%d", round, n),
					Value: hex.AppendEncode(nil, half)})
			}
		}
		must(t, s.produceBy(t, kgo.NoCompression(), topic, records...))
	}
	s.bifrost(t, "flush")
	s.cutBelow(t, topic, partitions, rounds*perRound)
	address, stop, pid := s.servingProcess(t, "--listen", "127.0.0.1:0")
	t.Cleanup(func() { stop(syscall.SIGTERM) })
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	var readers sync.WaitGroup
	var read [groups]atomic.Int64
	var seen [groups][all]atomic.Bool
	for g := range groups {
		for range members {
			client, err := kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumerGroup(fmt.Sprint("backfill-", g)),
				kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
				kgo.Balancers(kgo.RangeBalancer()))
			must(t, err)
			defer client.Close()
			readers.Go(func() {
				for read[g].Load() < all && limited.Err() == nil {
					poll, cancel := context.WithTimeout(limited, time.Second)
					fetches := client.PollFetches(poll)
					cancel()
					fetches.EachRecord(func(r *kgo.Record) { // more than once while members join
						if seen[g][int64(r.Partition)*rounds*perRound+r.Offset].CompareAndSwap(false, true) {
							read[g].Add(1)
						}
					})
				}
			})
		}
	}
	readers.Wait()
	for g := range groups {
		if n := read[g].Load(); n < all {
			t.Errorf("group %d has read %d of %d records", g, n, all)
		}
	}
	peak := peakMemory(t, pid)
	t.Logf("%.0f MiB at most, %d consumers read %d MB in %s", float64(peak)/(1<<20), groups*members,
		groups*all*10_000/1_000_000, time.Since(began).Round(time.Second))
	if peak > 512<<20 {
		t.Errorf("the gateway took %.0f MiB, want at most 512", float64(peak)/(1<<20))
	}
}

// peakMemory is the most memory that a process has had, in bytes.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	peak := peakIn(status)
	if peak == 0 {
		t.Fatalf("process %d has ended", pid)
	}
	return peak
}

// peakIn is the most memory in bytes that the status of a process tells of; 0 of one that has ended.
func peakIn(status []byte) (bytes int64) {
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	_, _ = fmt.Sscan(rest, &bytes)
	return bytes << 10
}
