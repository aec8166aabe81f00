// Which ranges a tick plans.

package bifrost

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"time"
)

// MaxPlannedAtOnce is how many ranges of one partition one transaction plans.
// DynamoDB takes 100 items in a transaction (TransactWriteItems); one is the
// progress row.
const MaxPlannedAtOnce = 99

// plannedAtOnce is the same for this package, whose tests make it tiny.
var plannedAtOnce = MaxPlannedAtOnce

// MaxPlannedPerTick is how many ranges of one partition a tick plans, in several
// transactions: with the default target 2 GB for each second until the next tick,
// so that the slots and not the plan bound how fast one partition catches up.
const MaxPlannedPerTick = 10 * MaxPlannedAtOnce

const (
	// assumedBytesPerOffset stands in until a partition's first range is archived.
	assumedBytesPerOffset = 1024
	// maxGrowth bounds how much longer than the last range the next may be: one
	// range of tombstones must not make the next one endless.
	maxGrowth = 4
)

// Sizing says how large ranges become.
type Sizing struct {
	TargetBytes int64         // raw bytes that a range aims at
	MaxAge      time.Duration // how long readable records below the target may wait for their range

	// QuietMaxAge is how long a tail of at most SmallRange may wait where that is
	// longer than MaxAge and Kafka keeps the records for long; 0: as MaxAge. With
	// MaxAge 0 nothing waits.
	QuietMaxAge time.Duration
	NearLoss    time.Duration // nothing waits by QuietMaxAge until its records are this near to loss: there is an alarm
}

// quietShare is which part of the time to loss a quiet tail may wait: a quarter.
const quietShare = 4

// burst is how many times as many offsets as in the last range are no quiet tail:
// what Kafka says of a log is how many there are, and not how large.
const burst = 2

// IsQuietTail reports whether so many offsets at the end of a partition are as few as
// may wait by QuietMaxAge: what waits is in Kafka alone. It is pure.
func IsQuietTail(p Progress, tail int64) bool {
	return p.RecentOffsets > 0 && tail <= burst*p.RecentOffsets && tail*bytesPerOffset(p) <= SmallRange
}

// TailAge is how long the tail of a partition waits from one plan to the next. It is pure.
func (s Sizing) TailAge(p Progress, seen Observation, now time.Time) time.Duration {
	if s.MaxAge == 0 || !IsQuietTail(p, seen.LastStable-p.PlannedOffset) {
		return firstAge(p, s.MaxAge)
	}
	// A little less for some than for others, so that what was planned together once
	// is not planned together ever after.
	quiet := s.QuietMaxAge - shareOf(p, s.QuietMaxAge/8)
	left := timeToLoss(seen.LossAt, now)
	return max(s.MaxAge, min(quiet, left/quietShare, left-s.NearLoss))
}

// PlannedRange is one range that a plan proposes.
type PlannedRange struct {
	Range
	GapReason string // not empty: nobody can or should read it, write a gap
	Existing  bool   // the row is in the table already: take its end over
}

// Known is a stretch that is settled or planned already although planned_offset
// has not reached it: an object in the bucket, or a row in the table. They exist
// ahead of planned_offset after tables were lost or restored, or when a second
// stack works on the same bucket.
type Known struct {
	Range
	IsRow bool
}

// Ahead is what is known ahead of planned_offset, in order of start.
type Ahead struct {
	Known   []Known
	Partial bool // there is more after the last one: plan no further
}

// PlanRanges proposes the ranges that follow planned_offset, in order, each
// beginning where the one before ends, at most limit of them. It is pure.
//
// Below the log start, and below the start position of a partition that is new,
// it proposes gaps with their reason. Above it cuts what can be read into ranges
// of the target size; a tail below the target waits until the maximum age has
// passed since the last plan, so that quiet topics flush and busy ones do not
// crumble. What Kafka is about to delete waits for nothing. Along known stretches it proposes exactly their bounds.
func PlanRanges(p Progress, seen Observation, ahead Ahead, sizing Sizing, now time.Time, limit int) []PlannedRange {
	var ranges []PlannedRange
	walkPlan(p, seen, ahead, sizing, now, limit, func(r PlannedRange) { ranges = append(ranges, r) })
	return ranges
}

// CountRanges is how many ranges PlanRanges proposes. A tick counts for every
// partition and proposes for those that get slots: the ranges of a hundred
// thousand backlogs would not fit into its memory. With a smaller limit PlanRanges
// proposes the first of the same ranges.
func CountRanges(p Progress, seen Observation, ahead Ahead, sizing Sizing, now time.Time, limit int) int {
	return walkPlan(p, seen, ahead, sizing, now, limit, func(PlannedRange) {})
}

// walkPlan gives the ranges of a plan to propose, one by one, and counts them.
func walkPlan(p Progress, seen Observation, ahead Ahead, sizing Sizing, now time.Time, limit int,
	propose func(PlannedRange)) int {
	plan := planner{progress: p, seen: seen, limit: limit, frontier: p.PlannedOffset, propose: propose}
	for _, k := range ahead.Known {
		plan.fillUpTo(min(k.Start, seen.LastStable), sizing, true)
		plan.takeKnown(k)
	}
	if !ahead.Partial {
		plan.gapsUpTo(seen.LastStable)
		if p.RecentOffsets == 0 { // no estimate yet: one range tells the size of the next
			plan.limit = min(plan.limit, plan.count+1)
		}
		plan.fillUpTo(seen.LastStable, sizing, mayNotWait(p, seen, sizing, now))
	}
	return plan.count
}

// mayNotWait reports whether a tail below the target is planned all the same: its
// time is over, or Kafka would delete it before that. A gap is a plan too and
// starts the time again, so without the last rule a log start that moves with
// every tick would keep the records after it waiting until they are gone.
func mayNotWait(p Progress, seen Observation, sizing Sizing, now time.Time) bool {
	return now.Sub(p.LastPlannedAt) >= sizing.TailAge(p, seen, now) ||
		timeToLoss(seen.LossAt, now) < sizing.MaxAge ||
		seen.LogStart > max(p.PlannedOffset, p.FirstLogStart)
}

// firstAge is the maximum age, and for a partition of which nothing is archived
// yet a part of it that its name decides. Partitions that are seen for the first
// time together would otherwise be planned together ever after, in one tick out of
// fifteen.
func firstAge(p Progress, age time.Duration) time.Duration {
	if p.RecentOffsets > 0 {
		return age
	}
	return shareOf(p, age)
}

// shareOf is a part of a time, from none of it to nearly all, that the partition's
// name and what it has archived decide.
func shareOf(p Progress, all time.Duration) time.Duration {
	name := fnv.New32a()
	fmt.Fprintf(name, "%s", p.Partition)
	if p.PlannedOffset > 0 {
		fmt.Fprintf(name, " %d", p.PlannedOffset)
	}
	const parts = 1000
	return all * time.Duration(name.Sum32()%parts) / parts
}

type planner struct {
	progress Progress
	seen     Observation
	limit    int
	count    int   // ranges so far
	frontier int64 // where the next begins
	propose  func(PlannedRange)
}

func (pl *planner) full() bool { return pl.count >= pl.limit }

func (pl *planner) putRange(r PlannedRange) {
	pl.propose(r)
	pl.count++
	pl.frontier = r.End
}

func (pl *planner) addRange(end int64, reason string) {
	if pl.frontier < end && !pl.full() {
		pl.putRange(PlannedRange{Range: Range{pl.frontier, end}, GapReason: reason})
	}
}

// takeKnown proposes the bounds of a known stretch that begins at the frontier. One
// that begins below it overlaps what is planned already, which wins.
func (pl *planner) takeKnown(k Known) {
	if k.Start == pl.frontier && !pl.full() {
		pl.putRange(PlannedRange{Range: k.Range, Existing: k.IsRow})
	}
}

// fillUpTo proposes gaps and ranges from the frontier up to end. Without whole, a
// last range below the target is left for later.
func (pl *planner) fillUpTo(end int64, sizing Sizing, whole bool) {
	pl.gapsUpTo(end)
	length := pl.rangeLength(sizing)
	for !pl.full() {
		left := end - pl.frontier
		switch {
		case left <= 0, left < length && !whole:
			return
		case left <= length+length/2:
			pl.addRange(end, "")
		default:
			pl.addRange(pl.frontier+length, "")
		}
	}
}

// gapsUpTo proposes what lies between the frontier and the first offset to read.
func (pl *planner) gapsUpTo(end int64) {
	p := pl.progress
	if pl.frontier == 0 {
		pl.addRange(min(p.FirstLogStart, end), ReasonBeforeFirstSight)
	}
	if pl.frontier >= p.FirstLogStart {
		reason := ReasonSkipped
		if p.Fork() > 0 {
			reason = ReasonForked
		}
		pl.addRange(min(p.StartOffset, end), reason)
	}
	pl.addRange(min(pl.seen.LogStart, end), ReasonRetention)
}

// rangeLength is how many offsets hold the target, judged by the partition's
// last range.
func (pl *planner) rangeLength(sizing Sizing) int64 {
	p := pl.progress
	length := max(1, sizing.TargetBytes/bytesPerOffset(p))
	if p.RecentOffsets == 0 {
		return length
	}
	return min(length, max(maxGrowth*p.RecentOffsets, sizing.TargetBytes/assumedBytesPerOffset, 1))
}

// bytesPerOffset is how many raw bytes an offset of the partition holds, judged
// by its last range and rounded up: half-empty objects beat objects twice the
// target.
func bytesPerOffset(p Progress) int64 {
	if p.RecentOffsets == 0 {
		return assumedBytesPerOffset
	}
	return max(1, (p.RecentRawBytes+p.RecentOffsets-1)/p.RecentOffsets)
}

// Want is what one partition asks of a tick.
type Want struct {
	Ranges     int           // ranges that could be planned now
	Unfinished int           // ranges planned earlier and not settled yet
	TimeToLoss time.Duration // until Kafka deletes the first record not yet archived; NoLoss when it will not
}

// NoLoss is the time to loss of a partition that Kafka's retention does not threaten.
const NoLoss = time.Duration(1<<63 - 1)

// ShareSlots says how many ranges each partition may plan. A partition without any
// unfinished gets one, in addition to the limit: a small partition never waits behind a
// large backlog, and a thousand small ones leave the backlog its share. The limit,
// less what is unfinished in the stack, goes to the partitions nearest to loss, in
// turns among those that are about equally near. It is pure.
func ShareSlots(wants []Want, limit int) []int {
	grants := make([]int, len(wants))
	left := limit
	for i, w := range wants {
		if w.Ranges > 0 && w.Unfinished == 0 {
			grants[i] = 1
		}
		left -= w.Unfinished
	}
	order := make([]int, 0, len(wants))
	for i, w := range wants {
		if w.Ranges > grants[i] {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(nearness(wants[a].TimeToLoss), nearness(wants[b].TimeToLoss))
	})
	for len(order) > 0 && left > 0 {
		group := equals(order, wants)
		left = shareInTurns(order[:group], wants, grants, left)
		order = order[group:]
	}
	return grants
}

// equals is how many at the head of the order are about as near to loss as the first.
func equals(order []int, wants []Want) int {
	n := 1
	for n < len(order) && nearness(wants[order[n]].TimeToLoss) == nearness(wants[order[0]].TimeToLoss) {
		n++
	}
	return n
}

func shareInTurns(group []int, wants []Want, grants []int, left int) int {
	for granted := true; granted && left > 0; {
		granted = false
		for _, i := range group {
			if left > 0 && grants[i] < wants[i].Ranges {
				grants[i]++
				left--
				granted = true
			}
		}
	}
	return left
}
