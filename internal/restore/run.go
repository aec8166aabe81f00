// A restore from topics to records.

package restore

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// patience is how long the target may take to answer one request.
const patience = 30 * time.Second

func newClient(options []kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options[:len(options):len(options)], kgo.RetryTimeout(patience))...)
}

// insist calls do until it succeeds, fails for good, or the patience is at an end.
func insist(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(patience)
	for {
		err := do()
		if err == nil || !kerr.IsRetriable(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(insistPause):
		}
	}
}

const insistPause = 100 * time.Millisecond

// Run does what a plan says that nothing stands against, and reports what is in the
// target then. After an error it can be run again, from a new plan, and goes on.
func (r *Restorer) Run(ctx context.Context, plan *Plan) (*Report, error) {
	begun := r.Now()
	if _, err := plan.look.Make(ctx); err != nil {
		return nil, err
	}
	if err := r.write(ctx, plan); err != nil {
		return nil, err
	}
	report, err := r.newReport(ctx, plan)
	if err != nil {
		return nil, err
	}
	if r.Groups {
		if report.Groups, err = r.setGroups(ctx, plan); err != nil {
			return nil, err
		}
	}
	if r.ACLs {
		if report.ACLs, err = r.createACLs(ctx); err != nil {
			return nil, err
		}
	}
	report.Complete, report.Seconds = true, r.Now().Sub(begun).Seconds()
	r.conclude(report)
	return report, nil
}

// write replays what is left, round by round: of two branches of a partition the older
// comes first.
func (r *Restorer) write(ctx context.Context, plan *Plan) error {
	if r.Begun != nil {
		left, err := r.left(ctx, plan)
		if err != nil {
			return err
		}
		done := plan.written()
		r.Begun(done+left, done)
	}
	for _, parts := range plan.rounds {
		outlook, err := replay.Start(ctx, request(parts), r.source, replay.Options{
			Client:    r.Client,
			Parallel:  r.Parallel,
			Batches:   plan.look.Batches(),
			Throttle:  r.Throttle,
			Committed: r.Committed,
		})
		if err != nil {
			return fmt.Errorf("write records: %w", err)
		}
		plan.take(outlook)
	}
	return nil
}

// written is how many records of the plan were written before.
func (p *Plan) written() (records int64) {
	for _, part := range p.parts {
		records += part.Position.Records
	}
	return records
}

// left is how many records there are to write, as far as the catalogue tells. What was written before is not
// counted by what the archive has of it now: some of it may have been erased since.
func (r *Restorer) left(ctx context.Context, plan *Plan) (int64, error) {
	var all atomic.Int64
	var reads []func(context.Context) error
	for _, t := range plan.Topics {
		for _, p := range t.Partitions {
			if !plan.begun(t.Name, p) {
				all.Add(p.Records)
				continue
			}
			for _, b := range p.branches {
				for _, todo := range plan.parts[partKey{b.row.Partition, t.Name}].Todo {
					rest := Partition{}
					reads = append(reads, func(ctx context.Context) error {
						err := r.readBranch(ctx, &rest, branch{b.row, bifrost.Range{Start: todo.Start, End: todo.End}})
						all.Add(rest.Records)
						return err
					})
				}
			}
		}
	}
	err := sideBySide(ctx, reads)
	return all.Load(), err
}

// begun reports whether something of a partition was written before.
func (p *Plan) begun(topic string, partition Partition) bool {
	return slices.ContainsFunc(partition.branches, func(b branch) bool {
		part := p.parts[partKey{b.row.Partition, topic}]
		return part != nil && part.Position.Records > 0
	})
}
