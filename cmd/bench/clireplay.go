// The speed of replay beside a bare producer.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// What replay writes.
const (
	replayRecords = 400_000 // of a partition
	replayParts   = 4
	replayWarm    = 2 // rounds before those that count
)

// benchReplay compares replay with a bare producer of the same records.
func benchReplay(report func(figure)) error {
	ctx := context.Background()
	a, err := newCLIArchive(ctx)
	if err != nil {
		return err
	}
	defer a.stop()
	broker, err := localservices.StartKafka(ctx, localservices.KafkaOptions{})
	if err != nil {
		return err
	}
	defer func() { check(broker.Remove()) }()
	records := pageViews(replayRecords, 1)
	for p := range int32(replayParts) {
		if err := a.archive(ctx, bifrost.Partition{Name: "views", Number: p}, records, 1); err != nil {
			return err
		}
		for i := range records {
			records[i].Offset -= replayRecords
		}
	}
	var bare, replayed []cost
	for n := range replayWarm + cliRounds {
		syscall.Sync() // or a run waits for the disk that an earlier one fills
		topic := fmt.Sprintf("bare-%d", n)
		producer, err := measure(func() error { return produceBare(ctx, broker.Addr(), topic, records) })
		if err != nil {
			return err
		}
		syscall.Sync()
		replay, err := a.replay(ctx, broker.Addr(), fmt.Sprintf("replayed-%d", n))
		if err != nil {
			return err
		}
		if n >= replayWarm { // in the first rounds the broker compiles what it runs, more of it for transactions
			bare, replayed = append(bare, producer), append(replayed, replay)
		}
	}
	note := fmt.Sprintf("%d records of 500 bytes in %d partitions", replayRecords*replayParts, replayParts)
	report(figure{
		Name:  "cli/replay/producer",
		Value: replayRate(bare, wall),
		Unit:  "records/s",
		Note:  "a bare franz-go producer, records in memory; " + note,
	})
	report(figure{
		Name:  "cli/replay/replay",
		Value: replayRate(replayed, wall),
		Unit:  "records/s",
		Note:  "the whole command: from S3, in transactions that carry the position",
	})
	report(figure{
		Name:   "cli/replay/ratio",
		Value:  ratio(replayed, bare, wall),
		Unit:   "of the producer",
		Target: "at least 0.7",
		Note:   fmt.Sprintf("%d cores, the broker and the S3 server on them too", runtime.NumCPU()),
	})
	report(figure{
		Name:  "cli/replay/producer-processor",
		Value: replayRate(bare, processor),
		Unit:  "records a core-second",
	})
	report(figure{
		Name:  "cli/replay/replay-processor",
		Value: replayRate(replayed, processor),
		Unit:  "records a core-second",
		Note:  "inflating and decoding included",
	})
	return nil
}

// replayRate is the median of records a second.
func replayRate(costs []cost, clock func(cost) float64) float64 {
	return megabytes(replayRecords*replayParts*1e6, costs, clock)
}

// replay runs one replay and says what the whole process cost.
func (a *cliArchive) replay(ctx context.Context, brokers, topic string) (cost, error) {
	if err := makeTopic(ctx, brokers, topic); err != nil {
		return cost{}, err
	}
	return a.runWriter("replay", "views:"+topic, "--to-brokers", brokers, "--json")
}

// runWriter runs a command that writes all records into a cluster.
func (a *cliArchive) runWriter(args ...string) (cost, error) {
	command := exec.Command(filepath.Join(a.dir, "bifrost"), args...)
	command.Env = a.env
	var talk bytes.Buffer
	command.Stderr = &talk
	begin := time.Now()
	out, err := command.Output()
	took := time.Since(begin).Seconds()
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w\n%s", args[0], err, talk.String())
	}
	var answer struct{ Records int64 }
	if err := json.Unmarshal(out, &answer); err != nil {
		return cost{}, err
	}
	if answer.Records != replayRecords*replayParts {
		return cost{}, fmt.Errorf("%s wrote %d records, want %d", args[0], answer.Records, replayRecords*replayParts)
	}
	return cost{took, childSeconds(command)}, nil
}

// childSeconds is what a process that has ended used of all cores.
func childSeconds(command *exec.Cmd) float64 {
	return (command.ProcessState.UserTime() + command.ProcessState.SystemTime()).Seconds()
}

// produceBare sends the records to every partition as fast as franz-go does by
// itself: idempotent, its own defaults, no transactions.
func produceBare(ctx context.Context, brokers, topic string, records []baldr.Record) error {
	if err := makeTopic(ctx, brokers, topic); err != nil {
		return err
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxBufferedRecords(200_000))
	if err != nil {
		return err
	}
	defer client.Close()
	promise := kgo.AbortingFirstErrPromise(client)
	for i := range records {
		for p := range int32(replayParts) {
			r := &records[i]
			client.Produce(ctx, &kgo.Record{
				Topic:     topic,
				Partition: p,
				Timestamp: time.UnixMilli(r.Timestamp),
				Key:       r.Key,
				Value:     r.Value,
			}, promise.Promise())
		}
	}
	return promise.Err()
}

func makeTopic(ctx context.Context, brokers, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers))
	if err != nil {
		return err
	}
	defer client.Close()
	forever := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
	_, err = localservices.CreateTopic(ctx, client, topic, replayParts, 1, forever)
	return err
}
