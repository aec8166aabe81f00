package readback_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// TestEachRowIsSelectedOnce: whatever is named, how often and in which order, a row that is
// counted twice would be a sum that is wrong.
func TestEachRowIsSelectedOnce(t *testing.T) {
	t.Parallel()
	first, second := "orders@"+bifrost.TopicID{1}.String(), "orders@"+bifrost.TopicID{2}.String()
	lives := map[string][]string{
		"orders": {"orders", first, second}, first: {first}, second: {second},
		"other": {"other"},
		"gone":  {"gone@" + bifrost.TopicID{3}.String()}, // of which only a later life is there
	}
	ledger := bifrosttest.NewLedger()
	for _, names := range lives {
		for _, name := range names {
			for number := range int32(2) {
				ledger.PokeProgress(bifrost.Progress{Partition: bifrost.Partition{Name: name, Number: number}})
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.SampledFrom([]string{"orders", first, second, "other", "gone"}), 0, 5).Draw(t, "names")
		rows, err := readback.SelectProgress(t.Context(), ledger, names)
		if err != nil {
			t.Fatal(err)
		}
		asked := names
		if len(asked) == 0 {
			asked = []string{"orders", "other", "gone"}
		}
		var want, got []string
		for _, name := range asked {
			for _, life := range lives[name] {
				want = append(want, life+"/0", life+"/1")
			}
		}
		for _, row := range rows {
			got = append(got, row.Partition.String())
		}
		slices.Sort(want)
		slices.Sort(got)
		if want = slices.Compact(want); !slices.Equal(got, want) {
			t.Fatalf("%q are %q, want %q", names, got, want)
		}
	})
}

// A glob finds a topic by its own name, and a name finds one of its lives.
func TestGlobsThatMatchNothing(t *testing.T) {
	t.Parallel()
	life := "orders@" + bifrost.TopicID{1}.String()
	all := []bifrost.Progress{{Partition: bifrost.Partition{Name: life}}, {Partition: bifrost.Partition{Name: "payments"}}}
	for glob, found := range map[string]bool{
		"orders": true, "ord*": true, life: true, "payments": true, "*": true, "order": false, life + "x": false, "x*": false,
	} {
		err := readback.CheckGlobs(all, []string{"payments", glob})
		if (err == nil) != found || err != nil && !strings.Contains(err.Error(), "matches "+glob) {
			t.Errorf("%s: error %v", glob, err)
		}
	}
}
