package replay

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTheMapTellsEveryRecord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type record struct {
			source, target int64
			partition      int32
		}
		var written []record
		s := Stretch{}
		ends := map[int32]int64{}
		source := int64(0)
		for range rapid.IntRange(0, 60).Draw(t, "records") {
			source += rapid.SampledFrom([]int64{1, 1, 1, 4}).Draw(t, "distance")
			partition := rapid.SampledFrom([]int32{0, 0, 0, 1, 2}).Draw(t, "partition")
			ends[partition] += rapid.SampledFrom([]int64{1, 1, 1, 2}).Draw(t, "marker")
			written = append(written, record{source, ends[partition], partition})
			s.addMapping(Mapping{source, partition, ends[partition], 1})
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Stretch
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		var told []record
		for _, m := range back.Map {
			for i := range m.Count {
				told = append(told, record{m.Source + i, m.Target + i, m.Partition})
			}
		}
		if !slices.Equal(told, written) {
			t.Fatalf("the map tells %v, written were %v", told, written)
		}
	})
}

// TestPaceOfPieces: however small the pieces are in which bytes go, they go at the rate.
func TestPaceOfPieces(t *testing.T) {
	t.Parallel()
	const rate, bytes = 1_000_000, 3_000_000
	for _, piece := range []int{1000, 4096, 999_999, bytes} {
		p := newPace(rate)
		begun := p.next
		for left := bytes; left > 0; left -= piece {
			p.reserveBytes(min(piece, left))
		}
		// What was rounded away of each piece is less than a nanosecond.
		lost := time.Duration(bytes/piece + 1)
		if takes := p.next.Sub(begun); takes < bytes/rate*time.Second-lost {
			t.Errorf("%d bytes in pieces of %d take %s at %d a second", bytes, piece, takes, rate)
		}
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	if p := newPace(0); p.reserveBytes(1<<30) != 0 {
		t.Error("without a rate there is a pause")
	}
	p := newPace(1000)
	p.reserveBytes(5000)
	if pause := p.reserveBytes(1); pause < 4*time.Second || pause > 5*time.Second {
		t.Errorf("after 5,000 bytes at 1,000 a second the pause is %s", pause)
	}
}
