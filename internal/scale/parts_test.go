package scale

import (
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Who is asked for the next small range is given the next range, or none: a small one behind a
// large one waits for its turn.
func TestSmallRangesWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	const small, large = bifrost.SmallRange / recordBytes, 2 * bifrost.SmallRange / recordBytes
	var w waiting
	for _, j := range []job{{end: small, near: 5}, {end: large, near: 3}, {end: small, near: 3, start: 1}, {end: small, near: 3, first: true}} {
		w.push(j)
	}
	if j, ok := w.popSmall(); !ok || !j.first {
		t.Errorf("the first of its partition: %+v, %v", j, ok)
	}
	if j, ok := w.popSmall(); ok {
		t.Errorf("before a large range: %+v", j)
	}
	for n, want := range []int64{large, small - 1, small} {
		if j, ok := w.pop(); !ok || j.end-j.start != want {
			t.Errorf("range %d: %+v, %v", n, j, ok)
		}
	}
	if _, ok := w.popSmall(); ok || w.length != 0 {
		t.Errorf("%d ranges are left", w.length)
	}
}

// Of what binds as often, the same is named each time.
func TestWhatBindsIsNamedOnce(t *testing.T) {
	t.Parallel()
	for range 50 {
		r := Result{Binds: map[string]int{"slots": 3, "discover's writes": 3, "partitions out of reach": 3, "the brokers' bytes": 2}}
		if got := r.Binding(); got != "discover's writes" {
			t.Fatalf("bound by %s", got)
		}
	}
}

// A range is lost up to its end at most, and to its beginning at least.
func TestWhatIsLostOfARange(t *testing.T) {
	t.Parallel()
	s := small()
	s.Partitions, s.Skew, s.Retention, s.Length, s.Backlog = 1, 0, time.Hour, 5*time.Hour, 3*time.Hour
	p := newPlay(s)
	at := (4 * time.Hour).Seconds()
	begins := p.logStart(0, at)
	for _, c := range []struct{ start, end, lost int64 }{
		{0, begins - 10, begins - 10}, {0, begins, begins}, {begins - 10, begins + 10, 10}, {begins, begins + 10, 0}, {begins + 5, begins + 10, 0},
	} {
		before := p.result
		p.settleRange(job{start: c.start, end: c.end}, at)
		if got := p.result.LostBytes - before.LostBytes; got != float64(c.lost)*recordBytes {
			t.Errorf("[%d, %d) with %d deleted: lost %v bytes, want %d records", c.start, c.end, begins, got, c.lost)
		}
		if got := p.result.ArchivedBytes - before.ArchivedBytes; got != float64(c.end-c.start-c.lost)*recordBytes {
			t.Errorf("[%d, %d): archived %v bytes", c.start, c.end, got)
		}
	}
}

// What fails waits twice as long each time, up to an hour, every range of its worker; and a
// partition without a retention of its own has that of all.
func TestPausesAndRetentions(t *testing.T) {
	t.Parallel()
	s := small()
	s.Retention = 7 * time.Hour
	s.KeepsLess = func(n int) time.Duration { return time.Duration(n) * time.Hour }
	p := newPlay(s)
	if p.retentionOf(0) != 7*time.Hour || p.retentionOf(3) != 3*time.Hour {
		t.Errorf("retentions %v and %v", p.retentionOf(0), p.retentionOf(3))
	}
	p.busy = 1
	p.failRange(event{at: 100, job: job{start: 1}, more: []job{{start: 2}, {start: 3, attempts: 3}}})
	if p.busy != 0 || p.result.Failures != 3 || p.retries.Len() != 3 {
		t.Fatalf("%d busy, %d failures, %d pauses", p.busy, p.result.Failures, p.retries.Len())
	}
	for n, want := range map[int32]float64{0: 15, 1: 30, 3: 120, 7: 1920, 8: 3600, 50: 3600} {
		q := newPlay(s)
		q.retryRange(job{attempts: n}, 1000)
		e, ok := q.retries.next(1e9)
		if !ok || e.at != 1000+want || e.job.attempts != n+1 {
			t.Errorf("after %d attempts: again at %v with %d attempts, want after %v", n, e.at, e.job.attempts, want)
		}
	}
}

// What the brokers deliver is shared by the workers that are busy, and one worker takes no more
// than it can.
func TestBrokersAreShared(t *testing.T) {
	t.Parallel()
	s := small()
	s.Brokers = 2 * s.Speed.BytesPerSecond
	p := newPlay(s)
	j := job{end: 100 * bifrost.SmallRange / recordBytes}
	bytes := float64(j.end) * recordBytes
	for busy, share := range map[int]float64{1: 1, 2: 1, 4: 0.5, 8: 0.25} {
		p.busy = busy
		want := s.Speed.PerObject.Seconds() + bytes/(share*s.Speed.BytesPerSecond)
		if got := p.secondsFor(j, 0); got < want*0.999 || got > want*1.001 {
			t.Errorf("%d workers: %v seconds, want %v", busy, got, want)
		}
	}
}

// A worker takes as many small ranges as it may, itself included, and none with less than its
// reserve left.
func TestHowManySmallRangesAWorkerTakes(t *testing.T) {
	t.Parallel()
	for _, together := range []int{0, 1, 2, 5} {
		s := small()
		s.Together = together
		p := newPlay(s)
		p.busy = 1
		for range 10 {
			p.waiting.push(job{end: 10})
		}
		p.takeNext(0, reserve)
		if p.busy != 0 || p.waiting.length != 10 {
			t.Errorf("%d busy, %d left: a worker begins with no time left", p.busy, p.waiting.length)
		}
		p.busy = 1
		p.takeNext(0, reserve+1)
		if taken := 10 - p.waiting.length; taken != max(1, together) {
			t.Errorf("together %d: took %d", together, taken)
		}
	}
}

// The rate of a shape is that of the play; what was written before it has the plain one.
func TestAShapeBeginsWithItsPlay(t *testing.T) {
	t.Parallel()
	s := small()
	s.Backlog, s.Length = time.Hour, time.Hour
	plain := newFlow(s)
	s.Shape = func(time.Duration) float64 { return 3 }
	shaped := newFlow(s)
	if shaped.at[shaped.before] != plain.at[plain.before] {
		t.Errorf("%v bytes before the play, want %v", shaped.at[shaped.before], plain.at[plain.before])
	}
	last := len(plain.at) - 1
	if got, want := shaped.at[last]-shaped.at[shaped.before], 3*(plain.at[last]-plain.at[plain.before]); got < want*0.999 || got > want*1.001 {
		t.Errorf("%v bytes in the play, want %v", got, want)
	}
}
