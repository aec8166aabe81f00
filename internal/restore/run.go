// A restore from topics to records.

package restore

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

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
		r.Begun(plan.progress())
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

// progress is how many records there are to write, as far as the catalogue tells, and
// how many are there.
func (p *Plan) progress() (total, done int64) {
	for _, t := range p.Topics {
		records, _ := t.held()
		total += records
	}
	for _, part := range p.parts {
		done += part.Position.Records
	}
	return max(total, done), done
}
