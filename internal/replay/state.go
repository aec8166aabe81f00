package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// DefaultStateTopic is where replays keep their jobs and positions unless told
// otherwise. It is in the target cluster, since a transaction cannot span two.
const DefaultStateTopic = "bifrost-replay-state"

// State is how far a replay has come.
type State struct {
	Job       Job // zero when the replay is new
	Stretches []Stretch
}

// Positions is the next source offset of each partition that has begun.
func (s State) Positions() map[Partition]int64 {
	next := map[Partition]int64{}
	for _, p := range s.Job.Partitions {
		for _, done := range s.Stretches {
			if done.Source == p.Source && done.Number == p.Number {
				next[p] = max(next[p], done.End)
			}
		}
	}
	return next
}

// transactionalID names the producer of one partition of a replay.
func transactionalID(id string, p Partition) string {
	return fmt.Sprintf("bifrost-replay-%s-%s-%d", id, p.Source, p.Number)
}

// The keys of the state topic begin with the replay's ID, which has no slash.
func jobKey(id string) string { return id + "/job" }

func stretchKey(id string, s Stretch) string {
	return fmt.Sprintf("%s/%s/%d/%020d", id, s.Source, s.Number, s.Start)
}

// ensureStateTopic makes the state topic unless it is there: one partition, so
// that its end is one offset, and nothing is ever deleted.
func ensureStateTopic(ctx context.Context, admin *kadm.Client, topic string) error {
	forever := "-1"
	const brokersDefault = -1 // replication (KIP-464)
	response, err := admin.CreateTopic(ctx, 1, brokersDefault, map[string]*string{"retention.ms": &forever, "retention.bytes": &forever}, topic)
	if err == nil {
		err = response.Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("make the topic %s, which keeps the positions of replays: %w", topic, err)
	}
	return awaitTopic(ctx, admin, topic)
}

// awaitTopic returns when the leader of a topic answers for it. The controller
// says that it is made before every broker has heard of it.
func awaitTopic(ctx context.Context, admin *kadm.Client, topic string) error {
	err := insist(ctx, func(ctx context.Context) error {
		ends, err := admin.ListEndOffsets(ctx, topic)
		if err == nil {
			err = ends.Error()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("ask for the end of topic %s: %w", topic, err)
	}
	return nil
}

// fence initializes the producers of all partitions: what an earlier run of this
// replay left open is aborted, and that run can write no more. This run writes as
// whom it is known now, and never asks again: a later run would be shut out by
// that, and what it has written meanwhile be written twice.
func fence(ctx context.Context, client *kgo.Client, job Job) (map[bifrost.Partition]identity, error) {
	identities := map[bifrost.Partition]identity{}
	for _, p := range job.Partitions {
		identity, err := initialize(ctx, client, transactionalID(job.ID, p))
		if err != nil {
			return nil, fmt.Errorf("initialize the producer of %s: %w", p.Key(), err)
		}
		identities[p.Key()] = identity
	}
	return identities, nil
}

// readState reads what is committed of a replay, up to the end of the state topic
// as it is now.
func readState(ctx context.Context, options []kgo.Opt, topic, id string) (State, error) {
	state, err := tryReadState(ctx, options, topic, id)
	if err != nil {
		return state, fmt.Errorf("read the positions of replay %s from topic %s: %w", id, topic, err)
	}
	return state, nil
}

// statePatience is how long the state topic may stand still behind a transaction.
const statePatience = 2 * transactionTimeout

func tryReadState(ctx context.Context, options []kgo.Opt, topic, id string) (State, error) {
	var state State
	client, err := kgo.NewClient(append(options[:len(options):len(options)],
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // the last offset may be a marker's
	)...)
	if err != nil {
		return state, err
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, topic) // high watermark: what is open counts
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return state, err
	}
	end, _ := ends.Lookup(topic, 0)
	ctx, cancel := context.WithTimeoutCause(ctx, statePatience, errors.New("a transaction of another replay stays open; end that replay, or wait until Kafka does"))
	defer cancel()
	for position := int64(0); position < end.Offset; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return state, err
		}
		for iter := fetches.RecordIter(); !iter.Done(); {
			record := iter.Next()
			position = record.Offset + 1
			if err := state.take(record, id); err != nil {
				return state, err
			}
		}
	}
	return state, nil
}

// take adds a record of the state topic if it is one of the replay.
func (s *State) take(record *kgo.Record, id string) error {
	rest, ours := strings.CutPrefix(string(record.Key), id+"/")
	if !ours || record.Attrs.IsControl() {
		return nil
	}
	if rest == "job" {
		if err := json.Unmarshal(record.Value, &s.Job); err != nil {
			return fmt.Errorf("offset %d, the job: %w", record.Offset, err)
		}
		return nil
	}
	var done Stretch
	if err := json.Unmarshal(record.Value, &done); err != nil {
		return fmt.Errorf("offset %d, a stretch: %w", record.Offset, err)
	}
	s.Stretches = append(s.Stretches, done)
	return nil
}

// Totals is how much all runs of the replay have written.
func (s State) Totals() (records, bytes int64) {
	for _, done := range s.Stretches {
		records += done.Records
		bytes += done.Bytes
	}
	return records, bytes
}
