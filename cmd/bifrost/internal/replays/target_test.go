package replays

import (
	"slices"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

func TestTargetsThatAreArchivedAgain(t *testing.T) {
	t.Parallel()
	rows := []bifrost.Progress{{ClusterID: "one"}}
	none := bifrost.TopicFilter{}
	without := bifrost.TopicFilter{Exclude: []string{"r.*"}}
	record := bifrost.TickRecord{ClusterID: "one", CompleteAt: time.Now(), Filter: without}
	for name, c := range map[string]struct {
		ticks    []bifrost.TickRecord
		settings bifrost.TopicFilter
		cluster  string
		want     bool
	}{
		"the same cluster":                    {nil, none, "one", true},
		"another":                             {nil, none, "two", false},
		"excluded by the stack":               {[]bifrost.TickRecord{record}, none, "one", false},
		"excluded here, not by the stack":     {[]bifrost.TickRecord{{ClusterID: "one", CompleteAt: time.Now()}}, without, "one", true},
		"no tick is on record, excluded here": {nil, without, "one", false},
		"a record of another cluster":         {[]bifrost.TickRecord{{ClusterID: "two", CompleteAt: time.Now(), Filter: without}}, none, "one", true},
	} {
		if got := archivedAgain(rows, c.ticks, c.settings, c.cluster, "r.orders"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		// Other rows and ticks beside them change nothing, before or after.
		for _, other := range []string{"", "three"} {
			rows := []bifrost.Progress{{ClusterID: other}, {ClusterID: "one"}, {ClusterID: other}}
			tick := bifrost.TickRecord{ClusterID: "three", CompleteAt: time.Now(), Filter: bifrost.TopicFilter{Exclude: []string{"*"}}}
			begun := bifrost.TickRecord{ClusterID: c.cluster, Filter: bifrost.TopicFilter{Exclude: []string{"*"}}}
			ticks := slices.Concat([]bifrost.TickRecord{tick}, c.ticks, []bifrost.TickRecord{tick, begun})
			if got := archivedAgain(rows, ticks, c.settings, c.cluster, "r.orders"); got != c.want {
				t.Errorf("%s, among others: %v", name, got)
			}
		}
	}
}
