// The command run: ticks, with workers in this process.

package main

import (
	"cmp"
	"context"
	"errors"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/localdispatch"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newRun(a *app.App) *cobra.Command {
	w := &work{App: a}
	var every time.Duration
	c := &cobra.Command{
		Use:     "run",
		GroupID: groupWork,
		Short:   "Discover and archive in this process, without Lambda",
		Long: `Run does what the deployed functions do, in one process: it ticks, archives what
is due with as many workers as slots, and ticks again. Tables, bucket and rules
are the same, so it may run beside a deployed stack. All settings of the functions
are read from the environment (docs/configuration.md). A first interrupt lets the
ranges at work end, a second one stops at once; both are safe, as is a kill.

` + memoryHelp,
		Example: "  bifrost run\n  BIFROST_MAX_AGE_SECONDS=60 bifrost run --slots 2 --every 10s",
		RunE: func(c *cobra.Command, _ []string) error {
			if every <= 0 {
				return usage.Errorf("--every %s: want a time above 0", every)
			}
			if err := w.checkSlots(c); err != nil {
				return err
			}
			return w.runForever(c.Context(), every)
		},
	}
	c.Flags().DurationVar(&every, "every", time.Minute, "`TIME` between two ticks")
	w.addFlags(c)
	return c
}

// work is archiving in this process.
type work struct {
	*app.App
	slots   int
	memory  string
	guard   clusterGuard
	known   bool // the brokers are those of the archive
	only    bool // take up no ranges of topics that are not selected
	listed  bool // what was archived is listed at the end, so that until then a sum will do
	sum     archivedSum
	parts   *wiring.Parts
	workers *localdispatch.Dispatcher
	results []bifrost.RangeResult
	failed  []localdispatch.Outcome
	done    chan struct{} // a worker has ended
}

func (w *work) addFlags(c *cobra.Command) {
	w.guard.addTo(c)
	c.Flags().IntVar(&w.slots, "slots", 0, "ranges archived at the same time ($BIFROST_MAX_IN_FLIGHT), as far as "+
		"--memory allows")
	c.Flags().StringVar(&w.memory, "memory", "1GB", "memory of this process; fewer ranges are archived at the same "+
		"time if so many do not fit")
}

func (w *work) checkSlots(c *cobra.Command) error {
	if c.Flags().Changed("slots") && w.slots < 1 {
		return usage.Errorf("--slots %d: want a number above 0", w.slots)
	}
	return nil
}

// memoryHelp is the part of the help about --memory.
const memoryHelp = `Memory: about 100 MB, and 64 MB for each slot; 142 MB were measured with one slot,
467 to 537 MB with eight. --memory bounds the sum: no more slots are used than fit,
and Go's collector keeps to seven eighths of it. A single record batch of more than a
megabyte takes four times its size on top.`

// What a process needs without a slot, and each slot, in bytes: rounded up from what was measured
// with objects of the usual size.
const (
	memoryBase    = 100e6
	memoryPerSlot = 64e6
)

// boundMemory answers how many of the slots fit into the memory, and has Go keep to it.
func (w *work) boundMemory(slots int) (int, error) {
	total, err := human.ParseBytes("--memory", "the memory of this process", w.memory)
	if err != nil {
		return 0, err
	}
	fit := int((float64(total) - memoryBase) / memoryPerSlot)
	if fit < 1 {
		return 0, usage.Errorf("--memory %s: want at least %s, for one slot", w.memory,
			human.Size(memoryBase+memoryPerSlot))
	}
	debug.SetMemoryLimit(total / 8 * 7)
	if slots > fit {
		w.Say("%d slots fit into %s of memory, and not %d; --memory gives more.", fit, human.Size(total), slots)
	}
	return min(slots, fit), nil
}

// beginWork opens the parts and starts no worker yet. The workers do not end with
// ctx, which a first interrupt ends, but with the returned stop.
func (w *work) beginWork(ctx context.Context) (stop func(), err error) {
	if w.slots > 0 {
		w.SetVariable("BIFROST_MAX_IN_FLIGHT", strconv.Itoa(w.slots))
	}
	if level, ok := w.LookupVariable("BIFROST_LOG_LEVEL"); !ok || level == "" {
		w.SetVariable("BIFROST_LOG_LEVEL", "warn")
	}
	if w.parts, err = w.OpenParts(ctx, config.Archiver); err != nil {
		return nil, err
	}
	if !w.listed { // run is a service, and says as much as it is told to
		w.parts.Log = w.Logger(w.parts.Config.LogLevel)
	}
	if w.parts.Config.MaxInFlight, err = w.boundMemory(w.parts.Config.MaxInFlight); err != nil {
		w.parts.Close()
		return nil, err
	}
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.done = make(chan struct{}, 1)
	w.workers = localdispatch.New(working, localdispatch.Options{
		Worker:  w.parts.Worker(),
		Slots:   w.parts.Config.MaxInFlight,
		Turn:    w.parts.Config.ArchiveTimeout,
		Done:    w.takeOutcome,
		Selects: w.selectsTopics(),
	})
	return func() {
		w.workers.Stop()
		w.workers.Wait()
		cancel()
		w.parts.Close()
	}, nil
}

// selectsTopics tells of which topics waiting ranges are taken up; nil for all.
func (w *work) selectsTopics() func(string) bool {
	if !w.only {
		return nil
	}
	return w.parts.Config.Topics.Archives
}

// takeOutcome takes in what a worker did. The dispatcher calls it for one at a time.
func (w *work) takeOutcome(o localdispatch.Outcome) {
	for _, r := range o.Results {
		if w.listed {
			w.tellSum(r)
		} else {
			w.tellRange(r)
		}
	}
	w.results = append(w.results, o.Results...)
	if o.Err != nil {
		w.failed = append(w.failed, o)
		w.Say("%s %v", w.Paint(w.Talk, console.StyleBad, "failed:"), o.Err)
	}
	select {
	case w.done <- struct{}{}:
	default:
	}
}

// archivedSum is what was archived so far, and when that was said last.
type archivedSum struct {
	ranges, records, bytes int64
	at                     time.Time
}

// betweenSums is the least time between two lines about it.
const betweenSums = 5 * time.Second

func (w *work) tellSum(r bifrost.RangeResult) {
	s := &w.sum
	s.ranges, s.records, s.bytes = s.ranges+1, s.records+r.Records, s.bytes+r.RawBytes
	now := w.Now()
	if s.at.IsZero() {
		s.at = now
	}
	if now.Sub(s.at) >= betweenSums {
		s.at = now
		w.Say("%d ranges so far: %s records, %s", s.ranges, human.Count(s.records), human.Size(s.bytes))
	}
}

func (w *work) tellRange(r bifrost.RangeResult) {
	at := bifrost.Range{Start: r.StartOffset, End: r.EndOffset}
	switch r.Outcome {
	case bifrost.OutcomeGone, bifrost.OutcomeDoneAlready:
	case bifrost.OutcomeLost:
		w.Say("%s  %s/%d %s  %s", outcomeWord(r), r.Topic, r.Partition, at, bifrost.DescribeGap(r.GapReason))
	default:
		w.Say("%s  %s/%d %s  %s records, %s as %s", r.Outcome, r.Topic, r.Partition, at, human.Count(r.Records),
			human.Size(r.RawBytes), human.Size(r.StoredBytes))
	}
}

// outcomeWord is the outcome as people are told it: of gaps, only those are lost that Kafka
// deleted before they were archived.
func outcomeWord(r bifrost.RangeResult) string {
	if r.Outcome == bifrost.OutcomeLost && !lostFor(r.GapReason) {
		return "gap"
	}
	return r.Outcome
}

// runForever ticks until ctx ends.
func (w *work) runForever(ctx context.Context, every time.Duration) error {
	stop, err := w.beginWork(ctx)
	if err != nil {
		return err
	}
	defer stop()
	discover, capturer := w.parts.Discoverer(w.workers), w.parts.Capturer()
	discover.By = wiring.NameTicker("bifrost run")
	w.Say("Archiving group %s into bucket %s with %d slots, a tick every %s.",
		w.parts.Config.Group, w.parts.Config.Bucket, w.parts.Config.MaxInFlight, every)
	for {
		summary, err := w.tickKnownCluster(ctx, discover)
		if usage.Is(err) {
			return err
		}
		if ctx.Err() != nil {
			w.Say("Interrupted: the ranges at work are brought to their end.")
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

// tickKnownCluster ticks once it is known that the brokers are those of the archive; a wrong usage if they are not.
func (w *work) tickKnownCluster(ctx context.Context, discover *bifrost.Discoverer) (bifrost.TickSummary, error) {
	if !w.known {
		if err := w.guard.askBrokers(ctx, w.parts.Kafka, w.parts.Ledger); err != nil {
			return bifrost.TickSummary{}, err
		}
		w.known = true
	}
	return discover.Tick(ctx, time.Time{})
}

func (w *work) tellTick(s bifrost.TickSummary, err error) {
	if err != nil {
		w.Say("%s %v", w.Paint(w.Talk, console.StyleBad, "tick failed:"), err)
		return
	}
	w.Say("tick  %d topics, %d partitions, lag %s: %d planned, %d started, %d at work, %d waiting",
		s.Topics, s.Partitions, human.Count(s.Lag), s.Planned, s.Dispatched, s.InFlight, s.Waiting)
	tellFailed(w.App, s.Failed, s.Failures)
}

func (w *work) tellCapture(c *bifrost.CaptureResult) {
	switch {
	case c == nil:
	case c.Outcome == bifrost.CaptureWritten:
		w.Say("captured  the cluster into %s, %s", c.Key, human.Size(c.Bytes))
	case c.Error != "":
		w.Say("%s %s", w.Paint(w.Talk, console.StyleBad, "capture failed:"), c.Error)
	}
}

// tellFailed names what failed, of so many in all.
func tellFailed(a *app.App, failed []bifrost.TickFailure, all int) {
	for _, f := range failed {
		where := cmp.Or(f.Topic, "the cluster")
		if f.Partition != nil {
			where += "/" + strconv.Itoa(int(*f.Partition))
		}
		a.Say("  %s %s: %s", a.Paint(a.Talk, console.StyleBad, "failed"), where, f.Error)
	}
	if left := all - len(failed); left > 0 {
		a.Say("  … and %d more", left)
	}
}

// errUnfinished says that a flush could not archive everything.
var errUnfinished = errors.New("not everything could be archived")
