package bifrost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// Journal keeps what ticks could look at and what they could not, for whoever
// asks how the archive stands. No rule reads it: an idle partition is never
// written, so without it nobody could tell one that is well from one that nobody
// has seen for a week.
type Journal interface {
	// NoteTick keeps the record in the place of the one before of the same
	// ClusterID; ErrConflict when one of a tick that began later is there. With a
	// CompleteAt of zero it leaves CompleteAt and Filter as they are.
	NoteTick(ctx context.Context, r TickRecord) error
	// NoteTrouble puts the trouble into the progress row of p, or takes it away if
	// it is zero; ErrConflict when the row was made anew.
	NoteTrouble(ctx context.Context, p Progress, trouble Trouble) error
}

// TickRecord is what the last tick of a cluster says of itself, and when the last
// one looked at everything. There is one a cluster, written once a tick.
type TickRecord struct {
	ID         string
	ClusterID  string // empty when the tick ended before it knew
	StartedAt  time.Time
	EndedAt    time.Time
	Topics     int // as in the TickSummary
	Partitions int
	Failures   int
	Unfinished int
	Error      string // what stopped the tick as a whole

	CompleteAt time.Time   // when the last tick asked Kafka that left no partition to the next; zero when none did
	Filter     TopicFilter // the topics that it looked at
}

// Trouble is what kept the last tick from looking at a partition, or from doing
// what was due there. It is written when it begins, changes and ends.
type Trouble struct {
	Error string    // empty when there is none
	Since time.Time // when the first tick met it that met anything
	At    time.Time // when Error was written
}

// retoldAfter bounds how often a trouble is written whose words change with every
// tick, such as the port of a connection that was refused.
const retoldAfter = 15 * time.Minute

// troubled is a partition that this tick could not deal with.
type troubled struct {
	row   Progress
	error string
}

// noteTroubles writes into progress rows what begins, changes and ends.
func (t *tick) noteTroubles(ctx context.Context) {
	if t.Journal == nil {
		return
	}
	now := t.view.at
	var changed []Progress // with the trouble to write
	for _, trouble := range t.troubles {
		p, before := trouble.row, trouble.row.Trouble
		switch {
		case before.Error == "":
			p.Trouble = Trouble{trouble.error, now, now}
		case before.Error != trouble.error && now.Sub(before.At) >= retoldAfter:
			p.Trouble = Trouble{trouble.error, before.Since, now}
		default:
			continue
		}
		changed = append(changed, p)
	}
	t.view.eachRow(func(p *Progress) {
		if _, still := t.troubles[p.Partition]; p.Trouble.Error != "" && !still && !t.skipped[p.Partition] {
			over := *p
			over.Trouble = Trouble{}
			changed = append(changed, over)
		}
	})
	parallel.Each(t.crew, changed, func(p Progress) {
		t.runGuarded(toDispatch, place{topic: p.Topic(), number: p.Number}, func() error {
			err := t.Journal.NoteTrouble(ctx, p, p.Trouble)
			if ignoreConflict(err) == nil {
				return nil
			}
			t.mutex.Lock()
			t.untold++
			t.mutex.Unlock()
			return fmt.Errorf("write into the progress row what keeps ticks from the partition: %w", err)
		})
	})
}

// eachRow calls look for the progress row of everything that the pass had in view.
func (v *view) eachRow(look func(*Progress)) {
	for _, s := range v.partitions {
		if s.progress != nil {
			look(s.progress)
		}
	}
	for i := range v.gone {
		look(&v.gone[i])
	}
	for i := range v.left {
		look(&v.left[i])
	}
}

// recordPatience is how long the record of a tick may take whose own time may be
// over.
const recordPatience = 10 * time.Second

// recordTick leaves the record of the tick, whatever became of it. A tick that a
// person has interrupted says nothing about the archive.
func (t *tick) recordTick(ctx context.Context, failed error) {
	if t.Journal == nil || errors.Is(context.Cause(ctx), context.Canceled) {
		return
	}
	s := &t.summary
	r := TickRecord{
		ID: s.ID, StartedAt: t.started, EndedAt: t.Now(),
		Topics: s.Topics, Partitions: s.Partitions, Failures: s.Failures, Unfinished: s.Unfinished,
	}
	if t.view != nil {
		r.ClusterID = t.view.clusterID
	}
	if failed != nil {
		r.Error = failed.Error()
	} else if s.Unfinished+t.untold == 0 {
		r.CompleteAt, r.Filter = t.view.at, t.Settings.Topics
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordPatience)
	defer cancel()
	if err := ignoreConflict(t.Journal.NoteTick(ctx, r)); err != nil {
		t.addFailure("", nil, fmt.Errorf("leave a record of this tick: %w", err))
	}
}
