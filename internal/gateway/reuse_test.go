package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

// A value is given up once, when the cache has dropped it and all have given it back: not
// earlier, and not later.
func TestValuesAreGivenUpWhenNobodyHasThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type value struct{ key, users, givenUp int }
		var all []*value
		most := rapid.IntRange(1, 5).Draw(t, "most")
		l := newLRU[int](int64(most), func(v *value) { v.givenUp++ })
		var lent []lending[*value]
		kept := func(v *value) bool {
			now, ok := l.entries[v.key]
			return ok && now.value == v
		}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			key := rapid.IntRange(0, 8).Draw(t, "key")
			switch rapid.SampledFrom([]string{"get", "ready", "give back", "fail", "leave"}).Draw(t, "step") {
			case "get":
				one, err := l.get(t.Context(), key, func() (*value, int64, error) {
					v := &value{key: key}
					all = append(all, v)
					return v, 1, nil
				})
				if err != nil {
					t.Fatal(err)
				}
				one.value.users++
				lent = append(lent, one)
			case "ready":
				if one, ok := l.ready(key); ok {
					one.value.users++
					lent = append(lent, one)
				}
			case "give back":
				if len(lent) > 0 {
					i := rapid.IntRange(0, len(lent)-1).Draw(t, "which")
					lent[i].value.users--
					lent[i].giveBack()
					lent = slices.Delete(lent, i, i+1)
				}
			case "fail":
				failure := errors.New("failure")
				_, err := l.get(t.Context(), 100+key, func() (*value, int64, error) { return nil, 0, failure })
				if !errors.Is(err, failure) {
					t.Fatalf("error %v", err)
				}
			case "leave": // whoever leaves before it is made has nothing
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				mayEnd, v := make(chan struct{}), &value{key: 200 + key}
				one, err := l.get(ctx, v.key, func() (*value, int64, error) {
					<-mayEnd
					all = append(all, v)
					return v, 1, nil
				})
				if close(mayEnd); err == nil { // it was there
					one.giveBack()
				}
				for {
					if one, ok := l.ready(v.key); ok {
						one.giveBack()
						break
					}
					runtime.Gosched()
				}
			}
			l.mutex.Lock() // what is dropped for another is dropped after that is there
			for _, v := range all {
				want := 0
				if v.users == 0 && !kept(v) {
					want = 1
				}
				if v.givenUp != want {
					t.Fatalf("a value of key %d with %d users, kept %v: given up %d times", v.key, v.users, kept(v), v.givenUp)
				}
			}
			l.mutex.Unlock()
		}
	})
}

// Memory is given to one at a time, is large enough, and little of it is left over.
func TestSpareMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, used := &spare{}, map[*byte][]byte{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(used) > 0 && rapid.Bool().Draw(t, "add") {
				for first, piece := range used {
					delete(used, first)
					s.add(piece)
					break
				}
				continue
			}
			size := rapid.IntRange(1, 3<<20).Draw(t, "size")
			piece := s.take(size)
			if len(piece) != 0 || cap(piece) < size || cap(piece)-size > size/16 {
				t.Fatalf("asked for %d bytes, got %d of %d", size, len(piece), cap(piece))
			}
			first := &piece[:1][0]
			if used[first] != nil {
				t.Fatal("somebody else has this memory")
			}
			used[first] = piece
		}
		if len(s.left) > mostSpare {
			t.Fatalf("%d pieces are kept", len(s.left))
		}
		for _, piece := range s.left {
			if cap(piece) > largestSpare {
				t.Fatalf("a piece of %d bytes is kept", cap(piece))
			}
		}
	})
	s := &spare{}
	s.add(make([]byte, 1000))
	if piece := s.take(1000); cap(piece) != 1000 || len(s.left) != 0 {
		t.Error("memory is not used again")
	}
}

// An answer is sent from where its batches lie. They are not written over until it is sent,
// even if the cache has dropped them meanwhile; after that they are.
func TestAnAnswerKeepsItsMemoryUntilItIsSent(t *testing.T) {
	t.Parallel()
	a, p := newArchive(), partitionOf("orders", 0)
	var records []baldr.Record
	for offset := range int64(20) {
		value := bytes.Repeat([]byte{byte(offset)}, 5000)
		records = append(records, baldr.Record{Offset: offset, Value: value})
	}
	a.archive(p, 20, baldr.Options{MemberBytes: 1}, records...) // each in a member of its own
	s := serve(t, a)
	s.cache.segments.most = 1 // the last one only
	answer := func(offset int64) ([]byte, *hold) {
		held := &hold{}
		response, err := newConnection(s.Gateway, nil).fetch(t.Context(), s.fetchOf("orders", 0, offset, 0), held)
		if err != nil {
			t.Fatal(err)
		}
		return response.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches, held
	}
	first, held := answer(0)
	want := bytes.Clone(first)
	for offset := int64(1); offset < 10; offset++ {
		_, other := answer(offset)
		other.release()
	}
	if len(want) < 5000 || !bytes.Equal(first, want) {
		t.Error("an answer that is not sent yet was written over")
	}
	held.release()
	eventually(t, "memory is used again", func() bool {
		_, other := answer(10)
		other.release()
		return !bytes.Equal(first, want)
	})
}

// What is ahead comes by one read for each run of members. If the store fails then, nothing
// is lost: who asks for a segment reads it alone.
func TestRunsAreReadAtOnce(t *testing.T) {
	t.Parallel()
	for _, fails := range []int64{0, 1} {
		a, p := newArchive(), partitionOf("orders", 0)
		var records []baldr.Record
		for offset := range int64(longestRun) {
			records = append(records, baldr.Record{Offset: offset, Value: fmt.Appendf(nil, "value %d", offset)})
		}
		a.archive(p, longestRun, baldr.Options{MemberBytes: 1}, records...)
		var left atomic.Int64 // how many reads fail
		store := &bifrosttest.Reads{Objects: a.store, Fail: func(int64) error {
			if left.Add(-1) >= 0 {
				return errors.New("the store fails")
			}
			return nil
		}}
		s := serve(t, a, func(o *Options) { o.Objects = store })
		orders := s.topics.current().byName["orders"].partitions[0]
		if _, _, err := orders.locate(t.Context(), 0, false); err != nil { // opens it
			t.Fatal(err)
		}
		store.Count.Store(0)
		left.Store(fails)
		ahead := &readAhead{partition: orders}
		ahead.goOn(0)
		if fails == 0 {
			last, _, err := orders.locate(t.Context(), longestRun-1, false)
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "all is read", func() bool {
				lent, ok := s.cache.segments.ready(last.key())
				if ok {
					lent.giveBack()
				}
				return ok
			})
		} else {
			eventually(t, "the store has failed", func() bool { return store.Count.Load() == 1 })
		}
		if reads := store.Count.Load(); reads != 1 {
			t.Errorf("%d reads of the store for a run", reads)
		}
		if got := s.pull(t, s.client(t), "orders", 0, 0, patient); len(got.records) == 0 || got.answer.ErrorCode != 0 {
			t.Errorf("%d records, error %d", len(got.records), got.answer.ErrorCode)
		}
	}
}
