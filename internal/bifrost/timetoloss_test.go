package bifrost

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const day = 24 * time.Hour

func keepsFor(age time.Duration) Retention {
	return Retention{Milliseconds: age.Milliseconds(), Bytes: -1}
}

func TestLossAt(t *testing.T) {
	t.Parallel()
	// Archived to offset 100; the newest record there is an hour old, and the last
	// plan of a minute ago saw up to 150.
	archived := Progress{
		NextOffset: 100, RecentRawBytes: 3000, RecentOffsets: 100,
		LastRecordAt: noon.Add(-time.Hour), LastArchivedAt: noon.Add(-time.Minute),
		Observation: Observation{LastStable: 150, HighWatermark: 150, At: noon.Add(-time.Minute)},
	}
	with := func(change func(*Progress)) Progress {
		p := archived
		change(&p)
		return p
	}
	waiting := Observation{LastStable: 200, HighWatermark: 200, At: noon}
	tests := map[string]struct {
		progress Progress
		seen     Observation
		kept     Retention
		notOlder time.Time
		want     time.Time
	}{
		"age, counted from the newest archived record": {archived, waiting, keepsFor(day), time.Time{}, noon.Add(23 * time.Hour)},
		"nothing waits":                           {with(func(p *Progress) { p.NextOffset = 200 }), waiting, keepsFor(day), time.Time{}, time.Time{}},
		"kept for ever":                           {archived, waiting, Retention{Milliseconds: -1, Bytes: -1, Compacted: true}, time.Time{}, time.Time{}},
		"not known":                               {archived, waiting, Retention{Err: errors.New("refused")}, time.Time{}, time.Time{}},
		"overdue is now":                          {archived, waiting, keepsFor(time.Minute), time.Time{}, noon},
		"nothing archived yet: of unknown age":    {Progress{}, waiting, keepsFor(day), time.Time{}, noon},
		"nothing archived yet, known to be young": {Progress{}, waiting, keepsFor(day), noon.Add(-12 * time.Hour), noon.Add(12 * time.Hour)},
		"a producer's clock ahead is not believed": {
			with(func(p *Progress) { p.LastRecordAt = noon.Add(day) }), waiting, keepsFor(day), time.Time{}, noon.Add(day - time.Minute),
		},
		"only a transaction waits, and it can be lost": {
			with(func(p *Progress) { p.NextOffset = 150 }), Observation{LastStable: 150, HighWatermark: 200, At: noon}, keepsFor(day), time.Time{}, noon.Add(23 * time.Hour),
		},
		"the broker's clock: what came after a quiet time is young": {
			with(func(p *Progress) { p.NextOffset, p.LastRecordAt = 150, noon.Add(-30*day) }), waiting,
			Retention{Milliseconds: day.Milliseconds(), Bytes: -1, LogAppendTime: true}, time.Time{}, noon.Add(day - time.Minute),
		},
		// 30 bytes an offset and 70 for its batch, 50 offsets a minute, 100 wait.
		"size, at the rate of growth":      {archived, waiting, Retention{Milliseconds: -1, Bytes: 20_000}, time.Time{}, noon.Add(2 * time.Minute)},
		"size, reached already":            {archived, waiting, Retention{Milliseconds: -1, Bytes: 10_000}, time.Time{}, noon},
		"size, and the log does not grow":  {with(func(p *Progress) { p.HighWatermark = 200 }), waiting, Retention{Milliseconds: -1, Bytes: 20_000}, time.Time{}, time.Time{}},
		"size, too large to be reached":    {archived, waiting, Retention{Milliseconds: -1, Bytes: math.MaxInt64}, time.Time{}, time.Time{}},
		"the sooner of both":               {archived, waiting, Retention{Milliseconds: day.Milliseconds(), Bytes: 20_000}, time.Time{}, noon.Add(2 * time.Minute)},
		"an age of centuries is no danger": {archived, waiting, Retention{Milliseconds: math.MaxInt64, Bytes: -1}, time.Time{}, noon.Add(-time.Hour).Add(math.MaxInt64 / time.Millisecond * time.Millisecond)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := LossAt(test.progress, test.seen, test.kept, test.notOlder); !got.Equal(test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// Whatever the numbers, nobody is told of a loss in the past, and knowing that
// the first record is younger never brings its loss nearer.
func TestLossAtErrsEarly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		moment := rapid.Custom(func(t *rapid.T) time.Time {
			return noon.Add(-time.Duration(rapid.Int64Range(0, int64(100*day)).Draw(t, "ago")))
		})
		offset := rapid.Int64Range(0, 1000)
		p := Progress{NextOffset: offset.Draw(t, "next"), RecentOffsets: offset.Draw(t, "offsets"), RecentRawBytes: offset.Draw(t, "bytes")}
		p.LastRecordAt, p.LastArchivedAt, p.At = moment.Draw(t, "record"), moment.Draw(t, "archived"), moment.Draw(t, "observed")
		p.HighWatermark = offset.Draw(t, "was")
		seen := Observation{LastStable: offset.Draw(t, "stable"), At: noon}
		seen.HighWatermark = seen.LastStable + offset.Draw(t, "open")
		kept := Retention{
			Milliseconds: rapid.Int64Range(-1, (50*day).Milliseconds()).Draw(t, "ms"), Bytes: rapid.Int64Range(-1, 1e6).Draw(t, "size"),
			LogAppendTime: rapid.Bool().Draw(t, "append time"),
		}
		got := LossAt(p, seen, kept, time.Time{})
		if !got.IsZero() && got.Before(noon) {
			t.Fatalf("lost at %v, before now", got)
		}
		younger := LossAt(p, seen, kept, moment.Draw(t, "not older"))
		if younger.IsZero() != got.IsZero() || younger.Before(got) {
			t.Fatalf("lost at %v, and with more knowledge at %v", got, younger)
		}
	})
}

func TestNearness(t *testing.T) {
	t.Parallel()
	order := []time.Duration{0, time.Minute, 2 * time.Minute, 5 * time.Minute, time.Hour, 7 * day, NoLoss - 1, NoLoss}
	for i := 1; i < len(order); i++ {
		if nearness(order[i-1]) >= nearness(order[i]) {
			t.Errorf("%v is not nearer than %v", order[i-1], order[i])
		}
	}
	if nearness(65*time.Hour) != nearness(66*time.Hour) {
		t.Error("an hour in days makes a difference")
	}
}

type countedRetention struct {
	asked [][]string
	err   error
}

func (c *countedRetention) Retention(_ context.Context, topics []string) (map[string]Retention, error) {
	c.asked = append(c.asked, topics)
	answers := map[string]Retention{}
	for _, topic := range topics {
		answers[topic] = Retention{Milliseconds: int64(len(c.asked))}
		if topic == "secret" {
			answers[topic] = Retention{Err: errors.New("refused")}
		}
	}
	return answers, c.err
}

func TestRetentionIsRememberedForAWhile(t *testing.T) {
	t.Parallel()
	now, from := noon, &countedRetention{}
	memory := RememberRetention(from, time.Minute, func() time.Time { return now })
	ask := func(topic string) Retention {
		t.Helper()
		answers, err := memory.Retention(t.Context(), []string{topic, "secret"})
		if err != nil || answers["secret"].Err == nil {
			t.Fatalf("answers %v, error %v", answers, err)
		}
		return answers[topic]
	}
	for range 2 {
		if ask("orders").Milliseconds != 1 {
			t.Error("asked twice within the minute")
		}
	}
	if got := ask("payments"); got.Milliseconds != 2 || len(from.asked) != 2 || len(from.asked[1]) != 1 {
		t.Errorf("a topic of which nothing is known yet: %v, asked %v", got, from.asked)
	}
	for range 2 { // an answer does not last longer for being used
		now = now.Add(20 * time.Second)
		if ask("orders").Milliseconds != 1 {
			t.Error("asked twice within the minute")
		}
	}
	now = now.Add(20 * time.Second)
	if ask("orders").Milliseconds != 3 {
		t.Error("not asked again after the minute")
	}
	from.err = errors.New("no broker")
	if _, err := memory.Retention(t.Context(), []string{"returns"}); !errors.Is(err, from.err) {
		t.Errorf("error %v", err)
	}
}
