package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Source gives the records of a partition of the job from an offset on, within
// the job's bounds, in order. Their memory is borrowed until the next one.
type Source func(ctx context.Context, job Job, p Partition, from int64) iter.Seq2[baldr.Record, error]

// Options say how to replay.
type Options struct {
	Client     []kgo.Opt // how to reach the target cluster
	StateTopic string
	Parallel   int                // partitions replayed side by side, at least 1
	Batches    map[string]Batches // by target topic; what is not there is taken to be as Kafka's defaults are
	Throttle   int64              // bytes of keys and values a second, all partitions together; 0 for none
	Begun      func(State)        // called once, before anything is written: where the replay stands
	Committed  func(Stretch)      // called after each transaction, by one goroutine at a time
}

// transactionTimeout is how long Kafka waits for a producer that has died before
// it aborts its transaction.
const transactionTimeout = 60 * time.Second

// Start begins the replay, or goes on with it if the state topic knows it. It
// returns the state as it is at the end. An error leaves everything that was
// committed in place; to run it again goes on from there.
func Start(ctx context.Context, job Job, source Source, options Options) (State, error) {
	client, err := kgo.NewClient(options.Client...)
	if err != nil {
		return State{}, err
	}
	defer client.Close()
	if err := ensureStateTopic(ctx, kadm.NewClient(client), options.StateTopic); err != nil {
		return State{}, err
	}
	identities, err := fence(ctx, client, job)
	if err != nil {
		return State{}, err
	}
	state, err := readState(ctx, options.Client, options.StateTopic, job.ID)
	if err != nil {
		return state, err
	}
	if state.Job.ID == "" {
		if err := writeJob(ctx, client, options.StateTopic, job); err != nil {
			return state, err
		}
		state.Job = job
	}
	if err := job.sameAs(state.Job); err != nil {
		return state, err
	}
	if options.Begun != nil {
		options.Begun(state)
	}
	r := &runner{source: source, options: options, job: state.Job, identities: identities, pace: newPace(options.Throttle)}
	if err := r.all(ctx, state); err != nil {
		return state, err
	}
	return readState(ctx, options.Client, options.StateTopic, job.ID)
}

func writeJob(ctx context.Context, client *kgo.Client, topic string, job Job) error {
	value, err := json.Marshal(job)
	if err != nil {
		return err
	}
	record := &kgo.Record{Topic: topic, Key: []byte(jobKey(job.ID)), Value: value}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("write the job of replay %s to topic %s: %w", job.ID, topic, err)
	}
	return nil
}

// runner is one run of a replay.
type runner struct {
	source     Source
	options    Options
	job        Job
	identities map[bifrost.Partition]identity // of the producers
	pace       *pace
	commits    sync.Mutex // for options.Committed
}

// all replays the partitions, some side by side. The first failure ends it.
func (r *runner) all(ctx context.Context, state State) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	positions := state.Positions()
	queue := make(chan Partition)
	var workers sync.WaitGroup
	for range max(1, r.options.Parallel) {
		workers.Go(func() {
			for p := range queue {
				if err := r.partition(ctx, p, positions[p]); err != nil {
					cancel(fmt.Errorf("replay %s to topic %s: %w", p.Key(), p.Target, err))
				}
			}
		})
	}
	for _, p := range r.job.Partitions {
		select {
		case queue <- p:
		case <-ctx.Done():
		}
	}
	close(queue)
	workers.Wait()
	return context.Cause(ctx)
}

// partition replays one partition from its position on.
func (r *runner) partition(ctx context.Context, p Partition, position int64) error {
	from := max(p.Start, position)
	if from >= p.End {
		return nil
	}
	writer, err := r.newWriter(ctx, p, from)
	if err != nil {
		return err
	}
	defer writer.close()
	for record, err := range r.source(ctx, r.job, p, from) {
		if err == nil && record.Offset < 0 {
			err = errors.New("the archive holds values only here: no offsets, keys and timestamps to replay")
		}
		if err == nil {
			err = writer.write(ctx, &record)
		}
		if err != nil {
			return errors.Join(err, writer.abort(ctx))
		}
	}
	writer.next = p.End // there is no record between the last one and the end
	if err := writer.commit(ctx); err != nil {
		return errors.Join(err, writer.abort(ctx))
	}
	return nil
}

func (r *runner) committed(s Stretch) {
	r.commits.Lock()
	defer r.commits.Unlock()
	if r.options.Committed != nil {
		r.options.Committed(s)
	}
}
