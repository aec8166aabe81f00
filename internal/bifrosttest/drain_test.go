package bifrosttest

import (
	"context"
	"fmt"
	"slices"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// quiet says what is still to be done, "" when nothing is: every live partition
// is archived up to its last stable offset, everything of a deleted topic is
// accounted for, and no range is planned.
func (w *world) quiet() string {
	if len(w.laters) > 0 {
		return "a completion is not decided"
	}
	for _, s := range w.stacks {
		if why := w.quietOf(s); why != "" {
			return why
		}
	}
	return ""
}

func (w *world) quietOf(s *stack) string {
	if len(s.lambda.Waiting()) > 0 {
		return "tasks wait in the queue"
	}
	if s.older && slices.ContainsFunc(w.stacks, func(other *stack) bool { return !other.older }) {
		return "" // another stack has begun on the same bucket, and goes on: this one plans nothing more
	}
	progress, _ := s.ledger.ListProgress(context.Background())
	rows := lastBranches(progress)
	for _, p := range progress {
		switch left := rows[partitionOf{p.TopicID, p.Number}].Fork() > p.Fork(); {
		case p.Status == bifrost.StatusForked && p.NextOffset != p.PlannedOffset && !w.truth.rowsDamaged:
			return p.Partition.String() + " was left and is not finished"
		case left && p.Status != bifrost.StatusForked && p.Status != bifrost.StatusClosed:
			return p.Partition.String() + " was left and is " + string(p.Status)
		}
	}
	if orphan, ok := w.orphan(s, progress); ok {
		return fmt.Sprintf("%v %v is planned, and its partition has no progress row", orphan.Partition, orphan.Range)
	}
	for _, t := range w.kafka.Ever() {
		for n, log := range t.Logs {
			p, ok := rows[partitionOf{t.ID, int32(n)}]
			if why := behind(s.ledger, t, log, p, ok, w.decides); why != "" {
				return t.Name + " " + t.ID.String() + ": " + why
			}
		}
	}
	return ""
}

// orphan finds a planned row whose partition has no progress row. Not even one
// of a topic that is gone may be left.
func (w *world) orphan(s *stack, progress []bifrost.Progress) (bifrost.Row, bool) {
	known := map[bifrost.Partition]bool{}
	for _, p := range progress {
		known[p.Partition] = true
	}
	for _, r := range s.ledger.AllRows() {
		if !r.State.Done() && !known[r.Partition] {
			return r, true
		}
	}
	return bifrost.Row{}, false
}

// lastBranches are the progress rows of the branches that are being archived.
func lastBranches(progress []bifrost.Progress) map[partitionOf]bifrost.Progress {
	rows := map[partitionOf]bifrost.Progress{}
	for _, p := range progress {
		if key := (partitionOf{p.TopicID, p.Number}); rows[key].Fork() <= p.Fork() {
			rows[key] = p
		}
	}
	return rows
}

// backlog is how many offsets are not archived yet, which is how many ranges there
// can be: each has one offset at least, and in some executions just one.
func (w *world) backlog() (offsets int64) {
	progress, _ := w.stacks[0].ledger.ListProgress(context.Background())
	rows := lastBranches(progress)
	for _, t := range w.kafka.Ever() {
		for n, log := range t.Logs {
			offsets += max(0, log.top-rows[partitionOf{t.ID, int32(n)}].NextOffset)
		}
	}
	return offsets
}

// behind says what a partition lacks.
func behind(ledger *Ledger, t *KafkaTopic, log *Log, p bifrost.Progress, ok, decides bool) string {
	switch {
	case ok && settledAt(ledger, p):
		return "next_offset stands before a settled row"
	case p.Status == bifrost.StatusDiverged && log.cut >= 0 && (t.Deleted || !decides):
		return "" // a person decides
	case t.hidden:
		return ""
	case t.Deleted && (!ok || p.Status == bifrost.StatusForked):
		return "" // deleted before it was ever seen, or with its tables, or after it was left
	case t.Deleted && (p.Status != bifrost.StatusClosed || p.NextOffset != p.PlannedOffset):
		return "deleted and not closed, status " + string(p.Status)
	case t.Deleted:
		return ""
	case !ok:
		return "no progress row"
	case !p.Status.Workable():
		return "status " + string(p.Status)
	case p.Suspicion != "":
		return "suspicion " + p.Suspicion
	case p.NextOffset != log.LastStable() || p.PlannedOffset != p.NextOffset:
		return "lag"
	}
	return ""
}

// settledAt reports whether the row at next_offset is settled.
func settledAt(ledger *Ledger, p bifrost.Progress) bool {
	row, err := ledger.Row(context.Background(), p.Partition, p.NextOffset)
	return err == nil && row.State.Done()
}

// round is one minute: of each stack a tick, then all workers it started, one
// after the other. Between the tick and its workers it calls ticked.
func (w *world) round(step func(*process), ticked func()) {
	for _, s := range w.stacks {
		w.stack = s
		w.follow(w.startTick(), step)
		ticked()
		for len(s.lambda.Waiting()) > 0 {
			next := 0
			if w.setup.lastFirst {
				next = len(s.lambda.Waiting()) - 1
			}
			w.follow(w.startWorker(s.lambda.Take(next)), step)
		}
	}
	w.stack = w.stacks[0]
	w.pass(tickGap)
}

// catchUp lets the indexes see everything.
func (w *world) catchUp() {
	for _, s := range w.stacks {
		s.ledger.CatchUp(s.ledger.Behind())
	}
}

// drain is L1: without faults the schedule alone comes to rest within so many
// ticks. It returns how many it took.
func (w *world) drain(limit int) int {
	step := func(p *process) { w.step(p, works) }
	for ticks := 1; ticks <= limit; ticks++ {
		before, traced := w.effects, len(w.trace)
		w.round(step, func() {})
		if w.effects == before && traced < len(w.trace) {
			w.trace = w.trace[:traced+1] // nothing happened: its first line is enough
		}
		w.catchUp()
		if w.decides {
			w.decideAll(step)
		}
		if w.quiet() == "" {
			return ticks
		}
	}
	w.breaks("L1: not at rest after %d ticks: %s", limit, w.quiet())
	return limit
}
