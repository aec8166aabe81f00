package bifrost

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

var testSizing = Sizing{TargetBytes: 1000, MaxAge: 15 * time.Minute}

// knownSize is a progress row whose last range held 10 bytes an offset, so that
// the target is 100 offsets.
func knownSize(planned int64) Progress {
	return Progress{PlannedOffset: planned, RecentRawBytes: 1000, RecentOffsets: 100, LastPlannedAt: noon}
}

func TestPlanRanges(t *testing.T) {
	t.Parallel()
	late := noon.Add(testSizing.MaxAge)
	tests := map[string]struct {
		progress Progress
		seen     Observation
		ahead    Ahead
		now      time.Time
		limit    int
		want     []PlannedRange
	}{
		"nothing to read":               {progress: knownSize(7), seen: Observation{LastStable: 7}, now: late},
		"a tail below the target waits": {progress: knownSize(0), seen: Observation{LastStable: 99}, now: noon},
		"a tail flushes at the maximum age": {
			progress: knownSize(0), seen: Observation{LastStable: 99}, now: late,
			want: []PlannedRange{{Range: Range{0, 99}}},
		},
		"a backlog is cut, its tail waits": {
			progress: knownSize(0), seen: Observation{LastStable: 260}, now: noon,
			want: []PlannedRange{{Range: Range{0, 100}}, {Range: Range{100, 200}}},
		},
		"a little more than the target is one range": {
			progress: knownSize(0), seen: Observation{LastStable: 150}, now: noon,
			want: []PlannedRange{{Range: Range{0, 150}}},
		},
		"no estimate: one range only": {
			progress: Progress{LastPlannedAt: noon}, seen: Observation{LastStable: 1 << 30}, now: late,
			want: []PlannedRange{{Range: Range{0, 1}}},
		},
		"the limit": {
			progress: knownSize(0), seen: Observation{LastStable: 1000}, now: noon, limit: 2,
			want: []PlannedRange{{Range: Range{0, 100}}, {Range: Range{100, 200}}},
		},
		"before first sight, skipped, then records": {
			progress: Progress{FirstLogStart: 10, StartOffset: 30, RecentRawBytes: 1000, RecentOffsets: 100, LastPlannedAt: noon},
			seen:     Observation{LogStart: 10, LastStable: 50}, now: late,
			want: []PlannedRange{
				{Range: Range{0, 10}, GapReason: ReasonBeforeFirstSight},
				{Range: Range{10, 30}, GapReason: ReasonSkipped},
				{Range: Range{30, 50}},
			},
		},
		"gaps do not wait": {
			progress: Progress{FirstLogStart: 10, StartOffset: 10, LastPlannedAt: noon},
			seen:     Observation{LogStart: 10, LastStable: 10}, now: noon,
			want: []PlannedRange{{Range: Range{0, 10}, GapReason: ReasonBeforeFirstSight}},
		},
		"retention overtook the plan": {
			progress: knownSize(40), seen: Observation{LogStart: 60, LastStable: 70}, now: late,
			want: []PlannedRange{{Range: Range{40, 60}, GapReason: ReasonRetention}, {Range: Range{60, 70}}},
		},
		"behind a log start that moves nothing waits": {
			progress: knownSize(40), seen: Observation{LogStart: 60, LastStable: 70}, now: noon,
			want: []PlannedRange{{Range: Range{40, 60}, GapReason: ReasonRetention}, {Range: Range{60, 70}}},
		},
		"what is lost before its age is over does not wait": {
			progress: knownSize(0), seen: Observation{LastStable: 99, LossAt: noon.Add(testSizing.MaxAge - 1)}, now: noon,
			want: []PlannedRange{{Range: Range{0, 99}}},
		},
		"what is lost later waits": {progress: knownSize(0), seen: Observation{LastStable: 99, LossAt: late}, now: noon},
		"retention beyond first sight is a loss": {
			progress: Progress{FirstLogStart: 10, StartOffset: 10, LastPlannedAt: noon},
			seen:     Observation{LogStart: 25, LastStable: 25}, now: noon,
			want: []PlannedRange{
				{Range: Range{0, 10}, GapReason: ReasonBeforeFirstSight},
				{Range: Range{10, 25}, GapReason: ReasonRetention},
			},
		},
		"along objects and rows": {
			progress: knownSize(0), seen: Observation{LastStable: 300}, now: noon,
			ahead: Ahead{Known: []Known{{Range: Range{0, 40}}, {Range: Range{60, 90}, IsRow: true}}},
			want: []PlannedRange{
				{Range: Range{0, 40}}, {Range: Range{40, 60}}, {Range: Range{60, 90}, Existing: true},
				{Range: Range{90, 190}}, {Range: Range{190, 300}},
			},
		},
		"a hole between objects, below the log start": {
			progress: knownSize(0), seen: Observation{LogStart: 50, LastStable: 90}, now: noon,
			ahead: Ahead{Known: []Known{{Range: Range{0, 40}}, {Range: Range{60, 90}}}},
			want: []PlannedRange{
				{Range: Range{0, 40}}, {Range: Range{40, 50}, GapReason: ReasonRetention}, {Range: Range{50, 60}}, {Range: Range{60, 90}},
			},
		},
		"a partial listing: no further than its end": {
			progress: knownSize(0), seen: Observation{LastStable: 300}, now: late,
			ahead: Ahead{Known: []Known{{Range: Range{0, 40}}}, Partial: true},
			want:  []PlannedRange{{Range: Range{0, 40}}},
		},
		"an object beyond the log is not reached by a hole": {
			progress: knownSize(0), seen: Observation{LastStable: 30}, now: late,
			ahead: Ahead{Known: []Known{{Range: Range{50, 60}}}},
			want:  []PlannedRange{{Range: Range{0, 30}}},
		},
		"offsets without bytes do not make the next range endless": {
			progress: Progress{RecentOffsets: 50, LastPlannedAt: noon}, seen: Observation{LastStable: 10_000}, now: noon, limit: 1,
			want: []PlannedRange{{Range: Range{0, 200}}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := test.limit
			if limit == 0 {
				limit = MaxPlannedAtOnce
			}
			got := PlanRanges(test.progress, test.seen, test.ahead, testSizing, test.now, limit)
			if len(got) != len(test.want) {
				t.Fatalf("planned %v, want %v", got, test.want)
			}
			for i := range got {
				if got[i] != test.want[i] {
					t.Errorf("range %d is %+v, want %+v", i, got[i], test.want[i])
				}
			}
		})
	}
}

// Whatever the numbers, a plan tiles: it begins at planned_offset, has no hole
// and no empty range, reads nothing below the log start or beyond the last stable
// offset, and calls nothing a gap that can be read and was not skipped.
func TestPlanTiles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		offset := rapid.Int64Range(0, 2000)
		p := Progress{
			PlannedOffset: offset.Draw(t, "planned"), FirstLogStart: offset.Draw(t, "first"),
			RecentRawBytes: offset.Draw(t, "bytes"), RecentOffsets: offset.Draw(t, "offsets"), LastPlannedAt: noon,
		}
		p.StartOffset = p.FirstLogStart + rapid.Int64Range(0, 100).Draw(t, "skip")
		seen := Observation{LogStart: p.FirstLogStart + rapid.Int64Range(0, 500).Draw(t, "retention")}
		seen.LastStable = seen.LogStart + offset.Draw(t, "length")
		var known []Known
		for range rapid.IntRange(0, 5).Draw(t, "objects") {
			start := offset.Draw(t, "start")
			known = append(known, Known{Range: Range{start, start + rapid.Int64Range(1, 300).Draw(t, "len")}, IsRow: rapid.Bool().Draw(t, "row")})
		}
		ahead := tile(known, 1<<62)
		ahead.Partial = false
		now := noon.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "minutes")) * time.Minute)
		limit := rapid.IntRange(1, MaxPlannedAtOnce).Draw(t, "limit")
		ranges := PlanRanges(p, seen, ahead, testSizing, now, limit)
		checkTiling(t, p, seen, ranges, limit)
		if n := CountRanges(p, seen, ahead, testSizing, now, limit); n != len(ranges) {
			t.Fatalf("%d ranges counted, %d planned", n, len(ranges))
		}
		fewer := rapid.IntRange(0, limit).Draw(t, "fewer")
		if some := PlanRanges(p, seen, ahead, testSizing, now, fewer); !slices.Equal(some, ranges[:min(fewer, len(ranges))]) {
			t.Fatalf("with limit %d %v, with limit %d %v", fewer, some, limit, ranges)
		}
	})
}

// The first plans of partitions that were seen together are spread over the age.
func TestFirstPlansAreSpread(t *testing.T) {
	t.Parallel()
	sizing := Sizing{TargetBytes: 1 << 30, MaxAge: 15 * time.Minute}
	planned := map[int]int{}
	for n := range 1500 {
		p := Progress{Partition: Partition{Name: "orders", Number: int32(n)}, LastPlannedAt: noon}
		minute := 0
		for CountRanges(p, Observation{LastStable: 1}, Ahead{}, sizing, noon.Add(time.Duration(minute)*time.Minute), 1) == 0 {
			minute++
		}
		planned[minute]++
	}
	for minute := 1; minute <= 15; minute++ {
		if n := planned[minute]; n < 50 || n > 150 {
			t.Errorf("%d of 1500 partitions are planned first in minute %d", n, minute)
		}
	}
}

func checkTiling(t *rapid.T, p Progress, seen Observation, ranges []PlannedRange, limit int) {
	if len(ranges) > limit {
		t.Fatalf("%d ranges, limit %d", len(ranges), limit)
	}
	at := p.PlannedOffset
	for _, r := range ranges {
		if r.Start != at || !r.Valid() {
			t.Fatalf("range %v does not follow offset %d", r, at)
		}
		at = r.End
		if r.GapReason != "" && r.End > max(seen.LogStart, p.StartOffset) {
			t.Fatalf("gap %v holds offsets that can be read (log start %d, start offset %d)", r, seen.LogStart, p.StartOffset)
		}
		if r.GapReason == ReasonRetention && r.End > seen.LogStart {
			t.Fatalf("gap %v is not lost to retention (log start %d)", r, seen.LogStart)
		}
	}
}

func TestShareSlots(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		wants []Want
		limit int
		want  []int
	}{
		"everyone gets one before any gets two": {
			wants: []Want{{Ranges: 9, TimeToLoss: NoLoss}, {Ranges: 1, TimeToLoss: NoLoss}, {Ranges: 1, TimeToLoss: NoLoss}},
			limit: 1, want: []int{2, 1, 1},
		},
		"one each even without a limit to share": {
			wants: []Want{{Ranges: 9, TimeToLoss: NoLoss}, {Ranges: 9, TimeToLoss: NoLoss}}, limit: 0, want: []int{1, 1},
		},
		"the rest goes to the nearest to loss": {
			wants: []Want{{Ranges: 9, TimeToLoss: time.Hour}, {Ranges: 3, TimeToLoss: time.Minute}}, limit: 3, want: []int{2, 3},
		},
		"equals take turns": {
			wants: []Want{{Ranges: 9, TimeToLoss: time.Hour}, {Ranges: 9, TimeToLoss: time.Hour}}, limit: 4, want: []int{3, 3},
		},
		"unfinished ranges count": {
			wants: []Want{{Ranges: 9, Unfinished: 3, TimeToLoss: NoLoss}, {Ranges: 2, TimeToLoss: NoLoss}}, limit: 4, want: []int{1, 1},
		},
		"nothing wanted": {wants: []Want{{}, {Unfinished: 2}}, limit: 5, want: []int{0, 0}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ShareSlots(test.wants, test.limit)
			for i := range test.want {
				if got[i] != test.want[i] {
					t.Fatalf("got %v, want %v", got, test.want)
				}
			}
		})
	}
}

func TestPauseGrowsAndEnds(t *testing.T) {
	t.Parallel()
	if pause(1) != firstPause || pause(2) != 2*firstPause {
		t.Errorf("pauses begin with %v, %v", pause(1), pause(2))
	}
	if pause(60) != longestPause {
		t.Errorf("after 60 attempts the pause is %v, want %v", pause(60), longestPause)
	}
}
