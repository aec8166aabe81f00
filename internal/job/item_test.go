package job

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// A part of a replay comes back from the plan of a job as it was, with all that is known of other lives.
// A time without an end is none of JavaScript's numbers, and comes back as it was all the same.
func TestAPartComesBackFromThePlan(t *testing.T) {
	t.Parallel()
	for _, until := range []int64{1_700_000_000_000, math.MaxInt64} {
		ask := replay.AllTimes(5, 9)
		ask.Since, ask.Until = 1_600_000_000_000, until
		part := partOf(replay.Part{Source: bifrost.Partition{Name: "orders"}, Life: "x", Target: "copy", Ask: ask})
		if got := part.rule().Ask; got != ask || part.Span.Until > 1<<53 {
			t.Errorf("%+v came back as %+v, by way of %+v", ask, got, part.Span)
		}
	}
	want := replay.Part{
		Source: bifrost.Partition{Name: "orders@x.1", Number: 3}, Life: "x.1", Target: "copy", Ask: replay.AllTimes(5, 9),
		Others: []replay.Life{
			{Name: "orders", Life: "w", Numbers: []int32{0, 3}, Apart: true},
			{Name: "orders@x", Life: "x", Numbers: []int32{3}},
			{Name: "orders@x.2", Life: "x.2", Numbers: []int32{3}, Newer: true},
		},
	}
	line, err := json.Marshal(partOf(want))
	if err != nil {
		t.Fatal(err)
	}
	var back Part
	if err := json.Unmarshal(line, &back); err != nil {
		t.Fatal(err)
	}
	if got := back.rule(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v came back as %+v", want, got)
	}
}
