package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// catalogue is one in memory.
type catalogue struct {
	progress []bifrost.Progress
	rows     map[bifrost.Partition][]bifrost.Row // in order
}

func (c catalogue) ListProgress(context.Context) ([]bifrost.Progress, error) { return c.progress, nil }

func (c catalogue) Progress(_ context.Context, p bifrost.Partition) (bifrost.Progress, error) {
	for _, row := range c.progress {
		if row.Partition == p {
			return row, nil
		}
	}
	return bifrost.Progress{}, bifrost.ErrNotFound
}

func (c catalogue) Rows(_ context.Context, p bifrost.Partition, from int64, limit int) (rows []bifrost.Row, _ error) {
	for _, row := range c.rows[p] {
		if row.Start >= from && len(rows) < limit {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func (c catalogue) RowsBelow(_ context.Context, p bifrost.Partition, below int64, limit int) (rows []bifrost.Row, _ error) {
	for _, row := range slices.Backward(c.rows[p]) {
		if row.Start < below && len(rows) < limit {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// span is a row of the catalogue: a hundred records of a byte in a hundred offsets, or a gap.
func (c catalogue) span(p bifrost.Partition, start, end int64, state bifrost.State) {
	row := bifrost.Row{Partition: p, Range: bifrost.Range{Start: start, End: end}, State: state, GapReason: "retention"}
	if state == bifrost.StateArchived {
		row.GapReason, row.Facts.Records, row.Facts.RawBytes = "", end-start, end-start
	}
	c.rows[p] = append(c.rows[p], row)
}

var (
	lifeA = bifrost.TopicID{1}
	lifeB = bifrost.TopicID{2}
)

func (c *catalogue) life(name string, id bifrost.TopicID, start, next int64) bifrost.Partition {
	p := bifrost.Partition{Name: name}
	c.progress = append(c.progress, bifrost.Progress{Partition: p, ClusterID: "c", TopicID: id, StartOffset: start, NextOffset: next})
	return p
}

// What is cut out of the archive for a partition is what the capture says it held: of
// the life that was captured, with every offset that is not there and why.
func TestCutIsWhatThePartitionHeld(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fill    func(*catalogue)
		held    *[4]int64
		want    string // branches
		missing string
		records int64
	}{
		"all of it": {func(c *catalogue) {
			c.span(c.life("t", lifeA, 0, 300), 0, 300, bifrost.StateArchived)
		}, &[4]int64{0, 300, 300, 0}, "t[0, 300)", "", 300},
		"from log start to last stable offset": {func(c *catalogue) {
			p := c.life("t", lifeA, 0, 400)
			c.span(p, 0, 200, bifrost.StateArchived)
			c.span(p, 200, 400, bifrost.StateArchived)
		}, &[4]int64{100, 300, 350, 0}, "t[100, 300)", "", 200},
		"the archive is behind": {func(c *catalogue) {
			p := c.life("t", lifeA, 0, 200)
			c.span(p, 0, 200, bifrost.StateArchived)
			c.span(p, 200, 300, bifrost.StatePlanned)
		}, &[4]int64{0, 300, 300, 0}, "t[0, 200)", "[200, 300) not archived: the archive ends at offset 200;", 200},
		"a quiet tail": {func(c *catalogue) {
			c.span(c.life("t", lifeA, 0, 200), 0, 200, bifrost.StateArchived)
			c.progress[0].RecentOffsets, c.progress[0].RecentRawBytes, c.progress[0].PlannedOffset = 100, 100, 200
		}, &[4]int64{0, 300, 300, 0}, "t[0, 200)", "[200, 300) not archived: the archive ends at offset 200. " + quietTail + ";", 200},
		"a tail that was planned": {func(c *catalogue) {
			c.span(c.life("t", lifeA, 0, 200), 0, 200, bifrost.StateArchived)
			c.progress[0].RecentOffsets, c.progress[0].RecentRawBytes, c.progress[0].PlannedOffset = 100, 100, 300
		}, &[4]int64{0, 300, 300, 0}, "t[0, 200)", "[200, 300) not archived: the archive ends at offset 200;", 200},
		"a tail of more than is quiet": {func(c *catalogue) {
			c.span(c.life("t", lifeA, 0, 200), 0, 200, bifrost.StateArchived)
			c.progress[0].RecentOffsets, c.progress[0].RecentRawBytes, c.progress[0].PlannedOffset = 100, 100, 200
		}, &[4]int64{0, 401, 401, 0}, "t[0, 200)", "[200, 401) not archived: the archive ends at offset 200;", 200},
		"a gap": {func(c *catalogue) {
			p := c.life("t", lifeA, 0, 300)
			c.span(p, 0, 100, bifrost.StateArchived)
			c.span(p, 100, 150, bifrost.StateLost)
			c.span(p, 150, 300, bifrost.StateArchived)
		}, &[4]int64{0, 300, 300, 0}, "t[0, 300)", "[100, 150) a recorded gap: retention;", 250},
		"a gap of what was erased": {func(c *catalogue) {
			p := c.life("t", lifeA, 0, 300)
			c.span(p, 0, 100, bifrost.StateLost)
			c.span(p, 100, 300, bifrost.StateArchived)
			c.rows[p][0].GapReason = bifrost.ReasonErased
		}, &[4]int64{0, 300, 300, 0}, "t[0, 300)", "[0, 100) a recorded gap: erased. " + erasedHere + ";", 200},
		"a row is missing": {func(c *catalogue) {
			p := c.life("t", lifeA, 0, 300)
			c.span(p, 0, 100, bifrost.StateArchived)
			c.span(p, 200, 300, bifrost.StateArchived)
		}, &[4]int64{0, 300, 300, 0}, "t[0, 300)", "[100, 200) the catalogue has no row of it: bifrost verify tells more;", 200},
		"another life": {func(c *catalogue) {
			c.span(c.life("t", lifeB, 0, 300), 0, 300, bifrost.StateArchived)
		}, &[4]int64{0, 50, 50, 0}, "", "[0, 50) not archived: the archive has nothing of this life of the topic;", 0},
		"a later life beside": {func(c *catalogue) {
			c.span(c.life("t", lifeB, 0, 300), 0, 300, bifrost.StateArchived)
			c.span(c.life("t@"+lifeA.String(), lifeA, 0, 50), 0, 50, bifrost.StateArchived)
		}, &[4]int64{0, 50, 50, 0}, "t@" + lifeA.String() + "[0, 50)", "", 50},
		"a log that was cut": {func(c *catalogue) {
			c.span(c.life("t", lifeA, 0, 300), 0, 300, bifrost.StateArchived)
			c.span(c.life("t@"+lifeA.String()+".1", lifeA, 200, 500), 200, 500, bifrost.StateArchived)
		}, &[4]int64{100, 400, 400, 0}, "t[100, 200)t@" + lifeA.String() + ".1[200, 400)", "", 300},
		"a log that was cut ten times": {func(c *catalogue) {
			c.span(c.life("t", lifeA, 0, 300), 0, 300, bifrost.StateArchived)
			for n := int64(1); n <= 10; n++ {
				p := c.life(fmt.Sprintf("t@%s.%d", lifeA, n), lifeA, 10*n, 300)
				c.span(p, 10*n, 300, bifrost.StateArchived)
			}
		}, &[4]int64{0, 110, 110, 0}, "t[0, 10)" + tenBranches(), "", 110},
		"offsets were not captured": {func(c *catalogue) {
			c.span(c.life("t", lifeA, 0, 300), 0, 300, bifrost.StateArchived)
		}, nil, "t[0, 300)", "", 300},
		"nothing": {func(*catalogue) {}, &[4]int64{0, 0, 0, 0}, "", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			archived := &catalogue{rows: map[bifrost.Partition][]bifrost.Row{}}
			c.fill(archived)
			r := &Restorer{Archive: &readback.Reader{Catalogue: archived}, Now: time.Now}
			r.Snapshot.Configuration.Topics = []capture.Topic{{Name: "t", ID: lifeA, Partitions: [][]int32{{1}}}}
			r.Snapshot.Positions.ClusterID = "c"
			r.Snapshot.Positions.Offsets = []capture.Offsets{{Topic: "t", ID: lifeA, Partitions: []*[4]int64{c.held}}}
			topics, err := r.cut(t.Context(), archived.progress)
			if err != nil {
				t.Fatal(err)
			}
			p := topics[0].Partitions[0]
			branches, missing := "", ""
			for _, b := range p.branches {
				branches += b.row.Name + b.Range.String()
			}
			for _, gap := range p.Missing {
				missing += fmt.Sprintf("%s %s;", gap.Range, gap.Reason)
				if gap.Quiet != strings.Contains(gap.Reason, quietTail) {
					t.Errorf("quiet is %v, and the reason %q", gap.Quiet, gap.Reason)
				}
			}
			if branches != c.want || missing != c.missing || p.Records != c.records {
				t.Errorf("from %q with %d records, missing %q; want %q, %d, %q", branches, p.Records, missing, c.want, c.records, c.missing)
			}
			if got := rounds(topics, archived.progress); len(got) != len(p.branches) {
				t.Errorf("%d rounds for %d branches", len(got), len(p.branches))
			}
		})
	}
}

// tenBranches are ten branches of a life in their order, of ten offsets each: 10 is behind 9.
func tenBranches() (branches string) {
	for n := int64(1); n <= 10; n++ {
		branches += fmt.Sprintf("t@%s.%d%s", lifeA, n, bifrost.Range{Start: 10 * n, End: 10*n + 10})
	}
	return branches
}

// Topics are those that the globs select; where replays keep their positions is none.
func TestCutLeavesOut(t *testing.T) {
	t.Parallel()
	filter, err := bifrost.NewTopicFilter([]string{"a*", "bifrost*"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &Restorer{Scope: Scope{Topics: filter}, Archive: &readback.Reader{Catalogue: catalogue{}}}
	for _, name := range []string{"a1", "b", bifrost.ReplayStateTopic, "a2"} {
		r.Snapshot.Configuration.Topics = append(r.Snapshot.Configuration.Topics, capture.Topic{Name: name, Partitions: [][]int32{{1}}})
	}
	topics, err := r.cut(t.Context(), nil)
	if got := names(topics); err != nil || !slices.Equal(got, []string{"a1", "a2"}) {
		t.Errorf("topics %v, error %v", got, err)
	}
}

// A group that stands before a gap reads next what is behind it, and that is said; one
// that is ahead of the archive has read what is not there.
func TestWhatAGroupMisses(t *testing.T) {
	t.Parallel()
	p := &Partition{Held: bifrost.Range{Start: 0, End: 300}, Missing: []Gap{{Range: bifrost.Range{Start: 100, End: 150}, Reason: "retention"}}}
	for offset, want := range map[int64]string{
		50: "", 99: "", 100: "what it would read next is not in the archive: offsets [100, 150), retention",
		120: "what it would read next is not in the archive: offsets [120, 150), retention", 150: "", 300: "",
	} {
		next := max(offset, 150)
		if offset < 100 {
			next = offset
		}
		if offset == 300 {
			next = -1
		}
		s := &standing{report: &PositionReport{Source: offset, Next: next}, partition: p}
		if tellLost(s); s.report.Reason != want {
			t.Errorf("offset %d: %q, want %q", offset, s.report.Reason, want)
		}
	}
}

// A capture tells the offsets of a partition up to the last stable one, and only of the life
// that it captured the topic in: those of a topic of the same name, made while the capture was
// taken, are offsets of other records.
func TestOffsetsOfAnotherLifeAreNotACaptures(t *testing.T) {
	t.Parallel()
	ends := []*[4]int64{{10, 20, 30, 1}, nil}
	for name, c := range map[string]struct {
		life, offsets bifrost.TopicID
		number        int32
		want          *bifrost.Range
	}{
		"of this life":         {lifeA, lifeA, 0, &bifrost.Range{Start: 10, End: 20}},
		"before IDs":           {bifrost.TopicID{}, bifrost.TopicID{}, 0, &bifrost.Range{Start: 10, End: 20}},
		"of a later life":      {lifeA, lifeB, 0, nil},
		"of a life without ID": {lifeA, bifrost.TopicID{}, 0, nil},
		"not captured":         {lifeA, lifeA, 1, nil},
		"not there yet":        {lifeA, lifeA, 2, nil},
	} {
		got := heldBy(capture.Topic{Name: "t", ID: c.life}, capture.Offsets{Topic: "t", ID: c.offsets, Partitions: ends}, c.number)
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
