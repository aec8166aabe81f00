package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// What was used last is kept, whatever has used it, up to so many bytes, and is made once; what
// failed is tried again; and what is too large for all is kept alone.
func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	made := map[string]int{}
	l := newLRU[string](100, func(string) {})
	get := func(key string, bytes int64) {
		t.Helper()
		value, err := l.get(t.Context(), key, func() (string, int64, error) {
			made[key]++
			return "value of " + key, bytes, nil
		})
		if err != nil || value.value != "value of "+key {
			t.Errorf("%s: %s, %v", key, value.value, err)
		}
	}
	kept := func(bytes int64, keys ...string) {
		t.Helper()
		l.mutex.Lock()
		defer l.mutex.Unlock()
		got := slices.Sorted(maps.Keys(l.entries))
		if !slices.Equal(got, keys) || l.bytes != bytes || l.used.Len() != len(keys) {
			t.Errorf("%q with %d bytes are kept, want %q with %d", got, l.bytes, keys, bytes)
		}
	}
	get("a", 40)
	get("b", 40)
	get("c", 20)
	kept(100, "a", "b", "c") // as much as fits
	get("a", 40)
	get("d", 10) // b was used longest ago
	kept(70, "a", "c", "d")
	if value, ok := l.ready("c"); !ok || value.value != "value of c" {
		t.Error(value.value, ok)
	}
	get("e", 40) // then a
	kept(70, "c", "d", "e")
	if !l.begun("d") || l.begun("b") {
		t.Error("begun")
	}
	get("f", 40) // then c
	kept(90, "d", "e", "f")
	get("g", 70) // and several at once
	kept(70, "g")
	get("h", 500)
	kept(500, "h")
	get("a", 1)
	kept(1, "a")
	if made["a"] != 2 || made["b"] != 1 {
		t.Errorf("made %v", made)
	}
	failed := errors.New("failed")
	for range 2 {
		if _, err := l.get(t.Context(), "x", func() (string, int64, error) { made["x"]++; return "", 50, failed }); !errors.Is(err, failed) {
			t.Error(err)
		}
		kept(1, "a")
	}
	if get("x", 9); made["x"] != 3 {
		t.Errorf("made %d times", made["x"])
	}
	if _, ok := l.ready("nothing"); ok {
		t.Error("what nobody has made is ready")
	}
	// Many ask at once: one makes it, and who does not wait leaves the others alone.
	begin, asking := make(chan struct{}), sync.WaitGroup{}
	ended, end := context.WithCancel(t.Context())
	end()
	var mutex sync.Mutex
	n := 0
	for i := range 10 {
		asking.Go(func() {
			ctx := t.Context()
			if i%2 == 1 {
				ctx = ended
			}
			value, err := l.get(ctx, "once", func() (string, int64, error) {
				<-begin
				mutex.Lock()
				defer mutex.Unlock()
				n++
				return "it", 1, nil
			})
			if i%2 == 1 && !errors.Is(err, context.Canceled) && value.value != "it" || i%2 == 0 && (err != nil || value.value != "it") {
				t.Errorf("%d: %s, %v", i, value.value, err)
			}
		})
	}
	close(begin)
	if asking.Wait(); n != 1 {
		t.Errorf("made %d times", n)
	}
}

// All memory that is taken is given back, even by who wants more than there is.
func TestMemoryIsGivenBack(t *testing.T) {
	t.Parallel()
	p := newPool(100)
	ended, end := context.WithCancel(t.Context())
	end()
	for _, bytes := range []int64{1, 99, 100, 101, 1 << 40} {
		release, err := p.take(t.Context(), bytes)
		if err != nil {
			t.Fatal(err)
		}
		left := 100 - min(bytes, 100)
		if p.free.TryAcquire(left + 1) {
			t.Errorf("%d taken, and more than %d are left", bytes, left)
		}
		if _, err := p.take(ended, left+1); err == nil {
			t.Errorf("%d taken, and more than %d are left", bytes, left)
		}
		release()
		if !p.free.TryAcquire(100) {
			t.Fatalf("%d are not given back", bytes)
		}
		p.free.Release(100)
	}
}

// The same is said once in a while, of each thing and each partition by itself.
func TestSaidOnceInAWhile(t *testing.T) {
	t.Parallel()
	var said strings.Builder
	l := newLossLog(slog.New(slog.NewTextHandler(&said, nil)))
	p, q := partitionOf("orders", 0), partitionOf("orders", 1)
	at := func(p bifrost.Partition, start int64) bifrost.Row {
		return bifrost.Row{Partition: p, Range: bifrost.Range{Start: start, End: start + 5}, GapReason: "why"}
	}
	all := []func(){
		func() { l.refused(at(p, 0)) }, func() { l.refused(at(q, 0)) }, func() { l.refused(at(p, 5)) },
		func() { l.skipped(at(p, 0)) }, func() { l.skipped(at(q, 0)) },
		func() { l.broken(p, 1, errors.New("x")) }, func() { l.broken(p, 2, errors.New("y")) }, func() { l.broken(q, 1, errors.New("x")) },
		func() { l.unreachable("g", errors.New("x")) }, func() { l.unreachable("h", errors.New("x")) },
		func() { l.inUse("g", []member{{clientID: "c"}}) }, func() { l.inUse("h", []member{{clientID: "c"}}) },
		func() { l.uncommittable("a") }, func() { l.uncommittable("b") },
		func() { l.awaited(p, 1, 5) }, func() { l.awaited(q, 1, 5) }, func() { l.awaited(p, 1, 6) },
		func() { l.failed(p, 1, errors.New("x")) }, func() { l.failed(q, 1, errors.New("x")) },
	}
	for round := range 3 {
		for range 2 {
			for _, say := range all {
				say()
			}
		}
		if n := strings.Count(said.String(), "\n"); n != (round+1)*len(all) {
			t.Fatalf("after %d whiles %d lines, want %d: %s", round, n, (round+1)*len(all), &said)
		}
		for key := range l.said {
			l.said[key] = l.said[key].Add(-sayAgain)
		}
	}
	l.unreachable("g2", fmt.Errorf("x: %w", context.Canceled)) // because the gateway ends
	if strings.Contains(said.String(), "g2") {
		t.Error("the end of the gateway is told as an error of the cluster")
	}
	for i := range int64(mostSaid) + 10 {
		l.said[fmt.Sprint(i)] = time.Now()
	}
	if l.failed(partitionOf("more", 0), 1, errors.New("x")); len(l.said) > mostSaid {
		t.Errorf("%d are remembered", len(l.said))
	}
}

// Groups are judged after each time that they commit, and told when the word changes.
func TestGroupsThatCommit(t *testing.T) {
	t.Parallel()
	var m moves
	same := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	same("nobody", m.committed(false))
	m.note("b")
	m.note("a")
	m.note("a")
	same("two", m.committed(false), "a", "b")
	same("none since", m.committed(false))
	m.note("b")
	same("all", m.committed(true), "a", "b")
	same("one since", m.committed(false), "b")
	for _, c := range []struct {
		group, word string
		new         bool
	}{{"a", mayNotMove, true}, {"a", mayNotMove, false}, {"b", mayNotMove, true}, {"a", mayMove, true}, {"a", mayNotMove, true}} {
		if got := m.says(c.group, c.word); got != c.new {
			t.Errorf("%s %s is new: %v", c.group, c.word, got)
		}
	}
	m.note("a")
	same("judged before", m.committed(false), "a")
	for i := range 2 * mostGroups {
		m.note(fmt.Sprint("many ", i))
	}
	m.note("a")
	if all := m.committed(true); len(all) != mostGroups || len(m.asked) > mostGroups || !slices.Contains(m.committed(false), "a") {
		t.Errorf("%d groups are kept, %d of which have committed", len(all), len(m.asked))
	}
	for n, want := range []string{"", "p0", "p0; p1", "p0; p1; p2", "p0; p1; p2; p3", "p0; p1; p2; p3; p4", "p0; p1; p2; p3; p4; and 1 more"} {
		var places []string
		for i := range n {
			places = append(places, fmt.Sprint("p", i))
		}
		if got := inShort(places); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// Nothing that was served goes away with a later row of the table, and what is known of a
// partition goes on in the next list.
func TestRowsThatGoBack(t *testing.T) {
	t.Parallel()
	a, name := newArchive(), partitionOf("orders", 0)
	a.archive(name, 10, baldr.Options{}, some(0, 10)...)
	s := serve(t, a)
	p := s.topics.current().byName["orders"].partitions[0]
	row := bifrost.Progress{Partition: name, NextOffset: 30, Status: bifrost.StatusOpen, PlannedEpoch: 4,
		Observation: bifrost.Observation{HighWatermark: 40}}
	p.settle(row)
	row.NextOffset, row.HighWatermark, row.Suspicion = 20, 25, "suspicious"
	p.settle(row)
	if p.nextOffset() != 30 || p.seen != 40 || p.goesOn || !p.mayExist(40) || p.mayExist(41) {
		t.Errorf("end %d, seen %d, goes on %v", p.end, p.seen, p.goesOn)
	}
	p.mutex.Lock()
	p.liveEnd = 50
	p.mutex.Unlock()
	if !p.mayExist(50) || p.mayExist(51) {
		t.Error("an end that a leader has told")
	}
	if err := s.topics.refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again := s.topics.current().byName["orders"].partitions[0]; again != p || again.nextOffset() != 30 {
		t.Error("what is known of a partition is forgotten")
	}
}

// Of many partitions, each goes on by its own latest branch, and the others keep theirs.
func TestBranchesOfManyPartitions(t *testing.T) {
	t.Parallel()
	a := newArchive()
	id := a.id("orders")
	var rows []bifrost.Progress
	forks := []int{0, 2, 1}
	for number, most := range forks {
		for fork := range most + 1 {
			p := partitionOf("orders", int32(number))
			if fork > 0 {
				p = bifrost.Incarnation{Topic: "orders", TopicID: id}.Forked(int32(number), fork)
			}
			rows = append(rows, bifrost.Progress{Partition: p, TopicID: id, ClusterID: "c", NextOffset: int64(100*number + fork)})
		}
	}
	s := serve(t, a)
	for _, backwards := range []bool{false, true} {
		if backwards {
			slices.Reverse(rows)
		}
		list := s.topics.list(rows)
		got := map[string]int64{}
		for name, topic := range list.byName {
			for number, p := range topic.partitions {
				got[fmt.Sprintf("%s/%d", name, number)] = p.nextOffset()
			}
			if list.byID[topic.id] != topic {
				t.Errorf("%s is not found by its ID", name)
			}
		}
		branch := "orders." + id.String() + ".branch-"
		want := map[string]int64{"orders/0": 0, "orders/1": 102, "orders/2": 201, branch + "0/1": 100, branch + "1/1": 101, branch + "0/2": 200}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("backwards %v: %v, want %v", backwards, got, want)
		}
	}
}

// The cluster is that of the row which was looked at last, whichever it is.
func TestTheNewestCluster(t *testing.T) {
	t.Parallel()
	rows := []bifrost.Progress{}
	if got := newestCluster(rows); got != "" {
		t.Error(got)
	}
	for i, at := range []int64{20, 40, 10, 30} {
		rows = append(rows, bifrost.Progress{ClusterID: fmt.Sprint(i), Observation: bifrost.Observation{At: time.Unix(at, 0)}})
	}
	for range rows {
		if got := newestCluster(rows); got != "1" {
			t.Errorf("%s", got)
		}
		rows = append(rows[1:], rows[0])
	}
}
