package wiring_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func TestOpenTouchesNoNetwork(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"BIFROST_BROKERS": "127.0.0.1:1", "BIFROST_GROUP": "archive", "BIFROST_BUCKET": "bucket", "BIFROST_TARGET_BYTES": "1048576",
		"BIFROST_PROGRESS_TABLE": "progress", "BIFROST_OBJECTS_TABLE": "objects", "BIFROST_ARCHIVE_FUNCTION": "archive",
	}
	c, err := config.Load(config.Discoverer, func(name string) (string, bool) { v, ok := values[name]; return v, ok })
	if err != nil {
		t.Fatal(err)
	}
	parts, err := wiring.Open(t.Context(), c, awsconfig.WithRegion("eu-west-1"))
	if err != nil {
		t.Fatal(err)
	}
	defer parts.Close()
	d := parts.Discoverer(nil)
	if d.Dispatcher == nil || d.Settings.Group != "archive" {
		t.Errorf("discoverer %+v", d)
	}
	if first, second := d.NewGeneration(), d.NewGeneration(); first == second {
		t.Errorf("generation %s twice", first)
	}
	w := parts.Worker()
	if w.Archiver.MaxRawBytes != 2<<20 || w.Lease <= c.ArchiveTimeout {
		t.Errorf("a range ends at %d raw bytes, its lease after %v", w.Archiver.MaxRawBytes, w.Lease)
	}
}

// Ending takes a fifth of the time, and half a minute at most.
func TestDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		if at := wiring.Deadline(t.Context()); !at.IsZero() {
			t.Errorf("deadline %v without one", at)
		}
		for limit, want := range map[time.Duration]time.Duration{
			15 * time.Minute: 30 * time.Second, 5 * time.Minute: 30 * time.Second, 150 * time.Second: 30 * time.Second,
			100 * time.Second: 20 * time.Second, 10 * time.Second: 2 * time.Second,
		} {
			end := time.Now().Add(limit)
			ctx, cancel := context.WithDeadline(t.Context(), end)
			if left := end.Sub(wiring.Deadline(ctx)); left != want {
				t.Errorf("of %v, %v are left for the end, want %v", limit, left, want)
			}
			cancel()
		}
	})
}

// A start that failed is tried again by the next invocation, one that went well
// is kept.
func TestOpenOnce(t *testing.T) {
	t.Parallel()
	tries := 0
	open := wiring.OpenOnce(func() (int, error) {
		if tries++; tries < 3 {
			return 0, errors.New("not yet")
		}
		return tries, nil
	})
	for call, want := range []int{0, 0, 3, 3} {
		got, err := open()
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("call %d: %d, error %v; want %d", call, got, err, want)
		}
	}
}
