package wiring

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/bifrost-archive/bifrost/internal/config"
)

// A service that takes a request and says nothing is given up long before a
// function's time is over, and not before S3 has put a large upload together.
func TestSilentConnectionsAreGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		transport := newHTTPClient().GetTransport()
		transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
			here, there := net.Pipe()
			go func() { _, _ = there.Read(make([]byte, 1<<16)) }()
			return here, nil
		}
		begin := time.Now()
		_, err := (&http.Client{Transport: transport}).Get("http://silent.example/")
		if took := time.Since(begin); err == nil || took < 30*time.Second || took > 2*time.Minute {
			t.Errorf("given up after %v with error %v", took, err)
		}
		transport.CloseIdleConnections()
	})
}

// The limits that only this package knows, and how they fit to each other.
func TestLimitsFit(t *testing.T) {
	t.Parallel()
	values := map[string]string{
		"BIFROST_BROKERS": "127.0.0.1:1", "BIFROST_GROUP": "archive", "BIFROST_BUCKET": "bucket", "BIFROST_TOPIC_OVERRIDES": "big:target_bytes=1073741824",
		"BIFROST_PROGRESS_TABLE": "progress", "BIFROST_OBJECTS_TABLE": "objects", "BIFROST_ARCHIVE_FUNCTION": "archive", "BIFROST_ARCHIVE_TIMEOUT_SECONDS": "600",
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
	w, d := parts.Worker(), parts.Discoverer(nil)
	if w.Archiver.MaxRawBytes != 2<<30 {
		t.Errorf("a range ends at %d raw bytes, want twice the largest target", w.Archiver.MaxRawBytes)
	}
	if w.Lease != 11*time.Minute || d.Settings.Lease != w.Lease {
		t.Errorf("leases of %v and %v, want a minute more than the function's time", w.Lease, d.Settings.Lease)
	}
	if w.Reserve != time.Minute || d.Parallel != 32 || d.CaughtUp == nil || d.LastSeen == nil || d.Retention == nil || d.History == nil {
		t.Errorf("a reserve of %v, %d partitions at once, memories %v %v", w.Reserve, d.Parallel, d.CaughtUp, d.Retention)
	}
	if w.Archiver.Group != "archive" || !strings.HasPrefix(w.Archiver.Writer, "bifrost ") || w.Processor == nil {
		t.Errorf("archiver %+v", w.Archiver)
	}
	if retentionKept < time.Minute || retentionKept > 10*time.Minute {
		t.Errorf("the answer about a topic's retention serves for %v", retentionKept)
	}
}
