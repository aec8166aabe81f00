package verify

import (
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// That an object was erased is remembered, whatever rows follow: it may have had the newest record.
func TestAnErasedObjectIsRemembered(t *testing.T) {
	t.Parallel()
	erased := bifrost.Row{State: bifrost.StateLost, GapReason: bifrost.ReasonErased}
	lost := bifrost.Row{State: bifrost.StateLost, GapReason: bifrost.ReasonRetention}
	archived := bifrost.Row{State: bifrost.StateArchived}
	for _, c := range []struct {
		rows []bifrost.Row
		want bool
	}{
		{nil, false}, {[]bifrost.Row{lost, archived}, false}, {[]bifrost.Row{erased}, true},
		{[]bifrost.Row{erased, archived}, true}, {[]bifrost.Row{archived, erased, lost}, true},
	} {
		s := sums{newest: -1}
		for _, row := range c.rows {
			s.addRow(row)
		}
		if s.someErased != c.want {
			t.Errorf("%+v: %t", c.rows, s.someErased)
		}
	}
}

// What a progress row may name as its last object: that of the last row, and that of the last row with records; of
// gaps that came between neither.
func TestWhatTheLastObjectMayBe(t *testing.T) {
	t.Parallel()
	row := func(key string, state bifrost.State) bifrost.Row {
		return bifrost.Row{State: state, Facts: bifrost.Facts{Key: key}}
	}
	const archived, lost = bifrost.StateArchived, bifrost.StateLost
	for _, c := range []struct {
		rows []bifrost.Row
		want string
	}{
		{nil, ""},
		{[]bifrost.Row{row("a", archived)}, "a"},
		{[]bifrost.Row{row("a", archived), row("b", archived)}, "b"},
		{[]bifrost.Row{row("a", archived), row("b", lost)}, "a b"},
		{[]bifrost.Row{row("a", archived), row("b", lost), row("c", lost)}, "a c"},
		{[]bifrost.Row{row("a", archived), row("b", lost), row("c", lost), row("d", archived)}, "d"},
		{[]bifrost.Row{row("a", lost)}, "a"},
		{[]bifrost.Row{row("a", lost), row("b", archived)}, "b"},
	} {
		s := sums{newest: -1}
		for _, r := range c.rows {
			s.addRow(r)
		}
		if got := strings.Join(s.lastObjects, " "); got != c.want {
			t.Errorf("%+v: %q, want %q", c.rows, got, c.want)
		}
	}
}

// The newest record is that of the rows with records, whatever their order, and of no gap.
func TestTheNewestRecordOfAll(t *testing.T) {
	t.Parallel()
	s := sums{newest: -1}
	for _, step := range []struct {
		state             bifrost.State
		records, at, want int64
	}{
		{bifrost.StateLost, 0, 900, -1}, {bifrost.StateArchived, 0, 800, -1}, {bifrost.StateArchived, 2, 0, 0},
		{bifrost.StateArchived, 1, 500, 500}, {bifrost.StateArchived, 1, 400, 500}, {bifrost.StateLost, 0, 900, 500},
	} {
		s.addRow(bifrost.Row{State: step.state, Facts: bifrost.Facts{Records: step.records, LastTimestamp: step.at}})
		if s.newest != step.want {
			t.Errorf("after %+v: %d", step, s.newest)
		}
	}
}
