// How a tick writes its plans.

package bifrost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// proposal is how much one partition could plan now.
type proposal struct {
	*sighting
	ahead  Ahead
	ranges int // that it could plan, and in the end may plan
}

// passPlanner plans for the healthy partitions of one pass.
type passPlanner struct {
	guard
	crew        parallel.Crew
	builder     *PartitionBuilder // writes the plan
	sizingOf    func(topic string) Sizing
	maxInFlight int
	indexed     map[Partition][]Row // PLANNED rows by the index, as the pass read them
	own         []Row               // of an earlier pass of this tick, which the index may not show yet
}

// planHealthy counts what every healthy partition could plan, shares the slots among them
// and writes what each was granted: what is nearest to loss first, and then what
// has waited longest for a plan, so that a tick that ends too soon goes on where
// the one before stopped. It answers what it has held back for the dispatch.
func (pl passPlanner) planHealthy(ctx context.Context, healthy []*sighting) []heldBack {
	now := pl.now() // one for all: what was counted is what is proposed
	granted := pl.grantRanges(pl.listProposals(ctx, healthy, now))
	slices.SortStableFunc(granted, func(a, b proposal) int {
		return cmp.Or(cmp.Compare(a.nearness(now), b.nearness(now)),
			a.progress.LastPlannedAt.Compare(b.progress.LastPlannedAt))
	})
	var mutex sync.Mutex
	var held []heldBack
	parallel.Each(pl.crew, granted, func(p proposal) {
		pl.runGuarded(toPlan, p.place(), func() error {
			ranges := pl.proposeRanges(p, now)
			if pl.mayHoldBack(p, ranges) {
				mutex.Lock()
				defer mutex.Unlock()
				held = append(held, heldBack{p, ranges[0]})
				return nil
			}
			return pl.builder.writePlan(ctx, *p.progress, p.seen, ranges)
		})
	})
	return held
}

// listProposals counts how many ranges each partition could plan now.
func (pl passPlanner) listProposals(ctx context.Context, healthy []*sighting, now time.Time) []proposal {
	proposals := make([]proposal, len(healthy))
	for i, s := range healthy {
		proposals[i].sighting = s
	}
	parallel.Each(pl.crew, pointers(proposals), func(p *proposal) {
		pl.runGuarded(toPlan, p.place(), func() (err error) {
			if p.ahead, err = pl.builder.findAhead(ctx, *p.progress, p.incarnation); err == nil {
				p.ranges = CountRanges(*p.progress, p.seen, p.ahead, pl.sizingOf(p.incarnation.Topic), now,
					MaxPlannedPerTick)
			}
			return err
		})
	})
	return proposals
}

// grantRanges leaves the proposals that may plan something, each with what it may plan.
func (pl passPlanner) grantRanges(proposals []proposal) []proposal {
	grants := ShareSlots(pl.listWants(proposals), PlannedAhead*pl.maxInFlight)
	granted := proposals[:0]
	for i, p := range proposals {
		if grants[i] > 0 {
			p.ranges = grants[i]
			granted = append(granted, p)
		}
	}
	return granted
}

// heldBack is a single small range that is not written yet: when a function is
// found for it, the plan gives it to that function in the same write, which saves
// the lease.
type heldBack struct {
	proposal
	planned PlannedRange
}

// mayHoldBack reports whether the proposal is such a range.
func (pl passPlanner) mayHoldBack(p proposal, ranges []PlannedRange) bool {
	if len(ranges) != 1 || ranges[0].Existing || len(pl.indexed[p.progress.Partition]) > 0 {
		return false
	}
	return pl.builder.rowOf(*p.progress, p.seen, ranges[0]).isSmall()
}

func (pl passPlanner) proposeRanges(p proposal, now time.Time) []PlannedRange {
	ranges := PlanRanges(*p.progress, p.seen, p.ahead, pl.sizingOf(p.incarnation.Topic), now, p.ranges)
	if p.kept == nil || p.kept.mayHaveDeleted(*p.progress, p.progress.LossAt, p.seen.At) {
		return ranges
	}
	for i := range ranges {
		if ranges[i].GapReason == ReasonRetention {
			ranges[i].GapReason = ReasonRequest
		}
	}
	return ranges
}

func (p proposal) nearness(now time.Time) int { return nearness(timeToLoss(p.seen.LossAt, now)) }

func (pl passPlanner) listWants(proposals []proposal) []Want {
	wants := make([]Want, len(proposals))
	own := byPartition(pl.own)
	for i, p := range proposals {
		unfinished := max(len(pl.indexed[p.progress.Partition]), len(own[p.progress.Partition]))
		wants[i] = Want{
			Ranges: p.ranges, Unfinished: unfinished,
			TimeToLoss: timeToLoss(p.seen.LossAt, pl.now()),
		}
	}
	return wants
}

// plannedRows are the rows that a tick has planned.
type plannedRows struct {
	mutex sync.Mutex
	rows  []Row
}

func (p *plannedRows) addRows(rows []Row) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.rows = append(p.rows, rows...)
}

// writePlan writes the ranges in as many transactions as they need. When one is
// refused, somebody else plans this partition, and what follows is theirs.
func (b *PartitionBuilder) writePlan(ctx context.Context, p Progress, seen Observation, ranges []PlannedRange) error {
	for some := range slices.Chunk(ranges, plannedAtOnce) {
		var rows []Row
		for _, r := range some {
			if !r.Existing {
				rows = append(rows, b.rowOf(p, seen, r))
			}
		}
		end := some[len(some)-1].End
		written, err := b.writeRows(ctx, p, seen, rows, end)
		if err != nil || !written {
			return err
		}
		p.PlannedOffset = end
	}
	return nil
}

// rowOf is the row of a range as a plan puts it.
func (b *PartitionBuilder) rowOf(p Progress, seen Observation, r PlannedRange) Row {
	return Row{Partition: p.Partition, Range: r.Range, ClusterID: p.ClusterID, TopicID: p.TopicID,
		State: StatePlanned, GapReason: r.GapReason, PlannedAt: b.Now(), LossAt: seen.LossAt,
		Expected: r.Len() * bytesPerOffset(p)}
}

// writeRows puts the rows and moves planned_offset to end in one transaction.
func (b *PartitionBuilder) writeRows(ctx context.Context, p Progress, seen Observation, rows []Row,
	end int64) (bool, error) {
	if err := b.Marks.enterPlan(ctx); err != nil {
		return false, err
	}
	w := PlanWrite{Progress: p, Rows: rows, PlannedOffset: end, PlannedEpoch: seen.LeaderEpoch, Observation: seen}
	err := b.Ledger.Plan(ctx, w)
	if errors.Is(err, ErrConflict) {
		return false, b.takeOverRow(ctx, p, seen)
	}
	if err != nil {
		return false, fmt.Errorf("plan offsets %d to %d in %d rows: %w", p.PlannedOffset, end, len(rows), err)
	}
	if b.planned != nil {
		b.planned(w.Rows)
	}
	return true, nil
}

// takeOverRow looks why a plan was refused. Another discover was quicker: nothing
// to do. A row stands at the frontier that no transaction of this progress row
// put there: its end is taken over.
func (b *PartitionBuilder) takeOverRow(ctx context.Context, p Progress, seen Observation) error {
	rows, err := b.Ledger.Rows(ctx, p.Partition, p.PlannedOffset, 1)
	if err != nil {
		return fmt.Errorf("read the row at planned_offset %d: %w", p.PlannedOffset, err)
	}
	if len(rows) == 0 || rows[0].Start != p.PlannedOffset {
		return nil
	}
	w := PlanWrite{Progress: p, PlannedOffset: rows[0].End, PlannedEpoch: seen.LeaderEpoch, Observation: seen}
	return ignoreConflict(b.Ledger.Plan(ctx, w))
}

func pointers[T any](items []T) []*T {
	all := make([]*T, len(items))
	for i := range items {
		all[i] = &items[i]
	}
	return all
}
