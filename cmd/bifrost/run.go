package main

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/localdispatch"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newRun(a *app) *cobra.Command {
	w := &work{app: a}
	var every time.Duration
	c := &cobra.Command{
		Use:     "run",
		GroupID: groupWork,
		Short:   "Discover and archive in this process, without Lambda",
		Long: `Run does what the deployed functions do, in one process: it ticks, archives what
is due with as many workers as slots, and ticks again. Tables, bucket and rules
are the same, so it may run beside a deployed stack. All settings of the functions
are read from the environment (docs/configuration.md). A first interrupt lets the
ranges at work end, a second one stops at once; both are safe, as is a kill.`,
		Example: "  bifrost run\n  BIFROST_MAX_AGE_SECONDS=60 bifrost run --slots 2 --every 10s",
		RunE: func(c *cobra.Command, _ []string) error {
			if every <= 0 {
				return usagef("--every %s: want a time above 0", every)
			}
			return w.forever(c.Context(), every)
		},
	}
	c.Flags().DurationVar(&every, "every", time.Minute, "time between two ticks")
	w.addSlots(c)
	return c
}

// work is archiving in this process.
type work struct {
	*app
	slots   int
	only    bool // take up no ranges of topics that are not selected
	parts   *wiring.Parts
	workers *localdispatch.Dispatcher
	results []bifrost.RangeResult
	failed  []localdispatch.Outcome
	done    chan struct{} // a worker has ended
}

func (w *work) addSlots(c *cobra.Command) {
	c.Flags().IntVar(&w.slots, "slots", 0, "ranges archived at the same time ($BIFROST_MAX_IN_FLIGHT)")
}

// begin opens the parts and starts no worker yet. The workers do not end with
// ctx, which a first interrupt ends, but with the returned stop.
func (w *work) begin(ctx context.Context) (stop func(), err error) {
	if w.slots < 0 {
		return nil, usagef("--slots %d: want a number above 0", w.slots)
	}
	if w.slots > 0 {
		w.settings.values["BIFROST_MAX_IN_FLIGHT"] = strconv.Itoa(w.slots)
	}
	if level, ok := w.settings.lookup("BIFROST_LOG_LEVEL"); !ok || level == "" {
		w.settings.values["BIFROST_LOG_LEVEL"] = "warn"
	}
	if w.parts, err = w.open(ctx, config.Archiver); err != nil {
		return nil, err
	}
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.done = make(chan struct{}, 1)
	w.workers = localdispatch.New(working, localdispatch.Options{
		Worker: w.parts.Worker(), Slots: w.parts.Config.MaxInFlight, Turn: w.parts.Config.ArchiveTimeout, Done: w.ended, Selects: w.selects(),
	})
	return func() {
		w.workers.Stop()
		w.workers.Wait()
		cancel()
		w.parts.Close()
	}, nil
}

// selects tells of which topics waiting ranges are taken up; nil for all.
func (w *work) selects() func(string) bool {
	if !w.only {
		return nil
	}
	return w.parts.Config.Topics.Archives
}

// ended takes in what a worker did. The dispatcher calls it for one at a time.
func (w *work) ended(o localdispatch.Outcome) {
	for _, r := range o.Results {
		w.tell(r)
	}
	w.results = append(w.results, o.Results...)
	if o.Err != nil {
		w.failed = append(w.failed, o)
		w.say("%s %v", w.paint(w.talk, styleBad, "failed:"), o.Err)
	}
	select {
	case w.done <- struct{}{}:
	default:
	}
}

func (w *work) tell(r bifrost.RangeResult) {
	at := bifrost.Range{Start: r.StartOffset, End: r.EndOffset}
	switch r.Outcome {
	case bifrost.OutcomeGone, bifrost.OutcomeDoneAlready:
	case bifrost.OutcomeLost:
		w.say("%s  %s/%d %s  a gap", r.Outcome, r.Topic, r.Partition, at)
	default:
		w.say("%s  %s/%d %s  %s records, %s as %s", r.Outcome, r.Topic, r.Partition, at, count(r.Records), size(r.RawBytes), size(r.StoredBytes))
	}
}

// forever ticks until ctx ends.
func (w *work) forever(ctx context.Context, every time.Duration) error {
	stop, err := w.begin(ctx)
	if err != nil {
		return err
	}
	defer stop()
	discover, capturer := w.parts.Discoverer(w.workers), w.parts.Capturer()
	w.say("Archiving group %s into bucket %s with %d slots, a tick every %s.", w.parts.Config.Group, w.parts.Config.Bucket, w.parts.Config.MaxInFlight, every)
	for {
		summary, err := discover.Tick(ctx, time.Time{})
		if ctx.Err() != nil {
			w.say("Interrupted: the ranges at work are brought to their end.")
			return nil
		}
		w.tellTick(summary, err)
		if err == nil {
			made := capturer.CaptureDue(ctx, time.Time{})
			if ctx.Err() == nil {
				w.tellCapture(made)
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(every):
		}
	}
}

func (w *work) tellTick(s bifrost.TickSummary, err error) {
	if err != nil {
		w.say("%s %v", w.paint(w.talk, styleBad, "tick failed:"), err)
		return
	}
	w.say("tick  %d topics, %d partitions, lag %s: %d planned, %d started, %d at work, %d waiting", s.Topics, s.Partitions, count(s.Lag), s.Planned, s.Dispatched, s.InFlight, s.Waiting)
	w.tellFailed(s.Failed, s.Failures)
}

func (w *work) tellCapture(c *bifrost.CaptureResult) {
	switch {
	case c == nil:
	case c.Outcome == bifrost.CaptureWritten:
		w.say("captured  the cluster into %s, %s", c.Key, size(c.Bytes))
	case c.Error != "":
		w.say("%s %s", w.paint(w.talk, styleBad, "capture failed:"), c.Error)
	}
}

// tellFailed names what failed, of so many in all.
func (a *app) tellFailed(failed []bifrost.TickFailure, all int) {
	for _, f := range failed {
		where := cmp.Or(f.Topic, "the cluster")
		if f.Partition != nil {
			where += "/" + strconv.Itoa(int(*f.Partition))
		}
		a.say("  %s %s: %s", a.paint(a.talk, styleBad, "failed"), where, f.Error)
	}
	if left := all - len(failed); left > 0 {
		a.say("  … and %d more", left)
	}
}

// errUnfinished says that a flush could not archive everything.
var errUnfinished = errors.New("not everything could be archived")
