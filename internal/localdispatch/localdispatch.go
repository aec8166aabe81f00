// Package localdispatch runs archive workers in the process that plans, in place of Lambda:
// for a container, a laptop, or a flush by hand. Tables, bucket and rules are the same,
// so such a process may run alongside a deployed stack, and each may take over the
// other's ranges.
package localdispatch

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Outcome is the result of one task and of the ranges that its worker continued with.
type Outcome struct {
	Task    bifrost.Task
	Results []bifrost.RangeResult
	Err     error
}

// Options say how a Dispatcher works.
type Options struct {
	Worker *bifrost.Worker
	Slots  int           // concurrent workers, at least 1
	Turn   time.Duration // how long a worker may continue with waiting ranges; less than its lease
	Done   func(Outcome) // called by workers when they end, one at a time

	// Selects says with which topics' waiting ranges a worker continues; nil for all.
	Selects func(topic string) bool
}

// Dispatcher implements bifrost.Dispatcher with goroutines of this process. As many
// workers as there are slots run concurrently; what is dispatched beyond that waits.
type Dispatcher struct {
	options Options
	worker  bifrost.Worker
	ctx     context.Context // of the workers: tasks outlive the tick that dispatches them
	slots   chan struct{}
	workers sync.WaitGroup
	ends    sync.Mutex

	stopOnce sync.Once
	stopping chan struct{}
}

// New returns a Dispatcher whose workers run as long as ctx.
func New(ctx context.Context, options Options) *Dispatcher {
	d := &Dispatcher{
		options: options, worker: *options.Worker, ctx: ctx,
		slots: make(chan struct{}, max(1, options.Slots)), stopping: make(chan struct{}),
	}
	d.worker.Ledger, d.worker.Stop = selected{d.worker.Ledger, options.Selects}, d.stopping
	return d
}

// Dispatch implements bifrost.Dispatcher. It never waits.
func (d *Dispatcher) Dispatch(_ context.Context, task bifrost.Task) error {
	d.workers.Go(func() {
		select {
		case d.slots <- struct{}{}:
			defer func() { <-d.slots }()
		case <-d.stopping: // the lease runs out, and somebody else takes the range
			return
		case <-d.ctx.Done():
			return
		}
		if d.ended() { // select may have chosen the slot all the same
			return
		}
		results, err := d.worker.Work(d.ctx, task, d.worker.Now().Add(d.options.Turn))
		d.ends.Lock()
		defer d.ends.Unlock()
		d.options.Done(Outcome{task, results, err})
	})
	return nil
}

func (d *Dispatcher) ended() bool {
	select {
	case <-d.stopping:
		return true
	case <-d.ctx.Done():
		return true
	default:
		return false
	}
}

// Stop lets each worker finish its current range, and prevents new ones from starting.
func (d *Dispatcher) Stop() { d.stopOnce.Do(func() { close(d.stopping) }) }

// Wait returns when no worker is left.
func (d *Dispatcher) Wait() { d.workers.Wait() }

// selected is a ledger in which nothing waits of topics that are not selected.
type selected struct {
	bifrost.WorkLedger
	selects func(topic string) bool
}

// SomePlanned implements bifrost.Waiting.
func (l selected) SomePlanned(ctx context.Context, now time.Time, limit int) ([]bifrost.Row, error) {
	rows, err := l.WorkLedger.SomePlanned(ctx, now, limit)
	if l.selects == nil {
		return rows, err
	}
	return slices.DeleteFunc(rows, func(r bifrost.Row) bool { return !l.selects(r.Topic()) }), err
}
