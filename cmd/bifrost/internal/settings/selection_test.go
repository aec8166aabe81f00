package settings

import (
	"slices"
	"testing"
	"time"
)

func TestParsePartitions(t *testing.T) {
	t.Parallel()
	numbers, err := parsePartitions("0,3-5,7")
	if err != nil || len(numbers) != 5 || numbers[4] != 7 {
		t.Errorf("got %v, %v", numbers, err)
	}
	for _, wrong := range []string{"", "a", "-1", "5-3", "1-", "0-99999999999", "0-2000000000"} {
		if _, err := parsePartitions(wrong); err == nil {
			t.Errorf("partitions %q are taken", wrong)
		}
	}
}

// TestPartitionsThatAreNamedTwice: in whichever order and however often they are named, the
// partitions come in order, each once.
func TestPartitionsThatAreNamedTwice(t *testing.T) {
	t.Parallel()
	for _, texts := range [][]string{{"0,3-5"}, {"5", "4", "0", "3"}, {"3-4,4-5", "0,0"}, {"4,3-5,0", "5,0-0"}} {
		var s Selection
		if err := s.ParseFlags(texts, time.Now()); err != nil || !slices.Equal(s.Numbers, []int32{0, 3, 4, 5}) {
			t.Errorf("%q are %v, error %v", texts, s.Numbers, err)
		}
	}
}

// TestBoundsThatHoldNothing: offsets and times are half-open, so that equal ones are a mistake.
func TestBoundsThatHoldNothing(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		from, to     int64
		since, until string
		holds        bool
	}{
		{0, 0, "", "", true}, {7, 0, "", "", true}, {7, 8, "", "", true}, {7, 7, "", "", false}, {8, 7, "", "", false},
		{-1, 0, "", "", false}, {0, -1, "", "", false},
		{0, 0, "2026-02-01", "", true}, {0, 0, "", "2026-02-01", true}, {0, 0, "2026-02-01", "2026-02-02", true},
		{0, 0, "2026-02-01", "2026-02-01", false}, {0, 0, "2026-02-02", "2026-02-01", false}, {0, 0, "x", "", false}, {0, 0, "", "x", false},
	} {
		s := Selection{From: c.from, To: c.to, Since: c.since, Until: c.until}
		if err := s.ParseFlags(nil, now); (err == nil) != c.holds {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}
