package config

import (
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

func loadOverrides(value string) (Config, error) {
	return Load(Reader, func(name string) (string, bool) {
		set, ok := map[string]string{
			"BIFROST_GROUP": "g", "BIFROST_BUCKET": "b", "BIFROST_PROGRESS_TABLE": "p", "BIFROST_OBJECTS_TABLE": "o",
			"BIFROST_TARGET_BYTES": "2000000", "BIFROST_MAX_AGE_SECONDS": "100", "BIFROST_TOPIC_OVERRIDES": value,
		}[name]
		return set, ok
	})
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	c, err := loadOverrides("payments-*:max_age_seconds=0; logs.*:target_bytes=3000000,max_age_seconds=3600;payments-all:target_bytes=4000000;" +
		"audit:target_bytes=1500000;late:max_age_seconds=7200")
	if err != nil {
		t.Fatal(err)
	}
	settings := c.Settings()
	for topic, want := range map[string]bifrost.Sizing{
		"orders":       {TargetBytes: 2_000_000, MaxAge: 100 * time.Second, QuietMaxAge: 2 * time.Hour, NearLoss: 6 * time.Hour},
		"payments-eu":  {TargetBytes: 2_000_000, MaxAge: 0, NearLoss: 6 * time.Hour},
		"payments-all": {TargetBytes: 2_000_000, MaxAge: 0, NearLoss: 6 * time.Hour}, // the first that matches
		"logs.web":     {TargetBytes: 3_000_000, MaxAge: time.Hour, NearLoss: 6 * time.Hour},
		// What one leaves open is that of all topics, whatever stands before it.
		"audit": {TargetBytes: 1_500_000, MaxAge: 100 * time.Second, QuietMaxAge: 2 * time.Hour, NearLoss: 6 * time.Hour},
		"late":  {TargetBytes: 2_000_000, MaxAge: 2 * time.Hour, NearLoss: 6 * time.Hour},
	} {
		if got := settings.SizingOf(topic); got != want {
			t.Errorf("%s: %+v, want %+v", topic, got, want)
		}
	}
	if c.LargestTarget() != 4_000_000 {
		t.Errorf("largest target %d", c.LargestTarget())
	}
}

// A flush waits for nothing: neither for the age of all topics, nor for that of some.
func TestNoAgeIsLeft(t *testing.T) {
	t.Parallel()
	aged, err := loadOverrides("logs.*:target_bytes=3000000,max_age_seconds=3600;late:max_age_seconds=7200;payments:target_bytes=4000000")
	if err != nil {
		t.Fatal(err)
	}
	settings := aged.WithoutAges().Settings()
	for topic, want := range map[string]int64{"orders": 2_000_000, "logs.web": 3_000_000, "late": 2_000_000, "payments": 4_000_000} {
		if got := settings.SizingOf(topic); got.MaxAge != 0 || got.QuietMaxAge != 0 || got.TargetBytes != want {
			t.Errorf("%s: %+v, want no age and a target of %d", topic, got, want)
		}
	}
	if kept := aged.Settings().SizingOf("logs.web").MaxAge; kept != time.Hour {
		t.Errorf("the settings it was made of have an age of %s now", kept)
	}
}

func TestOverridesThatAreWrong(t *testing.T) {
	t.Parallel()
	for value, word := range map[string]string{
		"payments":                          "colon",
		":target_bytes=2000000":             "glob",
		"a:":                                "unknown setting",
		"a:size=2000000":                    "unknown setting \"size\"",
		"a:target_bytes=1":                  "out of bounds",
		"a:target_bytes":                    "not a whole number",
		"a:max_age_seconds=100000":          "out of bounds",
		"[:max_age_seconds=1":               "pattern",
		"a:max_age_seconds=1;;":             "colon",
		"a:max_age_seconds=1,target_bytes=": "not a whole number",
	} {
		_, err := loadOverrides(value)
		if err == nil || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), "BIFROST_TOPIC_OVERRIDES") {
			t.Errorf("%q: error %v, want %q in it", value, err, word)
		}
	}
}
