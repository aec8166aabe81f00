package gateway

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Where the archive begins is asked again after a minute, however often the answer is used until then:
// the first objects may be erased.
func TestTheFirstOffsetIsKeptForAMinute(t *testing.T) {
	t.Parallel()
	a, name := newArchive(), partitionOf("orders", 0)
	a.archive(name, 10, baldr.Options{}, some(0, 10)...)
	a.archive(name, 20, baldr.Options{}, some(10, 20)...)
	began, passed := time.Now(), atomic.Int64{}
	s := serve(t, a, func(o *Options) {
		o.Now = func() time.Time { return began.Add(time.Duration(passed.Load())) }
	})
	p := s.topics.current().byName["orders"].partitions[0]
	at := func(since time.Duration, want int64) {
		t.Helper()
		passed.Store(int64(since))
		if got, err := p.firstOffset(t.Context()); got != want || err != nil {
			t.Errorf("after %s the archive begins at %d, want %d; error %v", since, got, want, err)
		}
	}
	at(0, 0)
	erased := a.rows[name][0]
	erased.State, erased.GapReason = bifrost.StateLost, bifrost.ReasonErased
	a.ledger.Poke(erased)
	at(startKept/3, 0)
	at(2*startKept/3, 0)
	at(startKept-1, 0)
	at(startKept, 10)
}
