package bifrost_test

import (
	"context"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// reasons runs ticks and workers and counts the offsets in gaps by reason.
func (w *watched) reasons(ticks int) map[string]int64 {
	w.Helper()
	for range ticks {
		w.tickAfter(time.Minute)
		w.workWithRetention()
	}
	lost := map[string]int64{}
	for _, r := range w.ledger.AllRows() {
		if r.State == bifrost.StateLost {
			lost[r.Facts.Reason] += r.Len()
		}
	}
	return lost
}

func (w *watched) workWithRetention() {
	a := w.archiver()
	a.Retention = w.retention
	for len(w.lambda.Waiting()) > 0 {
		if _, err := a.Archive(context.Background(), w.lambda.Take(0), time.Time{}); err != nil {
			w.log = append(w.log, err.Error())
		}
	}
}

// Kafka Streams deletes what it has read of its repartition topics, which have no
// limits of their own: no gap there says that retention was quicker, whether a tick
// or a worker meets it.
func TestDeletedByRequestIsToldFromRetention(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keeps bifrost.Retention
		later bifrost.Retention // what the limits are when the gap is met
		age   time.Duration     // of the archived records then
		want  string
	}{
		"no limits":                 {keeps: bifrost.Retention{Milliseconds: -1, Bytes: -1}, want: bifrost.ReasonRequest},
		"far from the limit":        {keeps: keepsFor(24 * time.Hour), want: bifrost.ReasonRequest},
		"the limit has come":        {keeps: keepsFor(24 * time.Hour), age: 25 * time.Hour, want: bifrost.ReasonRetention},
		"a limit of size":           {keeps: bifrost.Retention{Milliseconds: -1, Bytes: 1 << 40}, want: bifrost.ReasonRetention},
		"raised after the loss":     {keeps: keepsFor(time.Hour), later: keepsFor(999 * time.Hour), age: 2 * time.Hour, want: bifrost.ReasonRetention},
		"taken away after the loss": {keeps: keepsFor(time.Hour), later: bifrost.Retention{Milliseconds: -1, Bytes: -1}, age: 2 * time.Hour, want: bifrost.ReasonRetention},
		"lowered before the loss":   {keeps: keepsFor(999 * time.Hour), later: keepsFor(time.Hour), age: 2 * time.Hour, want: bifrost.ReasonRetention},
		"nobody may know":           {keeps: bifrost.Retention{Err: bifrost.ErrNotFound}, want: bifrost.ReasonRetention},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, worker := range []bool{false, true} {
				w := newWatched(t)
				topic := w.kafka.CreateTopic("app-repartition", 1)
				topic.Keeps = c.keeps
				log := topic.Logs[0]
				w.produce(log, 0)
				w.reasons(5)
				log.Produce("a", "b", "c", "d", "e", "f")
				if worker { // the range is planned, and nobody has read it yet
					w.tickAfter(2 * time.Minute)
				}
				w.clock.Advance(c.age)
				log.Retain(log.LogEnd() - 1)
				if c.later != (bifrost.Retention{}) {
					topic.Keeps = c.later
				}
				if worker {
					w.workWithRetention()
				}
				lost := w.reasons(3)
				if len(lost) != 1 || lost[c.want] != 5 {
					t.Errorf("met by a worker: %v; offsets in gaps by reason %v, want 5 of %s", worker, lost, c.want)
				}
			}
		})
	}
}
