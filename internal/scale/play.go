// How a scenario is played.

package scale

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// epoch is the moment at which every play begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// partition is what the play keeps of one: its progress row, in short, and its
// unfinished ranges.
type partition struct {
	weight      float64
	next        int64
	planned     int64
	lastPlanned float64 // seconds of the play
	unfinished  []piece // in order
}

// piece is a range that was planned and that next_offset has not passed yet.
type piece struct {
	start, end int64
	done       bool
}

type play struct {
	Scenario
	flow       flow
	partitions []partition
	due        [][]int32 // by tick: partitions that the planner may have something for
	waiting    waiting
	retries    events // ranges in their pause
	running    events // ranges that workers work on
	busy       int
	open       int     // ranges that are planned and not settled
	late       bool    // the last tick had more to plan than time
	sampled    float64 // seconds of workers up to the last point
	left       int     // ranges that have waited for a worker since the tick before
	result     Result

	everyone bool // ask the planner about every partition at every tick: to check that due leaves none out
}

// Run plays a scenario to its end.
func Run(s Scenario) Result {
	p := newPlay(s)
	p.runTicks()
	return p.result
}

func newPlay(s Scenario) *play {
	p := &play{Scenario: s, flow: newFlow(s), partitions: make([]partition, s.Partitions)}
	p.due = make([][]int32, len(p.flow.at)-p.flow.before)
	for i, w := range weights(s.Partitions, s.Skew) {
		p.partitions[i].weight = w
		p.partitions[i].lastPlanned = -float64(s.Backlog/time.Second) - s.Sizing.MaxAge.Seconds()*spread(i)
		p.due[0] = append(p.due[0], int32(i))
	}
	p.result = Result{Scenario: s, Binds: map[string]int{}}
	return p
}

func (p *play) runTicks() {
	free := 0.0 // when the tick before is over
	for k := range p.due {
		at := float64(k) * tick.Seconds()
		p.runWorkers(at)
		p.left = p.waiting.length
		if at >= free {
			free = at + p.runTick(k, at)
		} else {
			p.askAgain(k, p.due[k]...)
		}
		p.startWorkers(at)
		p.takeSample(k, at)
	}
	p.countRest()
}

// spread says how far through its age the tail of a partition is at the beginning, from 0
// to 1: the first plans of real partitions are spread in the same way.
func spread(i int) float64 { return float64(i*7919%1000) / 1000 }

// recordsPerRange is how many records fill an object.
func (p *play) recordsPerRange() int64 { return max(1, p.Sizing.TargetBytes/recordBytes) }

// offsetAt is how many records the partition has at a tick.
func (p *play) offsetAt(i int32, k int) int64 {
	return int64(p.partitions[i].weight * p.flow.at[p.flow.before+k] / recordBytes)
}

// writtenAt is when the record at an offset of the partition was written, in
// seconds of the play; before its beginning it is negative.
func (p *play) writtenAt(i int32, offset int64) float64 {
	bytes := float64(offset+1) * recordBytes / p.partitions[i].weight
	k := sort.SearchFloat64s(p.flow.at, bytes)
	return float64(k-p.flow.before) * tick.Seconds()
}

func (p *play) retentionOf(i int32) time.Duration {
	if p.KeepsLess != nil {
		if keeps := p.KeepsLess(int(i)); keeps > 0 {
			return keeps
		}
	}
	return p.Retention
}

// logStart is the first offset that Kafka still has.
func (p *play) logStart(i int32, at float64) int64 {
	keeps := p.retentionOf(i)
	if keeps == 0 {
		return 0
	}
	k := p.flow.before + int((at-keeps.Seconds())/tick.Seconds())
	if k <= 0 {
		return 0
	}
	return int64(p.partitions[i].weight * p.flow.at[min(k, len(p.flow.at)-1)] / recordBytes)
}

func (p *play) isUnreachable(i int32, at float64) bool {
	o := p.Outage
	return o.Share > 0 && at >= o.From.Seconds() && at < o.To.Seconds() && int(i)%1000 < int(o.Share*1000)
}

func moment(at float64) time.Time { return epoch.Add(time.Duration(at * float64(time.Second))) }

// rowAt is the partition as the planner's progress row has it.
func (p *play) rowAt(i int32, at float64) (bifrost.Progress, bifrost.Observation) {
	q := &p.partitions[i]
	seen := bifrost.Observation{LogStart: p.logStart(i, at), At: moment(at)}
	seen.LastStable = p.offsetAt(i, int(at/tick.Seconds()))
	seen.HighWatermark = seen.LastStable
	row := bifrost.Progress{
		NextOffset: q.next, PlannedOffset: q.planned, LastPlannedAt: moment(q.lastPlanned),
		RecentRawBytes: p.recordsPerRange() * recordBytes, RecentOffsets: p.recordsPerRange(),
		LastRecordAt: moment(p.writtenAt(i, q.next)), LastArchivedAt: moment(at),
	}
	if keeps := p.retentionOf(i); keeps > 0 && seen.LastStable > q.next {
		seen.LossAt = bifrost.LossAt(row, seen, bifrost.Retention{Milliseconds: keeps.Milliseconds(), Bytes: -1},
			time.Time{})
	}
	return row, seen
}

type proposal struct {
	partition int32
	row       bifrost.Progress
	seen      bifrost.Observation
	ranges    int
}

// The part of a tick's time in which plans are written, of the five minutes less
// a tenth that a discover function has.
const planSeconds = 0.7 * 270

// runTick is a tick: it answers how long it takes.
func (p *play) runTick(k int, at float64) float64 {
	p.result.Ticks++
	asked := p.due[k]
	if p.everyone {
		asked = asked[:0]
		for i := range p.partitions {
			asked = append(asked, int32(i))
		}
	}
	slices.Sort(asked) // as a tick does; of equals the first get what is left
	now := moment(at)
	var proposals []proposal
	for _, i := range asked {
		if p.isUnreachable(i, at) {
			p.askAgain(k, i)
			continue
		}
		row, seen := p.rowAt(i, at)
		n := bifrost.CountRanges(row, seen, bifrost.Ahead{}, p.Sizing, now, bifrost.MaxPlannedPerTick)
		if n == 0 {
			p.waitUntilDue(k, i)
			continue
		}
		proposals = append(proposals, proposal{i, row, seen, n})
	}
	plans := p.writePlans(k, at, proposals)
	p.result.Plans += int64(plans)
	length := p.Speed.PerPartition.Seconds()*float64(p.Partitions) + float64(plans)/p.Speed.PlansPerSecond
	p.result.TickSeconds += length
	return length
}

// writePlans shares the slots and writes the plans that there is time for.
func (p *play) writePlans(k int, at float64, proposals []proposal) int {
	now := moment(at)
	wants := make([]bifrost.Want, len(proposals), len(proposals)+1)
	others := p.open
	for n, q := range proposals {
		unfinished := p.countUndone(q.partition)
		others -= unfinished
		toLoss := bifrost.NoLoss
		if !q.seen.LossAt.IsZero() {
			toLoss = max(0, q.seen.LossAt.Sub(now))
		}
		wants[n] = bifrost.Want{Ranges: q.ranges, Unfinished: unfinished, TimeToLoss: toLoss}
	}
	grants := bifrost.ShareSlots(append(wants, bifrost.Want{Unfinished: others}), bifrost.PlannedAhead*p.Slots)
	order := make([]int, 0, len(proposals))
	for n, q := range proposals {
		if grants[n] > 0 {
			order = append(order, n)
		} else {
			p.askAgain(k, q.partition)
		}
	}
	near := func(n int) int { return bifrost.Row{LossAt: proposals[n].seen.LossAt}.Nearness(now) }
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(near(a), near(b)),
			proposals[a].row.LastPlannedAt.Compare(proposals[b].row.LastPlannedAt))
	})
	most := min(len(order), int(planSeconds*p.Speed.PlansPerSecond))
	p.late = most < len(order)
	for _, n := range order[most:] {
		p.askAgain(k, proposals[n].partition)
	}
	for _, n := range order[:most] {
		q := proposals[n]
		p.planRanges(at, q, grants[n], near(n))
		if grants[n] < q.ranges {
			p.askAgain(k, q.partition)
		} else {
			p.waitUntilDue(k, q.partition)
		}
	}
	return most
}

func (p *play) countUndone(i int32) int {
	n := 0
	for _, u := range p.partitions[i].unfinished {
		if !u.done {
			n++
		}
	}
	return n
}

func (p *play) planRanges(at float64, q proposal, grant, near int) {
	part := &p.partitions[q.partition]
	first := p.countUndone(q.partition) == 0
	for _, r := range bifrost.PlanRanges(q.row, q.seen, bifrost.Ahead{}, p.Sizing, moment(at), grant) {
		part.unfinished = append(part.unfinished, piece{start: r.Start, end: r.End})
		part.planned = r.End
		p.waiting.push(job{partition: q.partition, start: r.Start, end: r.End, first: first, near: near})
		p.result.Ranges++
		p.open++
		first = false
	}
	part.lastPlanned = at
}

// askAgain asks about partitions again at the next tick.
func (p *play) askAgain(k int, some ...int32) {
	if k+1 < len(p.due) && !p.everyone {
		p.due[k+1] = append(p.due[k+1], some...)
	}
}

// waitUntilDue asks about the partition again when the planner can have something: at
// the target's size, at the maximum age, or when retention comes near. To ask too
// early does no harm.
func (p *play) waitUntilDue(k int, i int32) {
	if p.everyone {
		return
	}
	q := &p.partitions[i]
	since := func(age float64) int { return int(math.Floor((q.lastPlanned + age) / tick.Seconds())) }
	bySize := p.tickOf(i, q.planned+p.recordsPerRange())
	byAge := max(p.tickOf(i, q.planned+bifrost.SmallRange/recordBytes), since(p.Sizing.MaxAge.Seconds()))
	row, seen := p.rowAt(i, float64(k)*tick.Seconds())
	quiet := p.Sizing.TailAge(row, seen, moment(float64(k)*tick.Seconds())).Seconds()
	again := min(bySize, byAge, max(p.tickOf(i, q.planned+1), since(quiet)))
	if keeps := p.retentionOf(i); keeps > 0 { // what is lost before its age does not wait
		written := p.writtenAt(i, q.next)
		again = min(again, int(math.Floor((written+(keeps-p.Sizing.MaxAge).Seconds())/tick.Seconds())),
			int(math.Floor((4*q.lastPlanned+written+keeps.Seconds())/5/tick.Seconds())))
	}
	if again = max(k+1, again); again < len(p.due) {
		p.due[again] = append(p.due[again], i)
	}
}

// tickOf is the tick at which the partition has so many records.
func (p *play) tickOf(i int32, records int64) int {
	// A little less, because offset rounds: to ask a tick too early does no harm.
	bytes := (float64(records)*recordBytes - 1) / p.partitions[i].weight
	return sort.SearchFloat64s(p.flow.at, bytes*(1-1e-12)) - p.flow.before
}
