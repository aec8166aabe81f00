//go:build real && soak

package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// MirrorMaker 2, which ran from the first record on, and a restore translate the same
// groups. How many records too many or too few each group reads is counted by what the
// clusters hold: docs/restore.md has the figures.
func TestMirrorMakerBeside(t *testing.T) {
	t.Parallel()
	source, s := clusterOfItsOwn(t)
	mirror, _ := clusterOfItsOwn(t)
	localservices.MirrorMaker(t, source.Addr(), mirror.Addr())
	mirrored := &sandbox{brokers: mirror.Addr()}
	s.mirrorTopics(t)
	random := rand.New(rand.NewPCG(2, 17))
	c := &populated{sandbox: s}
	admin := c.admin(t)
	var groups []string
	// Groups commit while records come, as applications do: behind by some, few or none.
	for round := range 20 {
		s.moreToMirror(t, round)
		ends, err := admin.ListCommittedOffsets(t.Context(), mirroredTopics...)
		must(t, err)
		for i, behind := range []int64{0, random.Int64N(50), random.Int64N(1000)} {
			group := fmt.Sprintf("group-%02d-%d", round, i)
			groups = append(groups, group)
			for _, topic := range mirroredTopics {
				end, _ := ends.Lookup(topic, 0)
				c.commit(t, admin, group, kadm.Offset{Topic: topic, At: max(0, end.Offset-behind)})
			}
		}
		time.Sleep(500 * time.Millisecond) // a while of an application's life, for both alike
	}
	from := s.positions(t, groups)
	settled := mirrored.settledPositions(t, groups, s)
	s.bifrost(t, "capture")
	s.bifrost(t, "flush")
	must(t, source.Kill())
	target, _ := clusterOfItsOwn(t)
	s.run(t, "restore", "--at", "latest", "--to-brokers", target.Addr(), "--topics", "plain,transactional", "--groups", "--yes").must(t, 0)
	restored := (&sandbox{brokers: target.Addr()}).positions(t, groups)

	t.Logf("%d positions: MirrorMaker 2: %s", len(from), compareNext(from, settled))
	ours := compareNext(from, restored)
	t.Logf("restore: %s", ours)
	if ours.exact != len(from) || ours.exact == 0 {
		t.Errorf("a restore is not exact: %s", ours)
	}
	if compareNext(from, settled).missing == len(from) {
		t.Error("MirrorMaker 2 has translated nothing: it did not run")
	}
}

var mirroredTopics = []string{"plain", "transactional"}

func (s *sandbox) mirrorTopics(t *testing.T) {
	t.Helper()
	for _, topic := range mirroredTopics {
		must(t, s.topic(t.Context(), topic, 1))
	}
}

// moreToMirror writes 250 records into each topic, in transactions of ten into one; every
// fourth is aborted.
func (s *sandbox) moreToMirror(t *testing.T, round int) {
	t.Helper()
	must(t, s.produce(t.Context(), numbered("plain", 0, 250*round, 250*(round+1))...))
	client, err := s.client(kgo.TransactionalID("writer"), kgo.DefaultProduceTopic("transactional"))
	must(t, err)
	defer client.Close()
	for n := range 25 {
		must(t, client.BeginTransaction())
		must(t, client.ProduceSync(t.Context(), numbered("transactional", 0, 10*n, 10*n+10)...).FirstErr())
		must(t, client.EndTransaction(t.Context(), kgo.TransactionEndTry(n%4 != 1)))
	}
}

// position names what a group has committed.
type position struct{ group, topic string }

// positions are how many committed records lie before each position of the groups.
func (s *sandbox) positions(t *testing.T, groups []string) map[position]int {
	t.Helper()
	admin := (&populated{sandbox: s}).admin(t)
	offsets := map[string][]int64{}
	for _, topic := range mirroredTopics {
		offsets[topic] = s.committedOffsets(t, topic)
	}
	before := map[position]int{}
	for _, group := range groups {
		committed, err := admin.FetchOffsets(t.Context(), group)
		must(t, err)
		committed.Each(func(o kadm.OffsetResponse) {
			if of, ours := offsets[o.Topic]; ours {
				before[position{group, o.Topic}] = sort.Search(len(of), func(i int) bool { return of[i] >= o.At })
			}
		})
	}
	return before
}

// settledPositions waits until everything is mirrored, and no group has moved for ten
// seconds.
func (s *sandbox) settledPositions(t *testing.T, groups []string, from *sandbox) (now map[position]int) {
	t.Helper()
	for _, topic := range mirroredTopics {
		want := len(from.committedOffsets(t, topic))
		for deadline := time.Now().Add(2 * time.Minute); len(s.committedOffsets(t, topic)) < want; time.Sleep(time.Second) {
			if time.Now().After(deadline) {
				t.Fatalf("MirrorMaker 2 has not mirrored %s", topic)
			}
		}
	}
	same := 0
	for deadline := time.Now().Add(2 * time.Minute); same < 10 && time.Now().Before(deadline); time.Sleep(time.Second) {
		last := now
		if now = s.positions(t, groups); len(now) > 0 && maps.Equal(last, now) {
			same++
		} else {
			same = 0
		}
	}
	return now
}

// committedOffsets are where the committed records of partition 0 lie.
func (s *sandbox) committedOffsets(t *testing.T, topic string) (offsets []int64) {
	t.Helper()
	end := s.end(t, topic)
	client, err := s.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	must(t, err)
	defer client.Close()
	for at := int64(0); at < end; {
		client.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			if at = r.Offset + 1; !r.Attrs.IsControl() {
				offsets = append(offsets, r.Offset)
			}
		})
	}
	return offsets
}

// comparison says how far positions are from where they should be, in records.
type comparison struct {
	exact, missing int
	again, skipped []int // records that are read again, and that are not, of each that is not exact
}

func (c comparison) String() string {
	slices.Sort(c.again)
	worst, middle := 0, 0
	if n := len(c.again); n > 0 {
		worst, middle = c.again[n-1], c.again[n/2]
	}
	return fmt.Sprintf("%d exact, %d missing, %d too early by %d records (median) to %d, %d too late", c.exact, c.missing, len(c.again), middle, worst, len(c.skipped))
}

func compareNext(want, got map[position]int) (c comparison) {
	for p, before := range want {
		switch at, some := got[p]; {
		case !some:
			c.missing++
		case at == before:
			c.exact++
		case at < before:
			c.again = append(c.again, before-at)
		default:
			c.skipped = append(c.skipped, at-before)
		}
	}
	return c
}
