package baldr

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// reads notes the requests that a remote store would see.
type reads struct {
	io.ReaderAt
	lock   sync.Mutex
	ranges [][2]int64 // position and size of each
}

func (r *reads) ReadAt(p []byte, at int64) (int, error) {
	r.lock.Lock()
	r.ranges = append(r.ranges, [2]int64{at, int64(len(p))})
	r.lock.Unlock()
	return r.ReaderAt.ReadAt(p, at)
}

func (r *reads) take() [][2]int64 {
	r.lock.Lock()
	defer r.lock.Unlock()
	taken := r.ranges
	r.ranges = nil
	return taken
}

// TestOneReadForTheTailAndOneForARecord is the promise to remote stores.
func TestOneReadForTheTailAndOneForARecord(t *testing.T) {
	t.Parallel()
	records := manyRecords(20_000)
	object, _ := write(t, records, Options{MemberBytes: 10_000})
	for _, opts := range []ReaderOptions{{}, {Workers: 4}, {ValuesOnly: true}} {
		counted := &reads{ReaderAt: bytes.NewReader(object)}
		f, err := Open(counted, int64(len(object)), opts)
		check(t, err)
		tail := [][2]int64{{max(0, int64(len(object))-TailBytes), min(TailBytes, int64(len(object)))}}
		if got := counted.take(); !slices.Equal(got, tail) {
			t.Errorf("Open reads %v, want %v", got, tail)
		}
		for _, i := range []int{0, 1, 77, 5000, 19_999} {
			found := first(t, f.From(int64(i)))
			if !bytes.Equal(found.Value, records[i].Value) {
				t.Errorf("record %d is %q", i, found.Value)
			}
			if got := counted.take(); len(got) != 1 || !slices.ContainsFunc(f.members, func(m member) bool { return got[0] == [2]int64{m.position, m.storedBytes} }) {
				t.Errorf("finding record %d reads %v, want one member", i, got)
			}
			first(t, f.Since(records[i].Timestamp))
			if got := counted.take(); len(got) != 1 {
				t.Errorf("finding the time of record %d reads %v, want one member", i, got)
			}
		}
		collect(t, f.All())
		if got := counted.take(); len(got) != len(f.members) {
			t.Errorf("reading all makes %d reads for %d members", len(got), len(f.members))
		}
	}
}

func first(t require, records func(func(Record, error) bool)) Record {
	t.Helper()
	for r, err := range records {
		check(t, err)
		return r.Clone()
	}
	t.Fatal("no record")
	return Record{}
}

// TestIndexBeyondTheTail: an index that the first read does not reach takes one
// more.
func TestIndexBeyondTheTail(t *testing.T) {
	t.Parallel()
	records := manyRecords(8_000)
	object, _ := write(t, records, Options{MemberBytes: 1, Level: 1})
	counted := &reads{ReaderAt: bytes.NewReader(object)}
	f, err := Open(counted, int64(len(object)), ReaderOptions{})
	check(t, err)
	if got := counted.take(); len(got) != 2 || got[0][0]-got[1][0] != got[1][1] {
		t.Errorf("Open reads %v, want the tail and what is before it of the index", got)
	}
	if found := first(t, f.From(7_000)); found.Offset != 7_000 {
		t.Errorf("found offset %d", found.Offset)
	}
	_, err = Open(bytes.NewReader(object), int64(len(object)), ReaderOptions{MemoryBytes: 1 << 18})
	expectVerdict(t, err, ErrTooLarge)
}

// TestIndexOfAGigabyteFitsInTheTail extrapolates: 1,000 members.
func TestIndexOfAGigabyteFitsInTheTail(t *testing.T) {
	t.Parallel()
	object, _ := write(t, manyRecords(20_000), Options{MemberBytes: 1000})
	f := open(t, object, ReaderOptions{})
	last := f.members[len(f.members)-1]
	perMember := float64(int64(len(object))-last.position-last.storedBytes) / float64(len(f.members))
	if perMember*1000 > TailBytes {
		t.Errorf("the end of an object takes %.1f bytes a member, so that of 1,000 members is larger than %d", perMember, TailBytes)
	}
}

func TestFileIsReadByManyAtOnce(t *testing.T) {
	t.Parallel()
	records := manyRecords(3_000)
	object, _ := write(t, records, Options{MemberBytes: 5_000})
	f := open(t, object, ReaderOptions{Workers: 3})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			got, err := gather(f.From(int64(i * 300)))
			if err != nil || len(got) != len(records)-i*300 {
				t.Errorf("from %d: %d records, %v", i*300, len(got), err)
			}
		})
	}
	group.Wait()
}

// TestStoppingEarlyWaitsForReads: whoever stops an iteration may close the file.
func TestStoppingEarlyWaitsForReads(t *testing.T) {
	t.Parallel()
	object, _ := write(t, manyRecords(3_000), Options{MemberBytes: 1_000})
	slow := &slowReads{ReaderAt: bytes.NewReader(object)}
	f, err := Open(slow, int64(len(object)), ReaderOptions{Workers: 4})
	check(t, err)
	for stopAt := range 200 {
		seen := 0
		for range f.All() {
			if seen++; seen > stopAt {
				break
			}
		}
		if running := slow.running.Load(); running != 0 {
			t.Fatalf("stopped at record %d, %d reads are still running", stopAt, running)
		}
	}
}

// slowReads counts the reads in progress, and lets others run in the middle.
type slowReads struct {
	io.ReaderAt
	running atomic.Int64
}

func (s *slowReads) ReadAt(p []byte, at int64) (int, error) {
	s.running.Add(1)
	defer s.running.Add(-1)
	runtime.Gosched()
	return s.ReaderAt.ReadAt(p, at)
}

// The times of an object are the least and the greatest of its records, whatever their order, of which the first
// millisecond of 1970 is one and a negative one is none.
func TestTimesOfAnObject(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		timestamps  []int64
		first, last int64
	}{
		{[]int64{0, 5}, 0, 5}, {[]int64{5, 0}, 0, 5}, {[]int64{-1, 3, -2}, 3, 3}, {[]int64{7, -1, 9, 8}, 7, 9}, {[]int64{-1}, -1, -1},
	} {
		var records []Record
		for offset, timestamp := range c.timestamps {
			records = append(records, Record{Offset: int64(offset), Timestamp: timestamp, Value: []byte("v")})
		}
		object, summary := write(t, records, Options{})
		if summary.FirstTimestamp != c.first || summary.LastTimestamp != c.last {
			t.Errorf("%v: from %d to %d", c.timestamps, summary.FirstTimestamp, summary.LastTimestamp)
		}
		for m := range open(t, object, ReaderOptions{}).Members() {
			if m.LeastTimestamp != c.first || m.MostTimestamp != c.last {
				t.Errorf("%v: a member from %d to %d", c.timestamps, m.LeastTimestamp, m.MostTimestamp)
			}
		}
	}
}
