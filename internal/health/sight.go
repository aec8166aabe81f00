// Package health tells how far the rows of the progress table can be believed. A
// partition in which nothing happens is never written, so its row alone does not say
// whether it is idle or has not been looked at for a week: the records that ticks leave
// do. Only the command line reads them; no rule does. Most of its tests are in
// internal/bifrost, where ticks leave such records.
package health

import (
	"fmt"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Sight says how far the progress row of a partition can be believed now.
type Sight struct {
	// SeenAt is the last time at which a tick is known to have looked at the
	// partition; zero when none is known. The offsets in its row may be older: a
	// tick that finds nothing to do writes nothing.
	SeenAt time.Time
	// Unseen is why nobody knows that the partition is as its row says; empty when
	// a tick has looked, or none needs to.
	Unseen string
	// Excluded says that the topic is not selected any more, so that no tick looks.
	Excluded bool
}

// Sights judges progress rows by what ticks have left on record.
type Sights struct {
	Ticks    []bifrost.TickRecord // one per cluster
	Patience time.Duration        // how long ago the last look may be
	Now      time.Time
}

// Of judges one row. It is pure.
func (s Sights) Of(p bifrost.Progress) Sight {
	sight := Sight{SeenAt: p.At}
	if p.Status == bifrost.StatusClosed || p.Status == bifrost.StatusForked {
		return sight // for good
	}
	own, _ := s.newest(func(r bifrost.TickRecord) bool { return r.ClusterID == p.ClusterID })
	last, known := s.newest(func(r bifrost.TickRecord) bool { return r.ClusterID != "" || !r.CompleteAt.IsZero() })
	if !own.CompleteAt.IsZero() {
		sight.Excluded = !own.Filter.Archives(p.Topic())
		if !sight.Excluded && p.Trouble.Error == "" {
			if own.CompleteAt.After(sight.SeenAt) {
				sight.SeenAt = own.CompleteAt
			}
		}
	}
	switch {
	case known && last.ClusterID != p.ClusterID:
		sight.Unseen = fmt.Sprintf("the brokers are those of cluster %s now%s; this is of cluster %s%s", last.ClusterID,
			whose(last, " (a tick of %s found them)"), p.ClusterID, neverArchived(p))
	case sight.Excluded:
	case sight.SeenAt.IsZero():
		sight.Unseen = "no tick is known to have looked at it" + s.because(own)
	case s.Now.Sub(sight.SeenAt) > s.Patience:
		sight.Unseen = fmt.Sprintf("no tick has looked at it since %s%s", sight.SeenAt.UTC().Format(time.RFC3339),
			s.because(own))
	}
	return sight
}

// neverArchived names what was seen of a partition and is in no object and no gap.
func neverArchived(p bifrost.Progress) string {
	end := max(p.LastStable, p.PlannedOffset)
	if end <= p.NextOffset {
		return fmt.Sprintf(", and what followed offset %d there is not known", p.NextOffset)
	}
	return fmt.Sprintf(", where offsets %s at least were never archived and are in no gap",
		bifrost.Range{Start: p.NextOffset, End: end})
}

// because is what is known about ticks that do not look.
func (s Sights) because(own bifrost.TickRecord) string {
	last, ok := s.Last()
	switch {
	case !ok:
		return ": no tick is on record"
	case last.Error != "":
		return ": the last tick" + whose(last, ", of %s,") + " failed: " + last.Error
	case own.Unfinished > 0:
		return fmt.Sprintf(": the last tick ran out of time with %d partitions left", own.Unfinished)
	case s.Now.Sub(last.EndedAt) > s.Patience:
		return ": no tick has ended since"
	}
	return ""
}

// Last is the record of the tick that began last, of any cluster; false when there
// is none.
func (s Sights) Last() (bifrost.TickRecord, bool) {
	return s.newest(func(bifrost.TickRecord) bool { return true })
}

func (s Sights) newest(counts func(bifrost.TickRecord) bool) (newest bifrost.TickRecord, found bool) {
	for _, r := range s.Ticks {
		if counts(r) && (!found || r.StartedAt.After(newest.StartedAt)) {
			newest, found = r, true
		}
	}
	return newest, found
}

// Problem is what is wrong with the ticks themselves; empty when the last one came
// to its end not long ago. What a single partition lacks is for [Sights.Of].
func (s Sights) Problem() string {
	last, ok := s.Last()
	switch {
	case !ok:
		return "no tick is on record"
	case last.Error != "":
		return fmt.Sprintf("the last tick, at %s%s, failed: %s", last.StartedAt.UTC().Format(time.RFC3339),
			whose(last, ", of %s"), last.Error)
	case s.Now.Sub(last.EndedAt) > s.Patience:
		return fmt.Sprintf("no tick has ended since %s", last.EndedAt.UTC().Format(time.RFC3339))
	case last.Unfinished > 0 && s.Now.Sub(last.CompleteAt) > s.Patience:
		return fmt.Sprintf("ticks run out of time: the last one, at %s%s, left %d partitions",
			last.StartedAt.UTC().Format(time.RFC3339), whose(last, ", of %s"), last.Unfinished)
	}
	return ""
}

// whose says in such words who ticked, which need not be the stack; nothing if that is not known.
func whose(r bifrost.TickRecord, words string) string {
	if r.By == "" {
		return ""
	}
	return fmt.Sprintf(words, r.By)
}
