package capture

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// said writes differences as "part name field: a -> b".
func said(d Drift) []string {
	all := []string{}
	text := func(value *string) string {
		if value == nil {
			return "absent"
		}
		return fmt.Sprintf("%q", *value)
	}
	for _, x := range d.Differences {
		all = append(all, fmt.Sprintf("%s %s %s: %s -> %s", x.Part, x.Name, x.Field, text(x.A), text(x.B)))
	}
	return all
}

// Each kind of change is one difference, and nothing else is.
func TestDiff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(s *Snapshot)
		want   []string
	}{
		"nothing": {func(*Snapshot) {}, nil},
		"what moves on": {func(s *Snapshot) {
			s.Positions.Groups[0].Offsets["orders"][0].Offset++
			s.Positions.Groups[0].State = "PreparingRebalance"
			*s.Positions.Offsets[1].Partitions[0] = [4]int64{9, 100, 100, 5}
		}, nil},
		"a topic that is gone": {func(s *Snapshot) {
			s.Configuration.Topics = slices.Delete(s.Configuration.Topics, 1, 2)
			s.Positions.Offsets = slices.Delete(s.Positions.Offsets, 1, 2)
			for i := range s.Positions.Groups {
				delete(s.Positions.Groups[i].Offsets, "orders") // they go with the topic
			}
		}, []string{`topics orders : "partitions=3 replication factor=2 topic ID=AQAAAAAAAAAAAAAAAAAAAA" -> absent`}},
		"a new topic": {func(s *Snapshot) { s.Configuration.Topics = append(s.Configuration.Topics, topic("zebra", 9, 1)) },
			[]string{`topics zebra : absent -> "partitions=1 replication factor=2 topic ID=CQAAAAAAAAAAAAAAAAAAAA"`}},
		"a topic made anew": {func(s *Snapshot) {
			s.Configuration.Topics[1].ID = bifrost.TopicID{5}
			s.Positions.Offsets[1].ID = bifrost.TopicID{5}
			*s.Positions.Offsets[1].Partitions[0] = [4]int64{0, 1, 1, 0}
		}, []string{`topics orders topic ID: "AQAAAAAAAAAAAAAAAAAAAA" -> "BQAAAAAAAAAAAAAAAAAAAA"`}},
		"more partitions": {func(s *Snapshot) {
			s.Configuration.Topics[1].Partitions = append(s.Configuration.Topics[1].Partitions, []int32{1, 2})
		}, []string{`topics orders partitions: "3" -> "4"`}},
		"replicas elsewhere": {func(s *Snapshot) {
			s.Configuration.Topics[1].Partitions[1], s.Configuration.Topics[1].Partitions[2] = []int32{3, 1}, []int32{3, 1}
		}, []string{`topics orders replicas of partition 1 and 1 more: "[1 2]" -> "[3 1]"`}},
		"another setting": {func(s *Snapshot) {
			s.Configuration.Topics[1].Settings = map[string]string{"retention.ms": "2", "cleanup.policy": "compact"}
		}, []string{`topic_settings orders cleanup.policy: absent -> "compact"`, `topic_settings orders retention.ms: "1" -> "2"`}},
		"another ACL": {func(s *Snapshot) { s.Configuration.ACLs[0].Operation = "WRITE" }, []string{
			`acls User:a ALLOW READ on LITERAL TOPIC orders from * : "" -> absent`, `acls User:a ALLOW WRITE on LITERAL TOPIC orders from * : absent -> ""`}},
		"another quota": {func(s *Snapshot) { s.Configuration.Quotas[0].Values["producer_byte_rate"] = 2 },
			[]string{`quotas client-id=<default>, user=archive producer_byte_rate: "1500000" -> "2"`}},
		"a part of a percent": {func(s *Snapshot) { s.Configuration.Quotas[0].Values["producer_byte_rate"] = 0.25 },
			[]string{`quotas client-id=<default>, user=archive producer_byte_rate: "1500000" -> "0.25"`}},
		"a broker moved": {func(s *Snapshot) { s.Configuration.Brokers[0].Rack = "elsewhere" },
			[]string{fmt.Sprintf(`brokers 1 rack: %q -> "elsewhere"`, newStand(t).taken().Configuration.Brokers[0].Rack)}},
		"other iterations":  {func(s *Snapshot) { s.Configuration.Users[0].Iterations = 8192 }, []string{`scram_users archive SCRAM-SHA-512 iterations: "4096" -> "8192"`}},
		"another feature":   {func(s *Snapshot) { s.Configuration.Features[1].Level = 30 }, []string{`features metadata.version level: "29" -> "30"`}},
		"a broker upgraded": {func(s *Snapshot) { s.Configuration.Brokers[0].Version = "v4.3" }, []string{`brokers 1 version: "v4.2" -> "v4.3"`}},
		"a broker's setting": {func(s *Snapshot) { s.Configuration.Brokers[0].Settings = map[string]string{} },
			[]string{`brokers 1 setting num.partitions: "3" -> absent`}},
		"a group that is gone": {func(s *Snapshot) { s.Positions.Groups = s.Positions.Groups[1:] },
			[]string{`groups a : "protocol type= type=consumer" -> absent`}},
		"a group of another type": {func(s *Snapshot) { s.Positions.Groups[0].Type = "classic" }, []string{`groups a type: "consumer" -> "classic"`}},
		"a position that went back": {func(s *Snapshot) { s.Positions.Groups[0].Offsets["orders"][1].Offset = 6 },
			[]string{`groups a position in orders/2: "7" -> "6"`}},
		"a position that is gone": {func(s *Snapshot) {
			s.Positions.Groups[0].Offsets["orders"] = s.Positions.Groups[0].Offsets["orders"][:1]
		},
			[]string{`groups a position in orders/2: "7" -> absent`}},
		"a log that was cut": {func(s *Snapshot) { s.Positions.Offsets[1].Partitions[2][2] = 11 }, []string{`offsets orders/2 high watermark: "12" -> "11"`}},
	} {
		s := newStand(t)
		a, b := s.taken(), s.taken()
		c.change(&b)
		if got := said(Diff(a, b)); !slices.Equal(got, c.want) {
			t.Errorf("%s: differences\n%s, want\n%s", name, strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// What one of the two does not know is unknown: neither equal nor different.
func TestDiffOfWhatIsNotKnown(t *testing.T) {
	t.Parallel()
	for call, unknown := range map[string]string{
		"ACLs": "acls []", "Quotas": "quotas []", "ScramUsers": "scram_users []", "Features": "features []", "DescribeBrokers": "brokers [1 2]",
		"TopicSettings": "topic_settings [_clusters orders payments]", "TopicSettings orders": "topic_settings [orders]", "CommittedOffsets a": "groups [a]",
		"Offsets orders/1": "offsets [orders/1]", "Groups": "groups []",
	} {
		s := newStand(t)
		whole := s.taken()
		s.cluster.fails[call] = fmt.Errorf("%w: NO_RIGHT", ErrDenied)
		if call == "Groups" {
			s.cluster.groups = nil // as a broker answers
		}
		lacking := s.taken()
		for letter, drift := range map[string]Drift{"b": Diff(whole, lacking), "a": Diff(lacking, whole)} {
			if got := said(drift); len(got) != 0 {
				t.Errorf("%s unknown in %s: differences %q", call, letter, got)
			}
			found := false
			for _, u := range drift.Unknown {
				found = found || u.In == letter && fmt.Sprintf("%s %v", u.Part, u.Names) == unknown
			}
			if !found {
				t.Errorf("%s unknown in %s: %+v, want %s", call, letter, drift.Unknown, unknown)
			}
		}
	}
}

// A topic that is hidden is not gone.
func TestDiffOfAHiddenTopic(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.cluster.overview.Topics = append(s.cluster.overview.Topics, topic("hidden", 8, 1))
	whole := s.taken()
	s.cluster.overview.Topics = s.cluster.overview.Topics[:3]
	s.cluster.fails["HiddenTopics hidden"] = ErrDenied
	if got := said(Diff(whole, s.taken())); len(got) != 0 {
		t.Errorf("differences %q", got)
	}
}

// Two clusters are compared by what can be the same in both.
func TestDiffOfTwoClusters(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	a := s.taken()
	s.cluster.overview.ClusterID = "another"
	s.cluster.overview.Brokers = s.cluster.overview.Brokers[:1]
	for i := range s.cluster.overview.Topics {
		s.cluster.overview.Topics[i].ID = bifrost.TopicID{100, byte(i)}
		for p := range s.cluster.overview.Topics[i].Partitions {
			s.cluster.overview.Topics[i].Partitions[p] = []int32{7, 8}
		}
	}
	b := s.taken()
	for i := range b.Positions.Groups {
		clear(b.Positions.Groups[i].Offsets)
	}
	if got := said(Diff(a, b)); len(got) != 0 {
		t.Errorf("differences %q", got)
	}
	b.Configuration.Topics[0].Partitions[0] = []int32{7}
	if got := said(Diff(a, b)); len(got) != 1 || got[0] != `topics _clusters replication factor: "2" -> "1"` {
		t.Errorf("differences %q", got)
	}
}

// The capture of a time is the last one that had begun by then, whatever slot its
// key names.
func TestOpenAt(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	c := s.capturer()
	began := s.now
	for range 3 { // 13:47:03 in the slot of 13:45, 14:02:03, 14:17:03
		s.due(c)
		s.now = s.now.Add(15 * time.Minute)
	}
	all, err := List(t.Context(), s.bucket, "g", "the-cluster")
	if err != nil || len(all) != 3 {
		t.Fatalf("%v, error %v", all, err)
	}
	for at, want := range map[time.Duration]time.Duration{0: 0, time.Minute: 0, 14 * time.Minute: 0, 15 * time.Minute: 15 * time.Minute, time.Hour: 30 * time.Minute} {
		if got, err := OpenAt(t.Context(), s.bucket, all, began.Add(at)); err != nil || !got.Positions.At.Equal(began.Add(want)) {
			t.Errorf("at %v: of %v, error %v, want of %v", began.Add(at), got.Positions.At, err, began.Add(want))
		}
	}
	if _, err := OpenAt(t.Context(), s.bucket, all, began.Add(-time.Second)); err == nil || !strings.Contains(err.Error(), "no capture") {
		t.Errorf("error %v", err)
	}
}

// A time as a listing shows it names that capture, to the millisecond or to the second; of several in
// one second the exact one, or else the last.
func TestListedAs(t *testing.T) {
	t.Parallel()
	second := time.Date(2026, 11, 29, 23, 15, 0, 0, time.UTC)
	ms := func(n int) time.Time { return second.Add(time.Duration(n) * time.Millisecond) }
	slots := []Listed{{Key: "before", At: ms(-1)}, {Key: "slot", At: second}, {Key: "by hand", At: ms(500)},
		{Key: "again", At: ms(999)}, {Key: "after", At: ms(1000)}}
	for n, want := range map[int]string{-1001: "", -1000: "before", -1: "before", 0: "slot", 500: "by hand",
		501: "again", 999: "again", 1000: "after", 1999: "after", 2000: ""} {
		if got, ok := ListedAs(slots, ms(n)); got.Key != want || ok != (want != "") {
			t.Errorf("%d ms: %q, %v; want %q", n, got.Key, ok, want)
		}
	}
}

// At exactly the time of a capture it is that one, also when it began with its slot, so
// that its key has its very time, and a moment before it the one before.
func TestOpenAtTheVeryTime(t *testing.T) {
	t.Parallel()
	for _, late := range []time.Duration{0, time.Millisecond, 3 * time.Second, 15*time.Minute - time.Millisecond} {
		s := newStand(t)
		s.now = time.Date(2026, 11, 28, 13, 45, 0, 0, time.UTC).Add(late)
		began := s.now
		c := s.capturer()
		for range 3 {
			s.due(c)
			s.now = s.now.Add(15 * time.Minute)
		}
		all, err := List(t.Context(), s.bucket, "g", "the-cluster")
		if err != nil || len(all) != 3 {
			t.Fatalf("%v, error %v", all, err)
		}
		for n := range 3 {
			at := began.Add(time.Duration(n) * 15 * time.Minute)
			for _, after := range []time.Duration{0, time.Millisecond, 15*time.Minute - time.Millisecond} {
				got, err := OpenAt(t.Context(), s.bucket, all, at.Add(after))
				if err != nil || !got.Positions.At.Equal(at) {
					t.Errorf("%v in the slot, %v after %v: of %v, error %v", late, after, at, got.Positions.At, err)
				}
			}
		}
		_, err = OpenAt(t.Context(), s.bucket, all, began.Add(-time.Millisecond))
		if !errors.Is(err, bifrost.ErrNotFound) {
			t.Errorf("%v in the slot, a moment before the first: error %v", late, err)
		}
	}
}
