// What a play shows.

package scale

import (
	"math/bits"
	"time"
)

// Result is what a play shows.
type Result struct {
	Scenario
	Points []Point

	Objects       int64 // with records or without
	Ranges        int64 // planned
	Plans         int64 // transactions that planned them
	ArchivedBytes float64
	LostBytes     float64   // deleted by Kafka before they were archived
	WaitingBytes  float64   // written and not archived at the end
	Sizes         [40]int64 // objects by the logarithm of their raw bytes: Sizes[n] are below 2^n
	SizedBytes    [40]float64

	Workers       int64   // invocations of the archive function
	WorkerSeconds float64 // that they ran
	Failures      int64   // ranges that had to be tried again
	Ticks         int64
	TickSeconds   float64 // that they ran

	Binds map[string]int // ticks in which something kept the archive from going faster, by what
}

// Point is the state at a moment.
type Point struct {
	At        time.Duration
	LagBytes  float64       // written and neither archived nor lost
	OldestAge time.Duration // of the oldest record that waits
	Busy      int           // slots
	Worked    float64       // slots that were busy on average since the point before
	Waiting   int           // ranges
}

func (r *Result) addSettled(records, lost int64) {
	r.Objects++
	size := (records - lost) * recordBytes
	r.ArchivedBytes += float64(size)
	r.LostBytes += float64(lost) * recordBytes
	class := min(bits.Len64(uint64(size)), len(r.Sizes)-1)
	r.Sizes[class]++
	r.SizedBytes[class] += float64(size)
}

// Binding is what kept the archive from going faster most often; "nothing" when
// it kept up all the time.
func (r Result) Binding() string {
	most, name := 0, "nothing"
	for what, n := range r.Binds {
		if n > most || (n == most && what < name) {
			most, name = n, what
		}
	}
	return name
}

// CaughtUp is when the archive had caught up for good: from then on no record
// waited longer than its maximum age and two ticks. false if it never had.
func (r Result) CaughtUp() (time.Duration, bool) {
	at, ok := time.Duration(0), false
	for _, p := range r.Points {
		switch good := p.OldestAge <= r.Sizing.MaxAge+2*tick; {
		case good && !ok:
			at, ok = p.At, true
		case !good:
			ok = false
		}
	}
	return at, ok
}

// samples is about how many points a play has.
const samples = 72

// takeSample records the state now and then, and at every tick what binds.
func (p *play) takeSample(k int, at float64) {
	p.noteBounds()
	every := max(1, len(p.due)/samples)
	if k%every != 0 {
		return
	}
	oldest := 0.0
	for i := range p.partitions {
		if q := &p.partitions[i]; q.next < p.offsetAt(int32(i), k) {
			oldest = max(oldest, at-p.writtenAt(int32(i), q.next))
		}
	}
	worked := (p.result.WorkerSeconds - p.sampled) / (float64(every) * tick.Seconds())
	p.sampled = p.result.WorkerSeconds
	p.result.Points = append(p.result.Points, Point{
		At: time.Duration(k) * tick, LagBytes: p.flow.at[p.flow.before+k] - p.result.ArchivedBytes - p.result.LostBytes,
		OldestAge: time.Duration(oldest * float64(time.Second)), Busy: p.busy, Worked: worked,
		Waiting: p.waiting.length + p.retries.Len(),
	})
}

// noteBounds notes what keeps ranges waiting.
func (p *play) noteBounds() {
	switch {
	case p.late:
		p.result.Binds["discover's writes"]++
	case p.left == 0 && p.retries.Len() > 0:
		p.result.Binds["partitions out of reach"]++
	case p.left == 0:
	case p.Brokers > 0 && p.Brokers/float64(p.busy) < p.Speed.BytesPerSecond:
		p.result.Binds["the brokers' bytes"]++
	default:
		p.result.Binds["slots"]++
	}
}

// countRest counts what is left at the end.
func (p *play) countRest() {
	end := len(p.due) - 1
	for i := range p.partitions {
		records := p.offsetAt(int32(i), end) - p.partitions[i].next
		for _, u := range p.partitions[i].unfinished {
			if u.done {
				records -= u.end - u.start
			}
		}
		p.result.WaitingBytes += float64(records) * recordBytes
	}
}
