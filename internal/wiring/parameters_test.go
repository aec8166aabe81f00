package wiring

import (
	"fmt"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
)

// TestEachParameterReachesItsRule: no two parameters have the same value here, so that
// none can stand for another one.
func TestEachParameterReachesItsRule(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"BIFROST_BROKERS": "127.0.0.1:1", "BIFROST_GROUP": "the-group", "BIFROST_BUCKET": "the-bucket",
		"BIFROST_PROGRESS_TABLE": "the-progress", "BIFROST_OBJECTS_TABLE": "the-objects", "BIFROST_ARCHIVE_FUNCTION": "the-function", "BIFROST_STACK": "the-stack",
		"BIFROST_TARGET_BYTES": "2000000", "BIFROST_MAX_AGE_SECONDS": "101", "BIFROST_QUIET_MAX_AGE_SECONDS": "202", "BIFROST_TIME_TO_LOSS_SECONDS": "303",
		"BIFROST_FENCE_PAUSE_SECONDS": "404", "BIFROST_ARCHIVE_TIMEOUT_SECONDS": "505", "BIFROST_MAX_IN_FLIGHT": "6", "BIFROST_COMPRESSION_LEVEL": "7",
		"BIFROST_CAPTURE_MINUTES": "8", "BIFROST_TOPIC_OVERRIDES": "a*:target_bytes=3000000;b*:max_age_seconds=909", "BIFROST_FORMAT": "values",
	}
	c, err := config.Load(config.Discoverer, func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	parts, err := Open(t.Context(), c, awsconfig.WithRegion("eu-west-1"))
	if err != nil {
		t.Fatal(err)
	}
	defer parts.Close()
	w, d, capturer := parts.Worker(), parts.Discoverer(nil), parts.Capturer()
	second := time.Second
	sizing := bifrost.Sizing{TargetBytes: 2_000_000, MaxAge: 101 * second, QuietMaxAge: 202 * second, NearLoss: 303 * second}
	large, soon := sizing, sizing
	large.TargetBytes, soon.MaxAge, soon.QuietMaxAge = 3_000_000, 909*second, 0
	for what, pair := range map[string][2]any{
		"group of a tick":                 {d.Settings.Group, "the-group"},
		"sizing":                          {d.Settings.SizingOf("c"), sizing},
		"sizing of a larger target":       {d.Settings.SizingOf("a1"), large},
		"sizing of another age":           {d.Settings.SizingOf("b1"), soon},
		"functions at the same time":      {d.Settings.MaxInFlight, 6},
		"pause of a fence":                {d.Settings.FencePause, 404 * second},
		"lease of a tick":                 {d.Settings.Lease, 565 * second},
		"lease of a worker":               {w.Lease, 565 * second},
		"group of a worker":               {w.Archiver.Group, "the-group"},
		"near to loss":                    {w.Archiver.NearLoss, 303 * second},
		"most raw bytes":                  {w.Archiver.MaxRawBytes, int64(6_000_000)},
		"compression":                     {w.Archiver.Format.Level, 7},
		"values only":                     {w.Archiver.Format.ValuesOnly, true},
		"group of a capture":              {capturer.Group, "the-group"},
		"time between captures":           {capturer.Every, 8 * time.Minute},
		"tables":                          {fmt.Sprint(parts.tables()), "{the-progress the-objects}"},
		"stack of the metrics":            {parts.metrics.Stack, "the-stack"},
		"version in captures and objects": {capturer.Writer, w.Archiver.Writer},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %v, want %v", what, pair[0], pair[1])
		}
	}
}
