package replay

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// The image of an offset is the first target offset whose source offset is not below
// it, whatever stretches there are: looked for one by one.
func TestImagesAreTheNextRecords(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var stretches []Stretch
		type record struct{ source, target int64 }
		var records []record
		source, target := int64(0), rapid.Int64Range(0, 3).Draw(t, "first target")
		for n := range rapid.IntRange(0, 4).Draw(t, "stretches") {
			if n > 0 && rapid.IntRange(0, 4).Draw(t, "again") == 0 {
				source = 0 // as --again does
			}
			var s Stretch
			for range rapid.IntRange(0, 5).Draw(t, "runs") {
				source += rapid.Int64Range(0, 3).Draw(t, "hole")
				count := rapid.Int64Range(1, 4).Draw(t, "count")
				s.addMapping(Mapping{source, 0, target, count})
				for i := range count {
					records = append(records, record{source + i, target + i})
				}
				source, target = source+count, target+count
			}
			target++ // the marker
			stretches = append(stretches, s)
		}
		var offsets []int64
		for offset := int64(0); offset < source+4; offset++ {
			offsets = append(offsets, offset)
		}
		got := imagesOf(stretches, offsets)
		for i, offset := range offsets {
			want := Image{-1, -1}
			for _, r := range records {
				closer := want.AtEnd() || r.source < want.Source || r.source == want.Source && r.target < want.Target
				if r.source >= offset && closer {
					want = Image{r.target, r.source}
				}
			}
			if got[i] != want {
				t.Fatalf("the image of %d is %v, want %v; the map is %v", offset, got[i], want, stretches)
			}
		}
	})
}

// An offset behind everything, and one of an empty map, are at the end.
func TestImagesBehindTheEnd(t *testing.T) {
	t.Parallel()
	if got := imagesOf(nil, []int64{0, 7}); !slices.Equal(got, []Image{{-1, -1}, {-1, -1}}) {
		t.Errorf("images %v in an empty map", got)
	}
}
