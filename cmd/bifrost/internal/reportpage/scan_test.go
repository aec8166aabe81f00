package reportpage

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// A record from the future keeps no axis going, and who asks for a time that is to come gets it.
func TestTheFutureIsNoEnd(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.object(a.partition("orders", 0, 20).Partition, 0, 20, day(410), day(400), 1000)
	a.object(a.partition("strange", 0, 10).Partition, 0, 10, -day(1), -day(2), 1000)
	a.rows[0].LastRecordAt, a.rows[1].LastRecordAt = now.Add(-day(400)), now.Add(day(2))
	if s := a.scan(t, readback.Times{}); !s.to.Equal(a.rows[0].LastRecordAt) {
		t.Errorf("the axis ends at %s, and the archive at %s", s.to, a.rows[0].LastRecordAt)
	}
	until := now.Add(day(3))
	if s := a.scan(t, readback.Times{Until: until.UnixMilli()}); !s.to.Equal(until) {
		t.Errorf("the axis ends at %s, and %s was asked for", s.to, until)
	}
}

// A gap of several rows was recorded with the last of them, and the last loss is the newest, in whichever
// partition it is.
func TestALossIsAsNewAsItsLastRow(t *testing.T) {
	t.Parallel()
	older, newer := now.Add(-2*time.Hour), now.Add(-time.Hour)
	a := newArchive()
	p := a.partition("orders", 0, 20).Partition
	for start, at := range []time.Time{older, newer} {
		r := bifrost.Range{Start: int64(start), End: int64(start) + 1}
		a.put(bifrost.Row{Partition: p, Range: r, State: bifrost.StateLost, GapReason: bifrost.ReasonRetention,
			ArchivedAt: at})
	}
	s := a.scan(t, readback.Times{})
	if len(s.gaps.kept) != 1 || !s.gaps.kept[0].at.Equal(newer) || !s.gaps.lastLoss.Equal(newer) {
		t.Errorf("gaps %+v, the last loss at %s, want one at %s", s.gaps.kept, s.gaps.lastLoss, newer)
	}
	before := gapList{lastLoss: older}
	for _, other := range []gapList{before, {}} {
		if s.gaps.mergeGaps(other); !s.gaps.lastLoss.Equal(newer) {
			t.Errorf("with a loss at %s the last one is at %s", other.lastLoss, s.gaps.lastLoss)
		}
	}
	if before.mergeGaps(s.gaps); !before.lastLoss.Equal(newer) {
		t.Errorf("the last of two losses is at %s", before.lastLoss)
	}
}

// What a range costs is told from its bytes before compression.
func TestARangeIsSmallBeforeCompression(t *testing.T) {
	t.Parallel()
	a := newArchive()
	p := a.partition("orders", 0, 30).Partition
	a.object(p, 0, 10, day(2), day(2), bifrost.SmallRange)
	a.object(p, 10, 20, day(2), day(2), bifrost.SmallRange+1)
	a.object(p, 20, 30, day(40), day(40), 10*bifrost.SmallRange)
	if made := a.scan(t, readback.Times{}).made; made != (work{1, 1, 2*bifrost.SmallRange + 1}) {
		t.Errorf("the month has made %+v", made)
	}
}

// How long until a loss: at once where the time is over, unknown where no tick has looked, nothing without a threat.
func TestHowLongUntilALoss(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]condition.Judged{
		"": {}, "unknown": {Blind: 1}, "now": {Threat: now}, "3h00m": {Threat: now.Add(3 * time.Hour), Blind: 1},
	} {
		if got := untilLoss(p, now); got != want {
			t.Errorf("%+v: %q, want %q", p, got, want)
		}
	}
	if got := untilLoss(condition.Judged{Threat: now.Add(-time.Hour)}, now); got != "now" {
		t.Errorf("an hour ago: %q", got)
	}
}

// More errors than are told one by one are counted all the same, and of several threats the nearest is told.
func TestAllThatIsWrongCounts(t *testing.T) {
	t.Parallel()
	a := newArchive()
	for n := range int32(mostNamed + 3) {
		p := a.partition("orders", n, 10)
		p.Error = fmt.Sprintf("error %d", n)
	}
	f := a.facts(t)
	for n, in := range []time.Duration{3 * time.Hour, time.Hour, 2 * time.Hour} {
		f.Seen.Rows[n].Threat = now.Add(in)
	}
	page := NewPage(f)
	if want := fmt.Sprintf("%d partitions of %[1]d", mostNamed+3); !strings.Contains(page.Verdict.Text, want) {
		t.Errorf("the verdict is %q, want %q", page.Verdict.Text, want)
	}
	text := fmt.Sprint(page.Findings)
	if want := "archived in 1h00m, of orders/1 first"; !strings.Contains(text, want) {
		t.Errorf("findings %s, want %q", text, want)
	}
}

// What was taken out is in a gap as what was lost is.
func TestEveryGapIsInTheVerdict(t *testing.T) {
	t.Parallel()
	a := newArchive()
	p := a.partition("orders", 0, 100).Partition
	a.object(p, 0, 90, day(2), day(1), 1000)
	a.gap(p, 90, 100, bifrost.ReasonErased)
	if got, want := NewPage(a.facts(t)).Verdict.Text, "In gaps: 10 of 100 offsets"; !strings.Contains(got, want) {
		t.Errorf("the verdict is %q, want %q", got, want)
	}
}

// Where no captures are to be made, none is late.
func TestNoCaptureIsLateThatIsNotDue(t *testing.T) {
	t.Parallel()
	a := newArchive()
	a.partition("orders", 0, 10)
	f := a.facts(t)
	f.Checks.Captures["c"][0].At = now.Add(-day(100))
	for every, class := range map[time.Duration]string{0: "", time.Hour: "warn"} {
		f.Config.CaptureEvery = every
		if got := NewPage(f).Captures[0].Class; got != class {
			t.Errorf("every %s: %q, want %q", every, got, class)
		}
	}
}

// A rate is written by the second, the hour or the day, whichever is the first to have a byte in it.
func TestARateHasAUnitThatFitsIt(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]string{
		0: "0 B/s", 1: "1 B/s", 1500: "1.5 kB/s", 0.5: "1.8 kB/h", 0.01: "36 B/h", 1.0 / 3600: "1 B/h", 0.5 / 3600: "12 B/day",
	} {
		if got := perSecond(rate); got != want {
			t.Errorf("%g: %q, want %q", rate, got, want)
		}
	}
}
