package doctor

import (
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Whatever order the answers come in, the first that is wrong is named, and all are counted.
func TestTheFirstThatIsWrong(t *testing.T) {
	t.Parallel()
	for range 20 { // maps have another order each time
		offsets, kept := map[bifrost.TopicPartition]bifrost.OffsetAnswer{}, map[string]bifrost.Retention{}
		for _, topic := range []string{"a", "b", "c", "d"} {
			kept[topic] = bifrost.Retention{}
			for number := range int32(4) {
				offsets[bifrost.TopicPartition{Topic: topic, Partition: number}] = bifrost.OffsetAnswer{}
			}
		}
		if f := judgeOffsets(offsets); outcomeOf(f) != ResultOK || f.found != "of 16 partitions" {
			t.Errorf("%+v", f)
		}
		if f := judgeRetention(kept); outcomeOf(f) != ResultOK {
			t.Errorf("%+v", f)
		}
		fail := func(topic string, number int32, err error) {
			offsets[bifrost.TopicPartition{Topic: topic, Partition: number}] = bifrost.OffsetAnswer{Err: err}
			kept[topic] = bifrost.Retention{Err: err}
		}
		fail("b", 3, kerr.LeaderNotAvailable)
		fail("c", 0, errors.New("third"))
		fail("c", 1, errors.New("fourth"))
		fail("b", 2, kerr.TopicAuthorizationFailed)
		f := judgeOffsets(offsets)
		if outcomeOf(f) != ResultFailed || !strings.HasPrefix(f.err.Error(), "4 of 16 partitions have none, such as topic b partition 2: TOPIC_AUTH") ||
			!strings.HasPrefix(f.next, "allow Describe and Read") {
			t.Errorf("%+v", f)
		}
		if f := judgeRetention(kept); outcomeOf(f) != ResultWarning || !strings.Contains(f.found, "topic b: ") {
			t.Errorf("%+v", f)
		}
	}
}

// Rows of other clusters count unless they are at their end, and so does what is left of each.
func TestWhoseTheTablesAre(t *testing.T) {
	t.Parallel()
	row := func(cluster string, status bifrost.Status, lag int64) bifrost.Progress {
		return bifrost.Progress{ClusterID: cluster, Status: status, NextOffset: 100, Observation: bifrost.Observation{LastStable: 100 + lag}}
	}
	live, closed, forked := bifrost.StatusOpen, bifrost.StatusClosed, bifrost.StatusForked
	for name, c := range map[string]struct {
		rows []bifrost.Progress
		want string
		says []string
	}{
		"none":                 {nil, ResultOK, []string{"no partition has a row yet"}},
		"all of it":            {[]bifrost.Progress{row("us", live, 9), row("us", closed, 0), row("us", forked, 1)}, ResultOK, []string{"the same, 3 partitions"}},
		"others at their ends": {[]bifrost.Progress{row("us", live, 9), row("x", closed, 5), row("y", forked, 5)}, ResultOK, []string{"the same, 1 partitions"}},
		"one other":            {[]bifrost.Progress{row("x", live, 0)}, ResultWarning, []string{"0 are of it, and 1 of cluster x, of which 0 offsets"}},
		"several": {[]bifrost.Progress{row("y", live, 1000), row("us", live, 7), row("x", live, 200), row("y", closed, 9), row("y", live, 34)},
			ResultWarning, []string{"are those of cluster us", "1 are of it, and 1 of cluster x, 2 of cluster y, of which 1,234 offsets"}},
	} {
		f := judgeCluster(c.rows, "us")
		if outcomeOf(f) != c.want {
			t.Errorf("%s: %+v", name, f)
		}
		for _, want := range c.says {
			if !strings.Contains(f.found, want) {
				t.Errorf("%s: %s does not say %q", name, f.found, want)
			}
		}
	}
}
