package verify

import (
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
