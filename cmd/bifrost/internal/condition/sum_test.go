package condition

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// One row that stands for many has their sums, the oldest look, the nearest threat, the newest
// record and the worst state, in whatever order they come; nothing of one hides that of another.
func TestASumOfManyPartitions(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	at := func() time.Time {
		if random.IntN(3) == 0 {
			return time.Time{}
		}
		return time.Unix(random.Int64N(100), 0)
	}
	statuses := append(slices.Clone(severity), StatusUnknown)
	word := func() string { return []string{"", "", "x"}[random.IntN(3)] }
	for range 2000 {
		rows := make([]Judged, 1+random.IntN(4))
		var want Judged
		want.Excluded = true
		lag, status := int64(0), len(statuses)
		seen, threats := []time.Time{}, []time.Time{}
		for i := range rows {
			p := &rows[i]
			p.Name, p.Number = "orders", int32(i)
			p.Status = statuses[random.IntN(len(statuses))]
			p.NextOffset, p.LastStable = random.Int64N(50), random.Int64N(50)
			p.Records, p.RawBytes, p.StoredBytes = random.Int64N(9), random.Int64N(9), random.Int64N(9)
			p.Missing, p.Lost, p.Blind, p.Gone = random.Int64N(9), random.Int64N(9), random.IntN(2), random.Int64N(9)
			p.Error, p.Suspicion, p.Unseen, p.Trouble.Error = word(), word(), word(), word()
			p.Excluded, p.SeenAt, p.Threat, p.LastRecordAt = random.IntN(2) == 0, at(), at(), at()

			lag += p.Lag()
			want.Records += p.Records
			want.RawBytes += p.RawBytes
			want.StoredBytes += p.StoredBytes
			want.Missing += p.Missing
			want.Lost += p.Lost
			want.Blind += p.Blind
			want.Gone += p.Gone
			want.Excluded = want.Excluded && p.Excluded
			if p.Error != "" {
				want.Error = p.Error
			}
			if p.Suspicion != "" {
				want.Suspicion = p.Suspicion
			}
			if p.Unseen != "" {
				want.Unseen = p.Unseen
			}
			if p.Trouble.Error != "" {
				want.Trouble = p.Trouble
			}
			if p.LastRecordAt.After(want.LastRecordAt) {
				want.LastRecordAt = p.LastRecordAt
			}
			if p.Status != bifrost.StatusClosed && p.Status != bifrost.StatusForked && !p.SeenAt.IsZero() {
				seen = append(seen, p.SeenAt)
			}
			if !p.Threat.IsZero() {
				threats = append(threats, p.Threat)
			}
			status = min(status, slices.Index(severity, p.Status)) // -1, the worst: nobody knows
		}
		want.SeenAt, want.Threat = first(seen), first(threats)
		want.Status = StatusUnknown
		if status >= 0 {
			want.Status = severity[status]
		}
		sum := SumOf(rows)
		if sum.Status != bifrost.StatusForked && sum.Lag() != lag {
			t.Fatalf("%+v: lag %d, want %d", rows, sum.Lag(), lag)
		}
		sum.Partition, sum.NextOffset, sum.LastStable = bifrost.Partition{}, 0, 0
		if sum != want {
			t.Fatalf("%+v:\ngot  %+v\nwant %+v", rows, sum, want)
		}
	}
}

// first is the earliest of times; none of none.
func first(times []time.Time) time.Time {
	if len(times) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(times, time.Time.Compare)
}

// Of many partitions that need a look the first is named, with what is wrong with it.
func TestTheFirstOfManyIsNamed(t *testing.T) {
	t.Parallel()
	row := func(number int32, suspicion string) Judged {
		p := Judged{Progress: bifrost.Progress{Status: bifrost.StatusOpen, Suspicion: suspicion}}
		p.Name, p.Number, p.At = "orders", number, time.Unix(1, 0)
		return p
	}
	const want = "2 of 3 partitions need a look; orders/1 is OPEN: one"
	err := Overview{Rows: []Judged{row(0, ""), row(1, "one"), row(2, "two")}}.Failure()
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// A figure that nobody knows is none; a lag that is known in part is said to be one of at least.
func TestWhatIsKnownOfALag(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		blind     int
		next, end int64
		want      string
	}{{0, 5, 5, "0"}, {0, 5, 1505, "1,500"}, {1, 5, 5, "unknown"}, {2, 5, 6, "≥ 1"}} {
		p := Judged{Blind: c.blind}
		p.NextOffset, p.LastStable = c.next, c.end
		if got := p.KnownLag(); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
