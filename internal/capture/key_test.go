package capture

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// What a key says is what it was made of, and no other key is ours.
func TestCaptureKeys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "~", "~clusters", "partition=0", "a/b", "UKqvSvfoo2z3xQBd2eyHgQ", "."})).Draw(t, "cluster ID")
		at := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "time")).UTC()
		sum := rapid.StringMatching(`[0-9a-f]{64}`).Draw(t, "sum")
		positions, configuration := PositionsKey("g", id, at), ConfigurationKey("g", id, at, sum)
		if p, ok := ParseCaptureKey("g", positions); !ok || p.ClusterID != id || !p.At.Equal(at) || p.Sum != "" {
			t.Errorf("%s: %+v, %v", positions, p, ok)
		}
		if c, ok := ParseCaptureKey("g", configuration); !ok || c.ClusterID != id || c.Sum != sum || !c.At.IsZero() || c.Day.Format(time.DateOnly) != at.Format(time.DateOnly) {
			t.Errorf("%s: %+v, %v", configuration, c, ok)
		}
		for _, key := range []string{positions, configuration} {
			if !strings.HasPrefix(key, ClusterPrefix("g", id)) {
				t.Errorf("%s is not below %s", key, ClusterPrefix("g", id))
			}
			if p, ok := bifrost.PartitionOf("g", key); ok {
				t.Errorf("%s lies under %v", key, p)
			}
		}
	})
}

func TestKeysThatAreNoCaptures(t *testing.T) {
	t.Parallel()
	sum := strings.Repeat("0", 64)
	for _, key := range []string{
		"g/~clusters/c/2026-11-28/positions-20261128T134500.000Z.jsonl", "g/~clusters/c/2026-11-29/positions-20261128T134500.000Z.jsonl.gz",
		"g/~clusters/c/positions-20261128T134500.000Z.jsonl.gz", "g/~clusters/c/2026-11-28/positions-20261328T134500.000Z.jsonl.gz",
		"g/~clusters/c/2026-11-28/configuration-00.jsonl.gz", "g/~clusters/c/2026-11-28/x/configuration-" + sum + ".jsonl.gz",
		"g/~clusters/%zz/2026-11-28/configuration-" + sum + ".jsonl.gz", "g/~clusters/%63/2026-11-28/configuration-" + sum + ".jsonl.gz",
		"h/~clusters/c/2026-11-28/configuration-" + sum + ".jsonl.gz", "g/clusters/c/2026-11-28/configuration-" + sum + ".jsonl.gz", "g/~clusters/", "",
	} {
		if p, ok := ParseCaptureKey("g", key); ok {
			t.Errorf("%s is read as %+v", key, p)
		}
	}
}

// The day and the time of a key are those of UTC, wherever the clock is.
func TestKeysAreInUTC(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 0, 30, 0, 0, time.UTC)
	for _, hours := range []int{-12, 0, 14} {
		there := at.In(time.FixedZone("", hours*3600))
		if got, want := PositionsKey("g", "c", there), PositionsKey("g", "c", at); got != want {
			t.Errorf("%d hours from UTC: %s, want %s", hours, got, want)
		}
		if got, want := ConfigurationKey("g", "c", there, "s"), ConfigurationKey("g", "c", at, "s"); got != want {
			t.Errorf("%d hours from UTC: %s, want %s", hours, got, want)
		}
	}
}
