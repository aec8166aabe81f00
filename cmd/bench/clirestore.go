// The speed of a restore beside a replay of the same records.

package main

import (
	"context"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// benchRestore compares a restore with a replay of the same records.
func benchRestore(report func(figure)) error {
	ctx := context.Background()
	a, err := newCLIArchive(ctx)
	if err != nil {
		return err
	}
	defer a.stop()
	if err := a.captureViews(ctx); err != nil {
		return err
	}
	broker, err := localservices.StartKafka(ctx, localservices.KafkaOptions{})
	if err != nil {
		return err
	}
	defer func() { check(broker.Remove()) }()
	var replayed, restored []cost
	for n := range replayWarm + cliRounds {
		syscall.Sync()
		replay, err := a.runWriter("replay", fmt.Sprintf("views:replayed-%d", n), "--create",
			"--to-brokers", broker.Addr(), "--json")
		if err != nil {
			return err
		}
		syscall.Sync()
		restore, err := a.runWriter("restore", "--at", "latest", "--groups",
			"--to-brokers", broker.Addr(), "--json", "--yes")
		if err != nil {
			return err
		}
		if err := dropTopic(ctx, broker.Addr(), "views"); err != nil {
			return err
		}
		if n >= replayWarm {
			replayed, restored = append(replayed, replay), append(restored, restore)
		}
	}
	note := fmt.Sprintf("%d records of 500 bytes in %d partitions", replayRecords*replayParts, replayParts)
	report(figure{
		Name:  "cli/restore/restore",
		Value: replayRate(restored, wall),
		Unit:  "records/s",
		Note:  "the whole command, which looks at everything afterwards; both make their topic; " + note,
	})
	report(figure{
		Name:   "cli/restore/ratio",
		Value:  ratio(restored, replayed, wall),
		Unit:   "of a replay",
		Target: "at least 0.95",
	})
	return nil
}

// captureViews fills a cluster, archives and captures it, and takes it away.
func (a *cliArchive) captureViews(ctx context.Context) error {
	source, err := localservices.StartKafka(ctx, localservices.KafkaOptions{})
	if err != nil {
		return err
	}
	defer func() { check(source.Remove()) }()
	if err := produceBare(ctx, source.Addr(), "views", pageViews(replayRecords, 1)); err != nil {
		return err
	}
	a.env = append(a.env, "BIFROST_BROKERS="+source.Addr())
	for _, command := range []string{"flush", "capture"} {
		if _, _, err := a.runProgram(filepath.Join(a.dir, "bifrost"), command); err != nil {
			return err
		}
	}
	return nil
}

// dropTopic deletes a topic and waits until it is gone.
func dropTopic(ctx context.Context, brokers, topic string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers))
	if err != nil {
		return err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := admin.DeleteTopic(ctx, topic); err != nil {
		return err
	}
	for {
		there, err := admin.ListTopics(ctx)
		if err != nil || !there.Has(topic) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
