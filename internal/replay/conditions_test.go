package replay

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Conditions here are of a line or two each, and no sequence of commands on one broker
// meets both of their sides.

// TestTimesOfASegment: all and none of the records between two times are wanted exactly
// if those at both ends are, or nothing between them is.
func TestTimesOfASegment(t *testing.T) {
	t.Parallel()
	if always := (Segment{times: []interval{{math.MinInt64, math.MaxInt64}}}); !always.Wants(math.MaxInt64) {
		t.Error("what has no end ends before the last of all times")
	}
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.SampledFrom([]int64{math.MinInt64, -1, 0, 1, 2, 3, 4, 5, math.MaxInt64 - 1, math.MaxInt64})
		var s Segment
		for last := int64(math.MinInt64); len(s.times) < 3; {
			since, until := at.Draw(t, "since"), at.Draw(t, "until")
			if since < last || until <= since {
				break
			}
			s.times, last = append(s.times, interval{since, until}), until
		}
		if len(s.times) == 0 {
			return
		}
		first, last := at.Draw(t, "first"), at.Draw(t, "last")
		if last < first {
			first, last = last, first
		}
		all, none := s.Times(first, last)
		if share := s.Share(first, last); share < 0 || share > 1 || all && share < 0.999 || none && share > 0.001 {
			t.Fatalf("%+v between %d and %d: all %v, none %v, and a share of %g", s.times, first, last, all, none, share)
		}
		for _, between := range []int64{math.MinInt64, -1, 0, 1, 2, 3, 4, 5, math.MaxInt64 - 1, math.MaxInt64} {
			if between < first || between > last {
				continue
			}
			if wants := s.Wants(between); all && !wants || none && wants {
				t.Fatalf("%+v between %d and %d: all %v, none %v, and of %d %v", s.times, first, last, all, none, between, wants)
			}
		}
		if first == last && all == none {
			t.Fatalf("%+v at %d: all %v, none %v", s.times, first, all, none)
		}
	})
}

// TestPaceSavesNothingUp: the time in which nothing was written is gone, and two callers
// share one rate.
func TestPaceSavesNothingUp(t *testing.T) {
	t.Parallel()
	begun, p := time.Now(), newPace(1000)
	p.next = begun.Add(-time.Hour)
	if pause := p.reserveBytes(60_000); pause != 0 {
		t.Errorf("a pause of %s before anything was written", pause)
	}
	pause := p.reserveBytes(3_600_000)
	if most, least := time.Minute, time.Minute-time.Since(begun); pause > most || pause < least {
		t.Errorf("a pause of %s behind a minute's worth of bytes", pause)
	}
	if again := p.reserveBytes(1); again <= pause {
		t.Errorf("pauses of %s and %s: the second one's bytes go first", pause, again)
	}
	if pause := newPace(0).reserveBytes(1 << 30); pause != 0 {
		t.Errorf("a pause of %s without a rate", pause)
	}
}

// TestLivesWithoutAnID: before Kafka 2.8 a topic has no ID, and is who it is by its name.
func TestLivesWithoutAnID(t *testing.T) {
	t.Parallel()
	p := bifrost.Progress{Partition: bifrost.Partition{Name: "orders"}, ClusterID: "c"}
	if got := LifeOf(p); got != "c:orders" {
		t.Errorf("life %q", got)
	}
	if p.TopicID = (bifrost.TopicID{1}); LifeOf(p) != p.TopicID.String() {
		t.Errorf("life %q", LifeOf(p))
	}
	if got := (topicFacts{name: "orders"}).identity(); got != "name:orders" {
		t.Errorf("target %q", got)
	}
	for key, want := range map[string][2]string{"position/life/3/name:orders": {"life", "name:orders"}, "stretch/life/3/x/000000000001": {},
		"position/": {}, "position/life/3": {}, "job": {}} {
		life, target, isPosition := readPositionKey(key)
		if isPosition != (want[1] != "") || isPosition && [2]string{life, target} != want {
			t.Errorf("%q is of life %q, target %q, %v", key, life, target, isPosition)
		}
	}
}

// TestWhichLifeIsNewer: the first life has the plain name, branches of one topic count
// up, and of two topics the one with the newer records came later, as readback.Lives knows.
func TestWhichLifeIsNewer(t *testing.T) {
	t.Parallel()
	life := func(name string, id byte, last int64) bifrost.Progress {
		p := bifrost.Progress{Partition: bifrost.Partition{Name: name}, TopicID: bifrost.TopicID{id}}
		p.LastRecordAt = time.UnixMilli(last)
		return p
	}
	a, b := bifrost.TopicID{2}.String(), bifrost.TopicID{3}.String()
	plain, second, third := life("o", 1, 900), life("o@"+a, 2, 200), life("o@"+b, 3, 300)
	branch, later := life("o@"+a+".1", 2, 100), life("o@"+a+".2", 2, 50)
	for i, c := range []struct {
		a, b bifrost.Progress
		want bool
	}{
		{plain, second, false}, {second, plain, true}, {third, second, true}, {second, third, false},
		{branch, second, true}, {second, branch, false}, {later, branch, true}, {branch, later, false},
	} {
		others := NewPart(c.b, "target", AllTimes(0, 1), ByTopic([]bifrost.Progress{c.a, c.b})).Others
		if len(others) != 1 || others[0].Newer != c.want {
			t.Errorf("%d: is %s newer than %s: %+v", i, c.a.Name, c.b.Name, others)
		}
	}
}

// TestWhichLivesAreApart: branches of one topic are of one life; without topic IDs nothing but the
// cluster tells lives from each other.
func TestWhichLivesAreApart(t *testing.T) {
	t.Parallel()
	row := func(id byte, cluster string) bifrost.Progress {
		return bifrost.Progress{TopicID: bifrost.TopicID{id}, ClusterID: cluster}
	}
	for i, c := range []struct {
		a, b bifrost.Progress
		want bool
	}{
		{row(1, "c"), row(2, "c"), true}, {row(1, "c"), row(1, "c"), false}, {row(1, "c"), row(1, "d"), false},
		{row(0, "c"), row(0, "c"), false}, {row(0, "c"), row(0, "d"), true}, {row(0, "c"), row(1, "c"), true},
	} {
		if got := apart(c.a, c.b); got != c.want {
			t.Errorf("%d: apart %v", i, got)
		}
	}
}

// TestAnswersOfOthers: an answer that is not about the batch that was sent is an error,
// and what a broker says beside its code is told.
func TestAnswersOfOthers(t *testing.T) {
	t.Parallel()
	topic := func(partitions ...kmsg.ProduceResponseTopicPartition) kmsg.ProduceResponseTopic {
		return kmsg.ProduceResponseTopic{Topic: "target", Partitions: partitions}
	}
	good := kmsg.ProduceResponseTopicPartition{BaseOffset: 7}
	for name, topics := range map[string][]kmsg.ProduceResponseTopic{
		"no topic": nil, "two topics": {topic(good), topic(good)}, "no partition": {topic()}, "two partitions": {topic(good, good)},
	} {
		if _, err := answer(&kmsg.ProduceResponse{Topics: topics}); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if offset, err := answer(&kmsg.ProduceResponse{Topics: []kmsg.ProduceResponseTopic{topic(good)}}); offset != 7 || err != nil {
		t.Errorf("offset %d, %v", offset, err)
	}
	why := "too old"
	bad := kmsg.ProduceResponseTopicPartition{ErrorCode: kerr.InvalidTimestamp.Code, ErrorMessage: &why}
	if _, err := answer(&kmsg.ProduceResponse{Topics: []kmsg.ProduceResponseTopic{topic(bad)}}); !errors.Is(err, kerr.InvalidTimestamp) || err.Error() == kerr.InvalidTimestamp.Error() {
		t.Errorf("%v does not say %q", err, why)
	}
}

// TestWhatTimedOut: Kafka gives a transaction up with the next epoch of the producer; one
// that it commits, or that is another producer's, was not given up.
func TestWhatTimedOut(t *testing.T) {
	t.Parallel()
	by := identity{id: 7, epoch: 3}
	for _, c := range []struct {
		id    int64
		epoch int16
		state string
		want  bool
	}{
		{7, 4, "CompleteAbort", true}, {7, 3, "CompleteAbort", true}, {7, 4, "PrepareAbort", true}, {7, 5, "CompleteAbort", false},
		{8, 4, "CompleteAbort", false}, {7, 4, "Ongoing", false}, {7, 3, "PrepareCommit", false}, {7, 3, "CompleteCommit", false}, {7, 4, "Empty", true},
	} {
		if got := (transaction{identity{c.id, c.epoch}, c.state}).timedOut(by); got != c.want {
			t.Errorf("%+v: timed out %v", c, got)
		}
	}
}
