package replayplan

import (
	"math"
	"reflect"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// What is asked for by offsets and times is a span, and what the archive is asked for has
// all of it.
func TestBoundsAndWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	all := replay.AllTimes(0, 0)
	for name, c := range map[string]struct {
		bounds Bounds
		end    int64
		span   replay.Span
		times  readback.Times
	}{
		"all of it":           {Bounds{}, 100, replay.AllTimes(0, 100), readback.Times{}},
		"to beyond the end":   {Bounds{From: 7, To: 200}, 100, replay.AllTimes(7, 100), readback.Times{}},
		"to within":           {Bounds{From: 7, To: 50}, 100, replay.AllTimes(7, 50), readback.Times{}},
		"since":               {Bounds{Times: readback.Times{Since: 5}}, 9, replay.Span{End: 9, Since: 5, Until: math.MaxInt64}, readback.Times{Since: 5}},
		"until":               {Bounds{Times: readback.Times{Until: 8}}, 9, replay.Span{End: 9, Until: 8}, readback.Times{Until: 8}},
		"since and until":     {Bounds{Times: readback.Times{Since: 5, Until: 8}}, 9, replay.Span{End: 9, Since: 5, Until: 8}, readback.Times{Since: 5, Until: 8}},
		"nothing is archived": {Bounds{From: 7}, 3, replay.AllTimes(7, 3), readback.Times{}},
	} {
		span := c.bounds.spanUntil(c.end)
		if span != c.span {
			t.Errorf("%s: span %+v, want %+v", name, span, c.span)
		}
		query := QueryOf(replay.Part{Source: bifrost.Partition{Name: "orders", Number: 3}}, span)
		want := readback.Query{
			Partition: bifrost.Partition{Name: "orders", Number: 3},
			Offsets:   bifrost.Range{Start: c.span.Start, End: c.span.End}, Times: c.times,
		}
		if !reflect.DeepEqual(query, want) {
			t.Errorf("%s: query %+v, want %+v", name, query, want)
		}
	}
	// Records that have no timestamp (-1) come with all others only.
	none := QueryOf(replay.Part{}, replay.Span{End: 9, Since: -1, Until: all.Until})
	if none.Times != (readback.Times{}) {
		t.Errorf("times %+v are asked for, and records without any are wanted", none.Times)
	}
}
