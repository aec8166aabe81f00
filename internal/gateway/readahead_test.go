package gateway

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// eventually waits for a condition.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("after a minute it is not so that %s", what)
		}
	}
}

// What is ahead of a client is read as soon as there is memory for it, and no further than
// it may be; it goes on where the client goes on, and where it goes back to.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	a, p := newArchive(), partitionOf("orders", 0)
	var records []baldr.Record
	for offset := range int64(3 * mostAheadSegments) {
		records = append(records, baldr.Record{Offset: offset, Value: fmt.Appendf(nil, "value %d", offset)})
	}
	a.archive(p, int64(len(records)), baldr.Options{MemberBytes: 1}, records...) // each in a member of its own
	s := serve(t, a)
	ahead := &readAhead{partition: s.topics.current().byName["orders"].partitions[0]}
	read := func(offset int64) bool {
		at, _, err := ahead.locate(t.Context(), offset, false)
		if err != nil {
			t.Fatal(err)
		}
		lent, ok := s.cache.segments.ready(at.key())
		if ok {
			lent.giveBack()
		}
		return ok
	}
	withoutMemory := func(offsets ...int64) { // where the client asks for one after the other
		release, err := s.memory.loads.take(t.Context(), s.memory.loads.size)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		for _, offset := range offsets {
			ahead.goOn(offset)
			for range 10_000 {
				if runtime.Gosched(); !ahead.working.Load() {
					t.Fatal("it does not wait for memory")
				}
			}
		}
	}
	withoutMemory(5)
	for offset := int64(5); offset < 5+mostAheadSegments; offset++ {
		eventually(t, fmt.Sprintf("offset %d is read", offset), func() bool { return read(offset) })
	}
	eventually(t, "there is no room for more", func() bool { return !ahead.working.Load() })
	if read(4) || read(5+mostAheadSegments) {
		t.Error("more is read than may be")
	}
	ahead.goOn(5 + longestRun - 1) // no room yet for a whole run
	eventually(t, "it waits for room", func() bool { return !ahead.working.Load() })
	if read(5 + mostAheadSegments) {
		t.Error("a run is cut short, although there will be room for all of it")
	}
	ahead.goOn(5 + longestRun)
	eventually(t, "it goes on", func() bool { return read(4 + longestRun + mostAheadSegments) })
	eventually(t, "there is no room for more", func() bool { return !ahead.working.Load() })
	withoutMemory(5+longestRun+mostAheadSegments, 0)
	eventually(t, "it goes back", func() bool { return read(0) && read(4) })
}

// heldObjects are objects of which nothing can be read until they are let go.
type heldObjects struct {
	readback.Objects
	asked, letGo chan struct{}
}

func (h heldObjects) Open(ctx context.Context, key string) (bifrost.Object, error) {
	h.asked <- struct{}{}
	<-h.letGo
	return h.Objects.Open(ctx, key)
}

// A gateway that is told to end still answers what it was asked before, and then ends
// without an error.
func TestAnswersOnTheirWayAreFinished(t *testing.T) {
	t.Parallel()
	a, p := newArchive(), partitionOf("orders", 0)
	a.archive(p, 2, baldr.Options{}, baldr.Record{Value: []byte("a")}, baldr.Record{Offset: 1, Value: []byte("b")})
	held := heldObjects{a.store, make(chan struct{}, 1), make(chan struct{})}
	s := serve(t, a, func(o *Options) { o.Objects = held })
	client := s.client(t)
	answer := make(chan pulled, 1)
	go func() { answer <- s.pull(t, client, "orders", 0, 0, 1000) }()
	<-held.asked
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.stop()
	}()
	<-s.draining
	close(held.letGo)
	if got := <-answer; len(got.records) != 2 {
		t.Errorf("%d records and error %d, want 2", len(got.records), got.answer.ErrorCode)
	}
	<-ended
}
