package capture

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// What the cluster tells is read again as it was told.
func TestCaptureIsReadAgain(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	got := s.taken()
	c := got.Configuration
	if len(c.Topics) != 3 || c.Topics[1].Name != "orders" || len(c.Topics[1].Partitions) != 3 || c.Topics[1].Settings["retention.ms"] != "1" || c.Topics[2].Inherited["segment.bytes"] != "2" {
		t.Errorf("topics %+v", c.Topics)
	}
	if len(c.Brokers) != 2 || c.Brokers[0].ID != 1 || c.Brokers[1].Rack != "z" || c.Brokers[1].Settings["num.partitions"] != "3" {
		t.Errorf("brokers %+v", c.Brokers)
	}
	if len(c.Features) != 2 || len(c.ACLs) != 2 || c.ACLs[0].Principal != "User:a" || len(c.Users) != 1 || !reflect.DeepEqual(c.Quotas, s.cluster.quotas) {
		t.Errorf("configuration %+v", c)
	}
	metadata := "of a"
	want := map[string][]Committed{"orders": {{0, 5, 3, &metadata}, {2, 7, -1, nil}}}
	p := got.Positions
	if len(p.Groups) != 4 || p.Groups[0].Name != "a" || !reflect.DeepEqual(p.Groups[0].Offsets, want) || p.Groups[1].Offsets != nil || p.Groups[3].Offsets != nil {
		t.Errorf("groups %+v", p.Groups)
	}
	if len(p.Offsets) != 3 || len(p.Offsets[2].Partitions) != 5 || *p.Offsets[2].Partitions[4] != [4]int64{1, 10, 12, 4} {
		t.Errorf("offsets %+v", p.Offsets)
	}
	if !p.At.Equal(s.now) || !p.EndedAt.Equal(s.now) || !p.ByHand || p.Writer != "test" || p.ClusterID != "the-cluster" {
		t.Errorf("header %+v, ended %v", p.PositionsHeader, p.EndedAt)
	}
	if missing := got.Missing(); len(missing) != 2 || missing[0].Names[0] != "b" || missing[1].Names[0] != "d" {
		t.Errorf("missing %+v, want the groups that cannot be put back", missing)
	}
}

// Groups are read before the transactions that are being committed, and those before the
// ends of the logs.
func TestGroupsComeFirst(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.taken()
	calls := slices.Compact(s.cluster.calls)
	groups, transactions, ends := slices.Index(calls, "CommittedOffsets"), slices.Index(calls, "CommittingTransactions"), slices.Index(calls, "Offsets")
	if groups < 0 || transactions < groups || ends < transactions || slices.Contains(calls[transactions:], "CommittedOffsets") ||
		slices.Contains(calls[ends:], "CommittingTransactions") {
		t.Errorf("calls %v", calls)
	}
}

// The same configuration has the same key, in whatever order brokers tell it.
func TestConfigurationIsNamedByItsContent(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	key := s.taken().Positions.Configuration
	for _, list := range []func(){
		func() { slices.Reverse(s.cluster.overview.Topics) }, func() { slices.Reverse(s.cluster.overview.Brokers) },
		func() { slices.Reverse(s.cluster.acls) }, func() { slices.Reverse(s.cluster.features) }, func() { slices.Reverse(s.cluster.groups) },
	} {
		list()
		if again := s.taken().Positions.Configuration; again != key {
			t.Errorf("another order, another key: %s and %s", key, again)
		}
	}
	s.cluster.acls[0].Host = "10.0.0.1"
	if again := s.taken().Positions.Configuration; again == key {
		t.Error("another ACL, the same key")
	}
}

// One capture a slot, whoever makes it; the configuration is written when it is
// another, and once a day.
func TestSlots(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	first := s.capturer()
	if r := s.due(first); r.Outcome != bifrost.CaptureWritten || r.Key != "g/~clusters/the-cluster/2026-11-28/positions-20261128T134500.000Z.jsonl.gz" || r.Bytes == 0 || r.NotCaptured != 2 {
		t.Fatalf("%+v", r)
	}
	keys := s.bucket.Keys()
	calls := len(s.cluster.calls)
	s.now = s.now.Add(time.Minute)
	if r := s.due(first); r.Outcome != bifrost.CaptureThere || len(s.cluster.calls) != calls {
		t.Errorf("in the same slot: %+v after %v", r, s.cluster.calls[calls:])
	}
	if r := s.due(s.capturer()); r.Outcome != bifrost.CaptureThere { // a process that knows nothing
		t.Errorf("%+v", r)
	}
	if again := s.bucket.Keys(); !slices.Equal(again, keys) || len(keys) != 2 {
		t.Errorf("objects %v, then %v", keys, again)
	}
	s.now = s.now.Add(15 * time.Minute)
	s.written(first, 3) // positions alone
	s.cluster.overview.Topics = append(s.cluster.overview.Topics, topic("new", 9, 1))
	s.now = s.now.Add(15 * time.Minute)
	s.written(first, 5)
	s.now = s.now.Add(15 * time.Minute)
	s.written(s.capturer(), 6) // the configuration is there
	s.now = s.now.Add(24 * time.Hour)
	s.written(first, 8)
	for _, key := range s.bucket.Keys() {
		if parsed, ok := ParseCaptureKey("g", key); !ok || len(s.bucket.Versions(key)) != 1 {
			t.Errorf("%s: %+v, %d versions", key, parsed, len(s.bucket.Versions(key)))
		} else if parsed.Sum == "" && s.open(key).Positions.Configuration[:len("g/~clusters/the-cluster/2026-11-28")] != key[:len("g/~clusters/the-cluster/2026-11-28")] {
			t.Errorf("%s rests on a configuration of another day, which expires on another", key)
		}
	}
}

// written captures and counts the objects that there are then.
func (s *stand) written(c *Capturer, objects int) {
	s.Helper()
	if r := s.due(c); r.Outcome != bifrost.CaptureWritten || len(s.bucket.Keys()) != objects {
		s.Errorf("%+v, %d objects, want %d: %v", r, len(s.bucket.Keys()), objects, s.bucket.Keys())
	}
}

// Two ticks at once: both come to their end, and one of them counts.
func TestTicksThatOverlap(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	other := false
	s.cluster.before = func(call string) {
		if call == "Groups" && !other {
			other = true
			rival := *s
			rival.cluster = newFake()
			rival.now = s.now.Add(30 * time.Second) // by another clock
			if r := rival.due(rival.capturer()); r.Outcome != bifrost.CaptureWritten {
				t.Errorf("the other: %+v", r)
			}
		}
	}
	if r := s.due(s.capturer()); r.Outcome != bifrost.CaptureWritten || r.Error != "" {
		t.Errorf("%+v", r)
	}
	keys := s.bucket.Keys()
	if len(keys) != 2 || len(s.bucket.Versions(keys[0])) != 1 || len(s.bucket.Versions(keys[1])) != 1 {
		t.Fatalf("objects %v", keys)
	}
	if at := s.open(keys[1]).Positions.At; !at.Equal(s.now.Add(30 * time.Second)) {
		t.Errorf("the positions are of %v, want those that were written first", at)
	}
}

// A capture by hand is always a new one.
func TestCaptureByHand(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.due(s.capturer())
	c := s.capturer()
	seen := map[string]bool{}
	for range 3 {
		s.now = s.now.Add(time.Nanosecond)
		made, err := c.CaptureNow(t.Context())
		if err != nil || seen[made.Key] {
			t.Errorf("%s, error %v", made.Key, err)
		}
		seen[made.Key] = true
	}
	if all, err := List(t.Context(), s.bucket, "g", "the-cluster"); err != nil || len(all) != 4 {
		t.Errorf("captures %+v, error %v", all, err)
	}
}

// Where no time is left, nothing is asked; turned off, nothing is due.
func TestOnlyInTimeThatIsLeft(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	c := s.capturer()
	if r := c.CaptureDue(t.Context(), s.now.Add(leastTime-time.Second)); r.Outcome != bifrost.CaptureNoTime {
		t.Errorf("%+v", r)
	}
	if len(s.cluster.calls) != 0 {
		t.Errorf("asked %v", s.cluster.calls)
	}
	if r := c.CaptureDue(t.Context(), s.now.Add(time.Minute)); r.Outcome != bifrost.CaptureWritten {
		t.Errorf("%+v", r)
	}
	c.Every = 0
	if r := s.due(c); r != nil {
		t.Errorf("turned off: %+v", r)
	}
}

// A capture that cannot be made fails no tick, and is tried again, but not for ever.
func TestFailedCaptures(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"ClusterID", "Overview", "Groups", "Offsets", "TopicIDs"} {
		s := newStand(t)
		s.cluster.fails[call] = errors.New("no broker answers")
		c := s.capturer()
		c.Every = 24 * time.Hour // however long a slot is, it is tried again soon
		var tries []time.Duration
		for began := s.now; s.now.Sub(began) < 40*time.Minute; s.now = s.now.Add(time.Minute) {
			calls := len(s.cluster.calls)
			switch r := s.due(c); {
			case r.Outcome == bifrost.CaptureFailed && strings.Contains(r.Error, "no broker answers"):
				tries = append(tries, s.now.Sub(began))
			case r.Outcome != bifrost.CapturePaused || len(s.cluster.calls) != calls:
				t.Errorf("%s: %+v", call, r)
			}
		}
		if got := fmt.Sprint(tries); got != "[0s 1m0s 3m0s 6m0s 10m0s 15m0s 21m0s 28m0s 36m0s]" {
			t.Errorf("%s: tried after %s", call, got)
		}
		for _, key := range s.bucket.Keys() {
			if strings.Contains(key, "positions") {
				t.Errorf("%s: wrote %s", call, key)
			}
		}
		delete(s.cluster.fails, call)
		s.now = s.now.Add(longestPause)
		if r := s.due(c); r.Outcome != bifrost.CaptureWritten {
			t.Errorf("%s: %+v", call, r)
		}
	}
}

// An answer that our own time cut off says nothing about the cluster: it must not
// stand in a capture as something that Kafka refuses.
func TestCaptureThatIsCutOff(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"DescribeBrokers", "TopicSettings", "ACLs", "Quotas", "ScramUsers", "HiddenTopics", "CommittedOffsets", "SeesTransactions", "CommittingTransactions", "Offsets"} {
		s := newStand(t)
		ctx, cancel := context.WithCancel(t.Context())
		s.cluster.before = func(now string) {
			if now == call {
				cancel()
				s.cluster.fails[call] = ctx.Err()
			}
		}
		if r := s.capturer().CaptureDue(ctx, time.Time{}); r.Outcome != bifrost.CaptureFailed {
			t.Errorf("%s: %+v", call, r)
		}
		for _, key := range s.bucket.Keys() {
			if strings.Contains(key, "positions") {
				t.Errorf("%s: wrote %s", call, key)
			}
		}
	}
}

// What fails by itself is named, once, and nothing else changes.
func TestEveryAnswerMayFailByItself(t *testing.T) {
	t.Parallel()
	for call, c := range map[string]struct {
		want  NotCaptured
		blank func(s *Snapshot)
	}{
		"ACLs":            {NotCaptured{Part: PartACLs, Needs: "Describe on the cluster"}, func(s *Snapshot) { s.Configuration.ACLs = nil }},
		"Quotas":          {NotCaptured{Part: PartQuotas, Needs: "DescribeConfigs on the cluster"}, func(s *Snapshot) { s.Configuration.Quotas = nil }},
		"ScramUsers":      {NotCaptured{Part: PartScramUsers, Needs: "Describe on the cluster"}, func(s *Snapshot) { s.Configuration.Users = nil }},
		"Features":        {NotCaptured{Part: PartFeatures}, func(s *Snapshot) { s.Configuration.Features = nil }},
		"DescribeBrokers": {NotCaptured{Part: PartBrokers, Needs: "DescribeConfigs on the cluster", Names: []string{"1", "2"}}, func(*Snapshot) {}},
		"TopicSettings": {NotCaptured{Part: PartTopicSettings, Needs: "DescribeConfigs on the topics", Names: []string{"_clusters", "orders", "payments"}}, func(s *Snapshot) {
			for i := range s.Configuration.Topics {
				s.Configuration.Topics[i].Settings, s.Configuration.Topics[i].Inherited = nil, nil
			}
		}},
		"TopicSettings orders": {NotCaptured{Part: PartTopicSettings, Needs: "DescribeConfigs on the topics", Names: []string{"orders"}}, func(s *Snapshot) {
			s.Configuration.Topics[1].Settings, s.Configuration.Topics[1].Inherited = nil, nil
		}},
		"HiddenTopics hidden": {NotCaptured{Part: PartTopics, Needs: "Describe on the topics", Names: []string{"hidden"}}, func(*Snapshot) {}},
		"Groups":              {NotCaptured{Part: PartGroups, Needs: "Describe on the groups"}, func(*Snapshot) {}},
		"CommittedOffsets a":  {NotCaptured{Part: PartGroups, Needs: "Describe on the groups", Names: []string{"a"}}, func(s *Snapshot) { s.Positions.Groups[0].Offsets = nil }},
		"SeesTransactions":    {NotCaptured{Part: PartTransactions, Needs: "Describe on the transactional IDs"}, func(*Snapshot) {}},
		"Offsets payments/4":  {NotCaptured{Part: PartOffsets, Needs: "Describe on the topics", Names: []string{"payments/4"}}, func(s *Snapshot) { s.Positions.Offsets[2].Partitions[4] = nil }},
	} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			s := newStand(t)
			whole := s.taken()
			denied := fmt.Errorf("%w: NO_RIGHT", ErrDenied)
			s.cluster.fails[call] = denied
			got := s.taken()
			c.want.Reason = denied.Error()
			missing := slices.DeleteFunc(got.Missing(), func(n NotCaptured) bool { return n.Reason != c.want.Reason })
			if len(missing) != 1 || !reflect.DeepEqual(missing[0], c.want) || len(got.Missing()) != len(whole.Missing())+1 {
				t.Errorf("missing %+v, want %+v", got.Missing(), c.want)
			}
			c.blank(&whole)
			for _, s := range []*Snapshot{&whole, &got} {
				s.Key, s.Positions.Configuration, s.Configuration.NotCaptured, s.Positions.NotCaptured = "", "", nil, nil
			}
			if !reflect.DeepEqual(got, whole) {
				t.Errorf("got  %+v\nwant %+v", got, whole)
			}
		})
	}
}

// The offsets of a topic that was made anew meanwhile are those of another.
func TestTopicMadeAnewMeanwhile(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	s.cluster.anew = map[string]bifrost.TopicID{"orders": {77}}
	got := s.taken()
	for _, o := range got.Positions.Offsets {
		if known := o.Partitions[0] != nil; known != (o.Topic != "orders") {
			t.Errorf("%+v", o)
		}
	}
	if n := got.Positions.NotCaptured[len(got.Positions.NotCaptured)-1]; n.Part != PartOffsets || n.Names[0] != "orders" || n.Needs != "" {
		t.Errorf("%+v", n)
	}
}

// A position comes back as it was, whatever the consumer keeps beside it.
func TestCommittedRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := Committed{Partition: rapid.Int32().Draw(t, "partition"), Offset: rapid.Int64().Draw(t, "offset"), LeaderEpoch: rapid.Int32().Draw(t, "epoch")}
		switch rapid.IntRange(0, 2).Draw(t, "metadata") {
		case 1:
			text := rapid.String().Draw(t, "text")
			want.Metadata = &text
		case 2:
			text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
			want.Metadata = &text
		}
		text, err := want.MarshalJSON()
		var got Committed
		if err = errors.Join(err, got.UnmarshalJSON(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v, error %v", text, got, want, err)
		}
	})
}

func TestCommittedThatIsNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`[]`, `[1,2]`, `[1,2,3]`, `[1,2,3,"",4]`, `["a",2,3,""]`, `[1,2,3,{"base64":"%"}]`, `{}`, `[1,2,3,4]`} {
		var c Committed
		if err := c.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s is read as %+v", text, c)
		}
	}
}

func packed(text string) []byte {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	_, _ = zip.Write([]byte(text))
	_ = zip.Close()
	return out.Bytes()
}

// What is cut, damaged, or of a later version is never taken for a capture. What is
// new in this version is passed over.
func TestDamagedCaptures(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	made, err := s.capturer().Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	read := func(content []byte) error { return readLines(bytes.NewReader(content), new(Positions).takeLine) }
	for n := range made.positions {
		if read(made.positions[:n]) == nil {
			t.Errorf("cut at %d of %d bytes it reads as whole", n, len(made.positions))
		}
	}
	const head = `{"type":"positions","version":1}` + "\n"
	for text, wrong := range map[string]bool{
		head + `{"type":"end","lines":1}` + "\n":                                                   false,
		head + `{"type":"something new","a":[1]}` + "\n" + `{"type":"end","lines":2,"x":1}` + "\n": false,
		head: true,
		head + `{"type":"group","group":"a"}` + "\n" + `{"type":"end","lines":1}` + "\n": true,
		head + `{"type":"end","lines":1}` + "\n" + `{"type":"end","lines":2}` + "\n":     true,
		head + "nonsense\n": true,
		`{"type":"positions","version":2}` + "\n" + `{"type":"end","lines":1}` + "\n":     true,
		`{"type":"positions"}` + "\n" + `{"type":"end","lines":1}` + "\n":                 true,
		`{"type":"configuration","version":1}` + "\n" + `{"type":"end","lines":1}` + "\n": true,
		"": true,
	} {
		if err := read(packed(text)); (err != nil) != wrong {
			t.Errorf("%q: error %v", text, err)
		}
	}
	if err := read([]byte("not gzip")); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("error %v", err)
	}
}

// A configuration that has expired is an error that says so.
func TestConfigurationHasExpired(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	got := s.taken()
	s.bucket.Delete(got.Positions.Configuration)
	if _, err := Open(t.Context(), s.bucket, got.Key); !errors.Is(err, bifrost.ErrNotFound) || !strings.Contains(err.Error(), "expired") {
		t.Errorf("error %v", err)
	}
}

func TestCapturesAreListedByCluster(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	for _, id := range []string{"the-cluster", "", "a/b%c", "partition=0", "~"} {
		s.cluster.overview.ClusterID = id
		s.taken()
		s.now = s.now.Add(25 * time.Hour)
		s.taken()
	}
	s.bucket.Put("g/~clusters/the-cluster/notes.txt", nil)
	clusters, err := Clusters(t.Context(), s.bucket, "g")
	if err != nil || len(clusters) != 5 {
		t.Errorf("clusters %v, error %v", clusters, err)
	}
	for id, all := range clusters {
		if len(all) != 2 || !all[0].At.Before(all[1].At) || s.open(all[1].Key).Positions.ClusterID != id {
			t.Errorf("cluster %q: %+v", id, all)
		}
	}
}
