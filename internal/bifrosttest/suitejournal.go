// What every ledger has to keep of ticks.

package bifrosttest

import (
	"context"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// journal is what the suite asks of a ledger that is a bifrost.Journal too.
type journal interface {
	bifrost.Journal
	Ticks(ctx context.Context) ([]bifrost.TickRecord, error)
}

func (s ledgerSuite) journal() journal {
	s.Helper()
	j, ok := s.Ledger.(journal)
	if !ok {
		s.Fatal("the ledger is no bifrost.Journal")
	}
	return j
}

func (s ledgerSuite) ticks(j journal) map[string]bifrost.TickRecord {
	s.Helper()
	all, err := j.Ticks(s.Context())
	s.must(err)
	byCluster := map[string]bifrost.TickRecord{}
	for _, r := range all {
		byCluster[r.ClusterID] = r
	}
	s.same("records of different clusters", len(byCluster), len(all))
	return byCluster
}

func (s ledgerSuite) noteTick() {
	j := s.journal()
	s.same("records of an empty ledger", len(s.ticks(j)), 0)
	complete := bifrost.TickRecord{
		ID:         "tick-1",
		By:         "function discover",
		ClusterID:  "one",
		StartedAt:  noon,
		EndedAt:    noon.Add(time.Second),
		Topics:     1,
		Partitions: 2,
		Failures:   3,
		CompleteAt: noon.Add(time.Millisecond),
		Filter:     bifrost.TopicFilter{Include: []string{"a*", "b"}, Exclude: []string{"c"}},
	}
	s.must(j.NoteTick(s.Context(), complete))
	s.must(j.NoteTick(s.Context(), complete)) // as after a lost answer
	other := bifrost.TickRecord{ID: "tick-2", ClusterID: "two", StartedAt: noon, EndedAt: noon, CompleteAt: noon}
	s.must(j.NoteTick(s.Context(), other))
	unknown := bifrost.TickRecord{ID: "tick-3", StartedAt: noon, EndedAt: noon, Error: "no broker"}
	s.must(j.NoteTick(s.Context(), unknown))
	s.same("the first cluster", s.ticks(j)["one"], complete)
	s.same("the second", s.ticks(j)["two"], other)
	s.same("none", s.ticks(j)[""], unknown)

	unfinished := bifrost.TickRecord{
		ID:         "tick-4",
		ClusterID:  "one",
		StartedAt:  noon.Add(time.Minute),
		EndedAt:    noon.Add(2 * time.Minute),
		Unfinished: 7,
	}
	s.must(j.NoteTick(s.Context(), unfinished))
	want := unfinished
	want.CompleteAt, want.Filter = complete.CompleteAt, complete.Filter
	s.same("after a tick that did not look at all", s.ticks(j)["one"], want)
	s.conflicts("a tick that began before", j.NoteTick(s.Context(), complete))
	s.same("after it", s.ticks(j)["one"], want)
	s.same("rows of partitions", len(s.allRows(orders)), 0)
	planned, err := s.ListPlanned(s.Context())
	s.must(err)
	s.same("planned rows", len(planned), 0)
}

func (s ledgerSuite) noteTrouble() {
	j := s.journal()
	trouble := bifrost.Trouble{Error: "no leader", Since: noon, At: noon.Add(time.Minute)}
	s.conflicts("no row", j.NoteTrouble(s.Context(), fencing(orders), trouble))
	s.same("rows after that", len(must(s.ListProgress(s.Context()))), 0)
	p := s.opened(orders)
	other := p
	other.Generation = "generation-2"
	s.conflicts("another generation", j.NoteTrouble(s.Context(), other, trouble))
	p.NextOffset, p.PlannedOffset, p.Status = 5, 6, bifrost.StatusBlocked // none of them is a condition
	s.must(j.NoteTrouble(s.Context(), p, trouble))
	want := s.progress(orders)
	s.same("the trouble", want.Trouble, trouble)
	s.same("offsets", want.NextOffset+want.PlannedOffset, int64(0))
	s.must(j.NoteTrouble(s.Context(), p, bifrost.Trouble{}))
	s.same("without it", s.progress(orders).Trouble, bifrost.Trouble{})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
