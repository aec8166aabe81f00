package reportpage

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

var now = time.Date(2026, 3, 30, 8, 0, 0, 0, time.UTC) // a Monday

// archive is tables in which tests put what they want, each partition's ranges in order.
// A report asks for nothing else of a catalogue than for rows.
type archive struct {
	readback.Catalogue
	ranges map[bifrost.Partition][]bifrost.Row
	rows   []bifrost.Progress
}

func newArchive() *archive { return &archive{ranges: map[bifrost.Partition][]bifrost.Row{}} }

// Rows implements readback.Catalogue.
func (a *archive) Rows(_ context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	rows := a.ranges[p]
	first, _ := slices.BinarySearchFunc(rows, from, func(r bifrost.Row, from int64) int { return cmp.Compare(r.Start, from) })
	return rows[first:min(len(rows), first+limit)], nil
}

// RowsBelow implements readback.Catalogue.
func (a *archive) RowsBelow(_ context.Context, p bifrost.Partition, below int64, limit int) ([]bifrost.Row, error) {
	rows := a.ranges[p]
	end, _ := slices.BinarySearchFunc(rows, below, func(r bifrost.Row, below int64) int { return cmp.Compare(r.Start, below) })
	rows = slices.Clone(rows[max(0, end-limit):end])
	slices.Reverse(rows)
	return rows, nil
}

func (a *archive) put(r bifrost.Row) { a.ranges[r.Partition] = append(a.ranges[r.Partition], r) }

// partition adds one that has been archived as far as the end.
func (a *archive) partition(name string, number int32, end int64) *bifrost.Progress {
	p := bifrost.Progress{Partition: bifrost.Partition{Name: name, Number: number}, ClusterID: "c",
		Status: bifrost.StatusOpen, NextOffset: end, PlannedOffset: end}
	p.Observation = bifrost.Observation{LastStable: end, HighWatermark: end, At: now.Add(-time.Minute)}
	p.LastRecordAt, p.LastArchivedAt = now.Add(-time.Minute), now.Add(-time.Minute)
	a.rows = append(a.rows, p)
	return &a.rows[len(a.rows)-1]
}

// object adds an archived range with records from so long ago until so long ago.
func (a *archive) object(p bifrost.Partition, start, end int64, first, last time.Duration, raw int64) {
	a.put(bifrost.Row{Partition: p, Range: bifrost.Range{Start: start, End: end}, State: bifrost.StateArchived,
		ArchivedAt: now.Add(-last), Facts: bifrost.Facts{FirstTimestamp: now.Add(-first).UnixMilli(),
			LastTimestamp: now.Add(-last).UnixMilli(), RawBytes: raw, StoredBytes: raw / 5, Records: end - start}})
}

func (a *archive) gap(p bifrost.Partition, start, end int64, reason string) {
	a.put(bifrost.Row{Partition: p, Range: bifrost.Range{Start: start, End: end}, State: bifrost.StateLost,
		GapReason: reason, ArchivedAt: now.Add(-time.Hour), Facts: bifrost.Facts{FirstTimestamp: -1, LastTimestamp: -1}})
}

func (a *archive) planned(p bifrost.Partition, start, end int64) {
	a.put(bifrost.Row{Partition: p, Range: bifrost.Range{Start: start, End: end}, State: bifrost.StatePlanned})
}

func (a *archive) scan(t *testing.T, times readback.Times) *Scan {
	t.Helper()
	s, err := NewScan(t.Context(), a, condition.Unjudged(a.rows), times, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (a *archive) facts(t *testing.T) Facts {
	t.Helper()
	c := config.Config{
		Group: "shop", Bucket: "shop-archive",
		Stalled: 45 * time.Minute, TimeToLoss: 6 * time.Hour, CaptureEvery: 15 * time.Minute,
	}
	tick := bifrost.TickRecord{ID: "t", ClusterID: "c", StartedAt: now.Add(-time.Minute), EndedAt: now, CompleteAt: now.Add(-30 * time.Second)}
	sights := condition.NewSights(c, []bifrost.TickRecord{tick}, now)
	seen := condition.Overview{Rows: condition.JudgeRows(a.rows, sights), Ticks: sights}
	checks := Checks{
		Captures:      map[string][]capture.Listed{"c": {{ClusterID: "c", At: now.Add(-10 * time.Minute)}}},
		Verifications: []verify.Record{{At: now.Add(-24 * time.Hour), Complete: true, Summary: verify.Summary{Partitions: 1}}},
	}
	return Facts{Config: c, Seen: seen, Scan: a.scan(t, readback.Times{}), Checks: checks, Price: 0.023, Now: now}
}

func write(t *testing.T, f Facts) string {
	t.Helper()
	var out bytes.Buffer
	if err := NewPage(f).WritePage(&out); err != nil {
		t.Fatal(err)
	}
	for _, found := range onePlural.FindAllStringSubmatch(out.String(), -1) {
		if !slices.Contains([]string{"was", "has", "this"}, found[1]) {
			t.Errorf("the page says %q", found[0])
		}
	}
	return out.String()
}

// onePlural matches 1 of a thing in the plural, and a thing that are, in the text of a page.
var onePlural = regexp.MustCompile(`(?:^|[\s(>])1 (?:[a-z]+ )?([a-z]{3,}s|[a-z]+ are)\b`)

var samplePage = flag.String("page", "", "a file for a page about an invented archive, for docs/images/report.sh")

// A page about an archive in which there is something of everything, for those who look at it.
func TestAPageOfEverything(t *testing.T) {
	t.Parallel()
	a := newArchive()
	random := rand.New(rand.NewPCG(1, 2))
	for n, name := range []string{"orders", "payments", "clicks", "customers", "audit-log-of-the-european-warehouses", "inventory"} {
		for number := range int32(4 - n%3) {
			p := a.partition(name, number, 0)
			end := int64(0)
			for hour := 24 * 40; hour > 0; hour -= 12 {
				raw := int64(40_000_000 + 1_000_000*(24*40-hour)/20 + random.IntN(20_000_000))
				if name == "clicks" && hour == 360 {
					raw *= 400
				}
				length := raw / 400
				switch {
				case name == "payments" && number == 1 && hour > 300 && hour < 420:
					a.gap(p.Partition, end, end+1500, bifrost.ReasonRetention)
					length = 1500
				case name == "customers" && hour > 24*30:
					a.gap(p.Partition, end, end+length, bifrost.ReasonBeforeFirstSight)
				default:
					a.object(p.Partition, end, end+length, time.Duration(hour)*time.Hour, time.Duration(hour-12)*time.Hour, raw)
					p.Records, p.RawBytes, p.StoredBytes = p.Records+length, p.RawBytes+raw, p.StoredBytes+raw/5
				}
				end += length
			}
			p.NextOffset, p.PlannedOffset, p.LastStable, p.HighWatermark = end, end, end, end
			if name == "orders" && number == 2 {
				a.planned(p.Partition, end, end+12_000)
				p.PlannedOffset, p.LastStable, p.HighWatermark, p.LossAt = end+12_000, end+31_400, end+31_400, now.Add(40*time.Hour)
			}
			if name == "inventory" && number == 0 {
				p.Error, p.LastStable, p.HighWatermark, p.LossAt = "LEADER_NOT_AVAILABLE: no broker leads it", end+4000, end+4000, now.Add(5*time.Hour)
			}
		}
	}
	page := write(t, a.facts(t))
	checkMarkup(t, page)
	if *samplePage != "" {
		if err := os.WriteFile(*samplePage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// verified is a verification of so many days ago, of some topics or of all, that found so many violations.
func verified(days int, violations int64, topics ...string) verify.Record {
	return verify.Record{At: now.Add(-day(days)), Topics: topics, Complete: true,
		Summary: verify.Summary{Partitions: 1, Violations: violations}}
}

func day(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// What a partition has shows where its neighbours say that it is.
func TestTheStripTellsGapsFromWork(t *testing.T) {
	t.Parallel()
	a := newArchive()
	p := a.partition("orders", 0, 50).Partition
	a.object(p, 0, 10, day(16), day(12), 1000)
	a.gap(p, 10, 20, bifrost.ReasonRetention)
	a.object(p, 20, 30, day(8), day(4), 1000)
	a.object(p, 30, 40, day(4), day(2), 1000)
	a.planned(p, 40, 50)
	s := a.scan(t, readback.Times{})
	got := ""
	for n := 5; n < columns; n += 10 {
		got += string("-gafl"[s.partitions[0].cells[n]])
	}
	if want := "aaaallllaaaaaaff"; got != want {
		t.Errorf("columns %s, want %s", got, want)
	}
	total := 0.0
	for _, bytes := range s.rates {
		total += bytes
	}
	if total < 2999 || total > 3001 {
		t.Errorf("%f bytes over all columns, want 3000", total)
	}
	if got := newStrip(&s.partitions[0].cells); got.Lost != "M41 5h39" && !strings.HasPrefix(got.Lost, "M4") {
		t.Errorf("path of what is lost %q", got.Lost)
	}
}

// columnsOf counts the columns in which a partition is in a state.
func columnsOf(p partitionScan, s state) (n int) {
	for _, cell := range p.cells {
		if cell == s {
			n++
		}
	}
	return n
}

// A gap that is no loss hides no records that are of the same time.
func TestRecordsBesideAGapAreShown(t *testing.T) {
	t.Parallel()
	a := newArchive()
	old, p := a.partition("old", 0, 10).Partition, a.partition("gappy", 0, 30).Partition
	a.object(old, 0, 10, day(100), day(0), 1000)
	a.object(p, 0, 10, day(10), day(10), 1000)
	a.gap(p, 10, 20, bifrost.ReasonBeforeFirstSight)
	a.object(p, 20, 30, day(10), day(10), 1000)
	if columnsOf(a.scan(t, readback.Times{}).partitions[1], stateArchived) == 0 {
		t.Error("no column shows the records")
	}
}

// A gap of which nobody knows when it began does not take the whole past.
func TestAGapBeforeEveryRecordIsNarrow(t *testing.T) {
	t.Parallel()
	a := newArchive()
	old, fresh := a.partition("old", 0, 10).Partition, a.partition("fresh", 0, 20).Partition
	a.object(old, 0, 10, day(100), day(0), 1000)
	a.gap(fresh, 0, 10, bifrost.ReasonBeforeFirstSight)
	a.object(fresh, 10, 20, day(10), day(0), 1000)
	gaps := columnsOf(a.scan(t, readback.Times{}).partitions[1], stateApart)
	if gaps < 1 || gaps > 2 {
		t.Errorf("%d columns of a gap that has no beginning", gaps)
	}
}

// One record with a time of its producer's making does not push all others to the edge.
func TestStrangeTimesDoNotStretchTheAxis(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]time.Time{"1970": time.UnixMilli(0), "the far future": now.AddDate(200, 0, 0)} {
		a := newArchive()
		p, q := a.partition("orders", 0, 20).Partition, a.partition("strange", 0, 10)
		a.object(p, 0, 20, day(10), 0, 1000)
		a.object(q.Partition, 0, 10, now.Sub(at), now.Sub(at), 1000)
		q.LastRecordAt = at
		s := a.scan(t, readback.Times{})
		if s.to.Sub(s.from) != day(10) {
			t.Errorf("%s: the axis is from %s to %s", name, s.from, s.to)
		}
		if page := write(t, a.facts(t)); !strings.Contains(page, "1 object has records from before or after this time") {
			t.Errorf("%s: the page does not say that records are outside", name)
		}
	}
}

// An archive in which nothing happens any more is shown as it was.
func TestAnAxisEndsWithTheArchive(t *testing.T) {
	t.Parallel()
	a := newArchive()
	p := a.partition("orders", 0, 20)
	p.LastRecordAt = now.Add(-day(400))
	a.object(p.Partition, 0, 20, day(410), day(400), 1000)
	if s := a.scan(t, readback.Times{}); !s.to.Equal(p.LastRecordAt) {
		t.Errorf("the axis ends at %s", s.to)
	}
	from, to := now.Add(-day(405)), now.Add(-day(402))
	s := a.scan(t, readback.Times{Since: from.UnixMilli(), Until: to.UnixMilli()})
	if !s.from.Equal(from) || !s.to.Equal(to) || s.partitions[0].cells[0] != stateArchived {
		t.Errorf("asked for %s to %s, got %s to %s", from, to, s.from, s.to)
	}
}

func TestTicksOfTheAxis(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to time.Time
		want     string
	}{
		{now.Add(-day(40)), now, "2 Mar 16 Mar 30 Mar"},
		{now.Add(-3 * time.Hour), now, "05:00 06:00 07:00"},
		{now.Add(-30 * time.Hour), now, "29 Mar 06h 29 Mar 12h 29 Mar 18h 30 Mar 00h 30 Mar 06h"},
		{now.AddDate(-1, 0, 0), now, "Apr 2025 Jul 2025 Oct 2025 Jan 2026"},
		{now.AddDate(-13, 0, 0), now, "2015 2020 2025"},
		{now.Add(-20 * time.Second), now, "07:59:40 07:59:45 07:59:50 07:59:55"},
	} {
		var got []string
		for _, tick := range timeTicks(c.from, c.to) {
			got = append(got, tick.Label)
			if tick.At < 0 || tick.At >= 100 {
				t.Errorf("a tick at %f", tick.At)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s to %s: %s, want %s", c.from, c.to, strings.Join(got, " "), c.want)
		}
	}
}

// Days of a megabyte stay visible beside one hour of a gigabyte.
func TestOneSpikeFlattensNothing(t *testing.T) {
	t.Parallel()
	a := newArchive()
	p := a.partition("orders", 0, 1000).Partition
	for n := range 100 {
		raw := int64(1_000_000)
		if n == 50 {
			raw = 1_000_000_000
		}
		a.object(p, int64(n)*10, int64(n)*10+10, time.Duration(100-n)*time.Hour, time.Duration(99-n)*time.Hour, raw)
	}
	c := newRateChart(a.scan(t, readback.Times{}))
	if c.Cut == "" || !strings.Contains(c.Summary, "cut") || !strings.Contains(c.Summary, "278 kB/s") {
		t.Errorf("the spike: %q, %q", c.Cut, c.Summary)
	}
	heights := regexp.MustCompile(`v-([0-9.e+]+)`).FindAllStringSubmatch(c.Bars, -1)
	high := 0
	for _, h := range heights {
		if v, _ := strconv.ParseFloat(h[1], 64); v > rateHeight/4 {
			high++
		}
	}
	if high < 100 {
		t.Errorf("%d of %d bars can be seen beside the spike", high, len(heights))
	}
	for _, values := range [][]float64{{0, 0}, {5}, {1, 2, 3, 4}, {1, 1, 1, 1, 4}} {
		if _, cut := scaleOf(values); cut {
			t.Errorf("%v is cut", values)
		}
	}
}

// The words of the head of the page: what is wrong, what was lost, what is not known. All
// is well is said of what is well alone.
func TestTheVerdict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*archive, *Facts)
		class  string
		words  []string
	}{
		"nothing wrong": {nil, "good", []string{"All is well"}},
		"a loss": {func(a *archive, _ *Facts) { a.gap(a.rows[0].Partition, 100, 3100, bifrost.ReasonRetention) }, "warn",
			[]string{"records were lost", "3,000 offsets are lost", "retention"}},
		"a topic that was deleted": {func(a *archive, _ *Facts) { a.gap(a.rows[0].Partition, 100, 3100, bifrost.ReasonTopicDeleted) }, "warn",
			[]string{"records were lost", "the topic was deleted before"}},
		"a gap before Bifrost came": {func(a *archive, _ *Facts) { a.gap(a.rows[0].Partition, 100, 3100, bifrost.ReasonBeforeFirstSight) }, "good",
			[]string{"before Bifrost first saw", "no loss", "nothing is lost. In gaps: 3,000 of 3,100 offsets (96.7 %), 3,000 before_first_sight (Kafka"}},
		"a reason of a later version": {func(a *archive, _ *Facts) { a.gap(a.rows[0].Partition, 100, 3100, "evaporated") }, "warn",
			[]string{"does not know", "evaporated"}},
		"an error": {func(a *archive, _ *Facts) { a.rows[0].Error = "no leader" }, "bad", []string{"A person has to look", "no leader", "Unhealthy: 1 partition of 1"}},
		"an error and a loss": {func(a *archive, _ *Facts) {
			a.rows[0].Error = "no leader"
			a.gap(a.rows[0].Partition, 100, 3100, bifrost.ReasonRetention)
		}, "bad", []string{"no leader", "3,000 offsets are lost"}},
		"near to loss": {func(a *archive, _ *Facts) {
			a.rows[0].LastStable, a.rows[0].HighWatermark, a.rows[0].LossAt = 200, 200, now.Add(2*time.Hour)
		}, "bad", []string{"Near to loss: orders/0", "2h00m", "No partition is unhealthy. To look at: Near to loss: orders/0."}},
		"far from loss": {func(a *archive, _ *Facts) {
			a.rows[0].LastStable, a.rows[0].HighWatermark, a.rows[0].LossAt = 200, 200, now.Add(48*time.Hour)
		}, "good", []string{"2d", "50.0 %"}},
		"not looked at": {func(a *archive, _ *Facts) { a.rows[0].Observation = bifrost.Observation{} }, "warn", []string{"Lag and end are not known", "unknown"}},
		"violations": {func(_ *archive, f *Facts) {
			f.Checks.Verifications[0].Summary = verify.Summary{Violations: 3, Kinds: map[verify.Kind]int64{verify.ObjectMissing: 3}}
		}, "bad", []string{"3 violations in the last verification", "object_missing", "To look at: 3 violations in the last verification.",
			"There have been some on record since 2026-03-29 08:00:00Z.", "goes from here with bifrost verify --record."}},
		"violations for a while": {func(_ *archive, f *Facts) {
			bad := verify.Summary{Violations: 3, Kinds: map[verify.Kind]int64{verify.ObjectMissing: 3}}
			f.Checks.Verifications = []verify.Record{{At: now.Add(-day(1)), Complete: true, Summary: bad}, {At: now.Add(-day(2))}, // could not look
				{At: now.Add(-day(3)), Complete: true, Summary: bad}, {At: now.Add(-day(4)), Complete: true}, // looked at nothing
				{At: now.Add(-day(5)), Complete: true, Summary: verify.Summary{Partitions: 1}}}
		}, "bad", []string{"There have been some on record since 2026-03-27 08:00:00Z."}},
		"violations for longer than is read": {func(_ *archive, f *Facts) {
			one := verify.Record{At: now.Add(-day(9)), Summary: verify.Summary{Violations: 1}}
			f.Checks.Verifications = slices.Repeat([]verify.Record{one}, mostVerifications)
		}, "bad", []string{"There were some on record already at 2026-03-21 08:00:00Z."}},
		"violations in some topics since": {func(_ *archive, f *Facts) {
			f.Checks.Verifications = []verify.Record{verified(1, 3, "a", "b"), verified(2, 0)}
		}, "bad", []string{"3 violations in the last verification of a, b", "goes from here with bifrost verify a b --record."}},
		"violations, and none in some topics since": {func(_ *archive, f *Facts) {
			f.Checks.Verifications = []verify.Record{verified(1, 0, "a"), verified(2, 3), verified(3, 0)}
		}, "bad", []string{"3 violations in the last verification<", "There have been some on record since 2026-03-28 08:00:00Z."}},
		"violations in some topics, none of them since": {func(_ *archive, f *Facts) {
			f.Checks.Verifications = []verify.Record{verified(1, 0, "a"), verified(2, 3, "a"), verified(3, 0)}
		}, "good", nil},
		"violations in some topics before all were looked at": {func(_ *archive, f *Facts) {
			f.Checks.Verifications = []verify.Record{verified(1, 0), verified(2, 3, "a")}
		}, "good", nil},
		"verifications of some topics alone": {func(_ *archive, f *Facts) {
			f.Checks.Verifications = []verify.Record{verified(1, 0, "a"), verified(2, 4, "b")}
		}, "bad", []string{"No verification of all topics is among the last on record", "4 violations in the last verification of b"}},
		"deep violations, and a verification of the tables since": {func(_ *archive, f *Facts) {
			deep := verified(2, 3)
			deep.Deep = true
			f.Checks.Verifications = []verify.Record{verified(1, 0), deep, verified(3, 0)}
		}, "bad", []string{"3 violations in the last deep verification", "bifrost verify --deep names each", "goes from here with bifrost verify --deep --record."}},
		"deep violations that are gone": {func(_ *archive, f *Facts) {
			deep, again := verified(2, 3), verified(1, 0)
			deep.Deep, again.Deep = true, true
			f.Checks.Verifications = []verify.Record{again, deep}
		}, "good", nil},
		"against Kafka, and deeply since": {func(_ *archive, f *Facts) {
			kafka, deep := verified(2, 3, "a"), verified(1, 0)
			kafka.Kafka, deep.Deep = true, true
			f.Checks.Verifications = []verify.Record{deep, kafka}
		}, "bad", []string{"3 violations in the last verification against Kafka of a", "bifrost verify --kafka a --record"}},
		"violations, and one that could not look since": {func(_ *archive, f *Facts) {
			cut := verified(1, 0)
			cut.Complete, cut.Error = false, "access denied"
			f.Checks.Verifications = []verify.Record{cut, cut, verified(2, 3)}
		}, "bad", []string{"3 violations in the last verification", "could not look at everything"}},
		"one partition": {nil, "good", []string{"1 partition is archived as planned, and nothing is lost."}},
		"a verification that saw half": {func(_ *archive, f *Facts) {
			f.Checks.Verifications[0].Complete, f.Checks.Verifications[0].Error = false, "access denied"
		}, "warn", []string{"could not look at everything", "access denied"}},
		"a verification of nothing": {func(_ *archive, f *Facts) { f.Checks.Verifications[0].Summary.Partitions = 0 }, "warn",
			[]string{"The last verification looked at nothing", "there was nothing to look at"}},
		"no verification": {func(_ *archive, f *Facts) { f.Checks.Verifications = nil }, "good", []string{"No verification is on record"}},
		"an old capture":  {func(_ *archive, f *Facts) { f.Checks.Captures["c"][0].At = now.Add(-day(2)) }, "warn", []string{"The last capture is old"}},
		"no capture":      {func(_ *archive, f *Facts) { f.Checks.Captures = nil }, "good", []string{"No capture of the cluster"}},
		"a bucket that may not be listed": {func(_ *archive, f *Facts) {
			f.Checks = Checks{CaptureErr: errors.New("AccessDenied c"), VerificationsErr: errors.New("AccessDenied v")}
		}, "good", []string{"Not known: AccessDenied c", "Not known in full: AccessDenied v"}},
		"a bucket that is not there": {func(_ *archive, f *Facts) { f.Checks.BucketErr = errors.New("NoSuchBucket") }, "bad",
			[]string{"It is not known whether the archive is healthy", "NoSuchBucket"}},
	} {
		a := newArchive()
		p := a.partition("orders", 0, 100).Partition
		a.object(p, 0, 100, day(10), 0, 1000)
		facts := a.facts(t)
		if c.change != nil {
			c.change(a, &facts)
			changed := a.facts(t)
			facts.Seen, facts.Scan = changed.Seen, changed.Scan
		}
		page := write(t, facts)
		if !strings.Contains(page, `class="verdict `+c.class+`"`) {
			t.Errorf("%s: the verdict is not %s: %+v", name, c.class, NewPage(facts).Verdict)
		}
		for _, word := range c.words {
			if !strings.Contains(page, word) {
				t.Errorf("%s: the page does not say %q", name, word)
			}
		}
	}
}

// The share of what is archived is 100 % of everything alone.
func TestPercent(t *testing.T) {
	t.Parallel()
	for want, c := range map[string][2]int64{"100 %": {7, 7}, "0 %": {0, 9}, "> 99.99 %": {999_999_999, 1_000_000_000},
		"99.98 %": {99_989, 100_000}, "< 0.01 %": {1, 1_000_000}, "-": {0, 0}, "33.3 %": {1, 3}, "98.9 %": {9899, 10_000}} {
		if got := percent(c[0], c[1]); got != want {
			t.Errorf("%d of %d is %s, want %s", c[0], c[1], got, want)
		}
	}
}

// Whatever a name, an error or a reason is made of, it is text.
func TestNothingOnThePageIsMarkup(t *testing.T) {
	t.Parallel()
	evil := `"><script>alert(1)</script><img src=x onerror=alert(1)>'</style>{{.}}` + "\u202e\x00"
	a := newArchive()
	p := a.partition(evil, 0, 200)
	p.Error = evil
	a.object(p.Partition, 0, 100, day(10), 0, 1000)
	a.gap(p.Partition, 100, 200, evil)
	a.partition(evil, 1, 200).Error = evil
	f := a.facts(t)
	f.Config.Group, f.Config.Bucket = evil, evil
	f.Checks = Checks{Captures: map[string][]capture.Listed{evil: {{At: now}}}, CaptureErr: errors.New(evil), VerificationsErr: errors.New(evil),
		Verifications: []verify.Record{{Topics: []string{evil}, Error: evil, Summary: verify.Summary{Violations: 1, Kinds: map[verify.Kind]int64{verify.Kind(evil): 1}}}}}
	f.Restored = &Restored{Summary: evil, Verdict: evil, Class: evil, NotRestored: []string{evil}, Topics: [][]pageCell{{{evil, evil}}}, Differences: [][]pageCell{{{evil, evil}}}}
	checkMarkup(t, write(t, f))
}

// pageTag is a tag as the template writes them: all attributes in quotes.
var (
	pageTag       = regexp.MustCompile(`^</?([a-z0-9]+)((?:\s+[a-zA-Z-]+="[^"<>]*")*)\s*/?>`)
	pageAttribute = regexp.MustCompile(`([a-zA-Z-]+)="([^"]*)"`)
	pageTags      = strings.Fields("html head meta title style body a div header h1 span p nav ul li main section h2 b i dl dt dd " +
		"table caption thead tbody tr th td small svg path details summary h3 code footer")
	pageAttributes = strings.Fields("lang charset name content class href id aria-label aria-labelledby aria-hidden role tabindex " +
		"scope style colspan viewBox preserveAspectRatio d")
)

// checkMarkup fails for anything that is not of the template: every < begins one of its
// tags, with its attributes, none of which runs, loads or points elsewhere.
func checkMarkup(t *testing.T, page string) {
	t.Helper()
	rest, isDocument := strings.CutPrefix(page, "<!DOCTYPE html>\n")
	if !isDocument {
		t.Fatalf("the page begins with %.40q", page)
	}
	ids, links := map[string]bool{}, []string{}
	for at := strings.IndexByte(rest, '<'); at >= 0; at = strings.IndexByte(rest, '<') {
		rest = rest[at:]
		tag := pageTag.FindStringSubmatch(rest)
		if tag == nil || !slices.Contains(pageTags, tag[1]) {
			t.Fatalf("no tag of the page: %.80q", rest)
		}
		if strings.Contains(tag[2], "tabindex") && !strings.Contains(tag[2], `role="region" aria-label`) {
			t.Errorf("the keyboard reaches something that a screen reader has no name for: %s", tag[0])
		}
		if strings.Contains(tag[2], `role="img"`) && !strings.Contains(tag[2], `aria-label="`) &&
			!strings.HasPrefix(rest[len(tag[0]):], "<title>") {
			t.Errorf("a picture has no words: %s", tag[0])
		}
		for _, a := range pageAttribute.FindAllStringSubmatch(tag[2], -1) {
			switch key, value := a[1], a[2]; {
			case !slices.Contains(pageAttributes, key), key == "href" && !strings.HasPrefix(value, "#"):
				t.Fatalf("no attribute of the page: %s", tag[0])
			case key == "id" && ids[value]:
				t.Errorf("two elements have the id %s", value)
			case key == "id":
				ids[value] = true
			case key == "href":
				links = append(links, strings.TrimPrefix(value, "#"))
			}
		}
		rest = rest[len(tag[0]):]
	}
	for _, link := range links {
		if !ids[link] {
			t.Errorf("a link leads to #%s, which is not there", link)
		}
	}
	for _, loads := range []string{"url(", "@import", "http://", "https://", "javascript:"} {
		if strings.Contains(page, loads) {
			t.Errorf("the page has %s", loads)
		}
	}
}

// Each status that a partition can have is explained on the page and in the glossary.
func TestEachStatusIsExplained(t *testing.T) {
	t.Parallel()
	glossary, err := os.ReadFile("../../../../docs/glossary.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("../../../../internal/bifrost/rows.go")
	if err != nil {
		t.Fatal(err)
	}
	statuses := regexp.MustCompile(`Status\w+ +Status = "(\w+)"`).FindAllSubmatch(source, -1)
	if len(statuses) < 6 {
		t.Fatalf("found %d statuses", len(statuses))
	}
	page := write(t, newArchive().facts(t))
	for _, status := range statuses {
		if word := string(status[1]); !strings.Contains(string(glossary), "| "+word+" |") || !strings.Contains(page, word) {
			t.Errorf("%s is not explained", word)
		}
	}
}

// largeArchive has so many topics with so many partitions each, all of which lost something.
// A name takes the number of its topic.
func largeArchive(topics, partitions int, name string) *archive {
	a := newArchive()
	for n := range topics {
		topic := strings.ReplaceAll(name, "%d", strconv.Itoa(n))
		for number := range partitions {
			p := a.partition(topic, int32(number), 1_234_567_890)
			p.Records, p.RawBytes, p.StoredBytes = 1_234_567_890, 1<<40, 1<<38
			a.object(p.Partition, 0, 1000, day(30), day(20), 1<<30)
			a.gap(p.Partition, 1000, 1100, bifrost.ReasonRetention)
			a.object(p.Partition, 1100, 2000, day(10), day(0), 1<<30)
		}
	}
	return a
}

// A page of ten thousand partitions is to take less than a second, beside the reading of
// the tables.
func BenchmarkPage(b *testing.B) {
	a := largeArchive(100, 100, "orders-%d")
	for b.Loop() {
		scan, err := NewScan(b.Context(), a, condition.Unjudged(a.rows), readback.Times{}, now)
		if err != nil {
			b.Fatal(err)
		}
		page := NewPage(Facts{Config: config.Config{Group: "g", Bucket: "b"}, Scan: scan, Price: 0.023, Now: now,
			Seen: condition.Overview{Rows: condition.Unjudged(a.rows)}})
		if err := page.WritePage(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// Ten thousand partitions, however they are spread over topics, fit into 3 MB, and what
// does not fit is counted, with what needs a person listed first.
func TestTheSizeOfThePageIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		topics, partitions int
		name               string
	}{
		{1, 15_000, "orders"}, {100, 100, "orders-%d"}, {5000, 2, "orders.%d"}, {2000, 5, strings.Repeat("n", 240) + "%d"},
	} {
		a := largeArchive(c.topics, c.partitions, c.name)
		a.rows[len(a.rows)-1].Error = "the needle"
		page := write(t, a.facts(t))
		if len(page) > 3_000_000 {
			t.Errorf("%d topics of %d partitions: %d bytes", c.topics, c.partitions, len(page))
		}
		if !strings.Contains(page, "the needle</small>") {
			t.Errorf("%d topics of %d partitions: what needs a person is not listed", c.topics, c.partitions)
		}
		all := c.topics * c.partitions
		if c.partitions == 1 {
			all = 0
		}
		listed := strings.Count(page, `aria-hidden="true"><path`)
		if c.topics == 100 && listed < all {
			t.Errorf("a hundred topics of a hundred partitions: %d are listed", listed)
		}
		more := strings.Contains(page, "partitions more: bifrost status") || strings.Contains(page, "more are not listed") ||
			strings.Contains(page, "are not listed, for want of room")
		if listed < all && !more {
			t.Errorf("%d topics of %d partitions: %d of %d are listed, and the page does not say so", c.topics, c.partitions, listed, all)
		}
		t.Logf("%d topics of %d partitions: %d bytes, %d partitions listed", c.topics, c.partitions, len(page), listed)
	}
}

func TestAnEmptyArchiveHasAReport(t *testing.T) {
	t.Parallel()
	a := newArchive()
	f := a.facts(t)
	f.Checks = Checks{}
	page := write(t, f)
	checkMarkup(t, page)
	if !strings.Contains(page, "Nothing is archived yet") {
		t.Error("it does not say that nothing is archived")
	}
}

// Many gaps are counted, the losses among them listed first.
func TestGapsAreListedLossesFirst(t *testing.T) {
	t.Parallel()
	a := newArchive()
	p := a.partition("orders", 0, 10_000).Partition
	for n := range int64(1000) {
		reason := bifrost.ReasonErased
		if n == 500 {
			reason = bifrost.ReasonRetention
		}
		a.object(p, n*10, n*10+5, day(2), day(1), 100)
		a.gap(p, n*10+5, n*10+8, reason)
		a.gap(p, n*10+8, n*10+10, reason) // the same gap
	}
	page := NewPage(a.facts(t))
	if len(page.Gaps) != mostGaps || page.MoreGaps != 1000-mostGaps || page.Gaps[0].Reason != bifrost.ReasonRetention || page.Gaps[0].Offsets != "5" {
		t.Errorf("%d gaps and %d more, the first %+v", len(page.Gaps), page.MoreGaps, page.Gaps[0])
	}
	if page.Reasons[0].Offsets != "5" || page.Reasons[1].Offsets != "4,995" {
		t.Errorf("by reason: %+v", page.Reasons)
	}
}

// The figures of the bill are those of docs/cost.md.
func TestTheBillUsesTheFiguresOfThePage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../../docs/cost.md")
	if err != nil {
		t.Fatal(err)
	}
	figure := func(name string) float64 {
		match := regexp.MustCompile("\\| `" + regexp.QuoteMeta(name) + "` \\| ([0-9.]+) \\|").FindSubmatch(page)
		if match == nil {
			t.Fatalf("docs/cost.md has no figure %s", name)
		}
		v, err := strconv.ParseFloat(string(match[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	objects := func(size float64) float64 { return 1e12 / size }
	for name, computed := range map[string]float64{
		"cost/tb/1_mib":   objects(1<<20)*largeObject + 1e12*rawByte,
		"cost/tb/128_mib": objects(128<<20)*largeObject + 1e12*rawByte,
		"cost/idle/1000":  idleStack + 1000*idlePartition, "cost/idle/10000": idleStack + 10_000*idlePartition,
		"cost/trickle/1000": 12000*30.4*smallObject + 1,
	} {
		if want := figure(name); computed < want*0.9 || computed > want*1.1 {
			t.Errorf("%s is %.3g by the report, %.3g by the page", name, computed, want)
		}
	}
}

// What a young archive grows by in a day is not told from its first minutes, and its first
// days are not divided by seven.
func TestGrowthOfAYoungArchive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		age                time.Duration
		figure, note, cost string
	}{
		{10 * time.Minute, "unknown", "the records are of the last 10m", "is not known before there are records of a day"},
		{23 * time.Hour, "unknown", "the records are of the last 23h00m", "is not known before there are records of a day"},
		{48 * time.Hour, "50 GB", "stored, over the last 2d", "storage costs $34.50 a month more with each month"},
		{7 * 24 * time.Hour, "14 GB", "stored, over a week; nothing in the week before", "storage costs $9.86 a month more"},
	} {
		a := newArchive()
		a.object(a.partition("orders", 0, 10).Partition, 0, 10, c.age, 0, 500_000_000_000)
		page := NewPage(a.facts(t))
		growth := page.Figures[6]
		if growth.Name != "Growth a day" || growth.Value != c.figure || growth.Note != c.note ||
			page.Topics[0].Growth != c.figure || !strings.Contains(page.CostGrowth, c.cost) {
			t.Errorf("of %s: %+v, topic %s, %s", c.age, growth, page.Topics[0].Growth, page.CostGrowth)
		}
	}
}

// What has no room is counted in the singular, too.
func TestOneMoreIsInTheSingular(t *testing.T) {
	t.Parallel()
	a := newArchive()
	for n := range int32(mostNearest + 1) {
		p := a.partition("orders", n, 100)
		p.LastStable, p.HighWatermark = 200, 200
	}
	if page := write(t, a.facts(t)); !strings.Contains(page, "And 1 more partition.") {
		t.Error("the page does not say that one more partition waits")
	}
	var cells [columns]state
	for n := range 5 {
		cells[2*n] = stateArchived
	}
	if got := spansOf(&cells, a.scan(t, readback.Times{})); !strings.HasSuffix(got, "; and 1 more stretch") {
		t.Errorf("spans %q", got)
	}
}
