package readback_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// Lives are in order of age, whatever their IDs and in whatever order the rows come; the present one is the only one
// that goes on.
func TestLivesByAge(t *testing.T) {
	t.Parallel()
	row := func(name string, id byte, number int32, status bifrost.Status, last int64) bifrost.Progress {
		p := bifrost.Progress{TopicID: bifrost.TopicID{id}, ClusterID: "c", Status: status}
		p.Name, p.Number = name, number
		if last > 0 {
			p.LastRecordAt = time.Unix(last, 0)
		}
		return p
	}
	seen := func(at int64, p bifrost.Progress) bifrost.Progress {
		p.At = time.Unix(at, 0)
		return p
	}
	const closed, open, forked = bifrost.StatusClosed, bifrost.StatusOpen, bifrost.StatusForked
	at := func(id byte, fork string) string { return "a@" + bifrost.TopicID{id}.String() + fork }
	for name, c := range map[string]struct {
		rows    []bifrost.Progress // in the order that is right
		present string
	}{
		"by the newest records": {[]bifrost.Progress{row("a", 5, 0, closed, 900), row(at(9, ""), 9, 0, closed, 20),
			row(at(9, ""), 9, 1, closed, 5), row(at(2, ""), 2, 0, open, 10), row(at(2, ""), 2, 1, open, 30)}, at(2, "")},
		"by what ticks saw, whatever producers' clocks said": {[]bifrost.Progress{row("a", 5, 0, closed, 10),
			seen(100, row(at(9, ""), 9, 0, closed, 5000)), seen(90, row(at(9, ""), 9, 1, closed, 10)),
			seen(95, row(at(2, ""), 2, 0, closed, 20)), seen(200, row(at(2, ""), 2, 1, closed, 30))}, ""},
		"what goes on is the last, with nothing in it": {[]bifrost.Progress{row("a", 5, 0, closed, 10),
			row(at(3, ""), 3, 0, closed, 20), row(at(1, ""), 1, 0, open, 0)}, at(1, "")},
		"branches of the first": {[]bifrost.Progress{row("a", 5, 0, forked, 10), row(at(5, ".1"), 5, 0, forked, 20),
			row(at(5, ".2"), 5, 0, open, 15)}, at(5, ".2")},
		"a branch of a deleted one": {[]bifrost.Progress{row("a", 5, 0, forked, 10), row(at(5, ".1"), 5, 0, closed, 20),
			row(at(1, ""), 1, 0, open, 5)}, at(1, "")},
		"two go on":             {[]bifrost.Progress{row("a", 5, 0, open, 10), row(at(1, ""), 1, 0, open, 15)}, ""},
		"none goes on":          {[]bifrost.Progress{row("a", 5, 0, closed, 10), row(at(1, ""), 1, 0, closed, 15)}, ""},
		"the rows do not tell":  {[]bifrost.Progress{row("a", 5, 0, closed, 0), row(at(1, ""), 1, 0, closed, 0), row(at(2, ""), 2, 0, closed, 0)}, ""},
		"another topic is none": {[]bifrost.Progress{row("a", 5, 0, open, 10), row("b", 6, 0, open, 10)}, "a"},
	} {
		for range 2 {
			rows := slices.Clone(c.rows)
			slices.Reverse(rows)
			lives := readback.NewLives(rows)
			lives.Sort(rows)
			var got, want, later []string
			for i := range rows {
				got, want = append(got, rows[i].Partition.String()), append(want, c.rows[i].Partition.String())
				if n := c.rows[i]; n.Topic() == "a" && n.Name != "a" && !slices.Contains(later, n.Name) {
					later = append(later, n.Name)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
			if got := readback.LaterLives(rows, "a"); !slices.Equal(got, later) {
				t.Errorf("%s: later %q, want %q", name, got, later)
			}
			for _, lives := range []readback.Lives{lives, readback.NewLives(c.rows)} {
				if got := lives.Present("a"); got != c.present {
					t.Errorf("%s: the present one is %q, want %q", name, got, c.present)
				}
			}
		}
	}
}
