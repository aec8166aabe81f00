// Where captures are in the bucket.

package capture

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// CapturesPrefix is what the keys of all captures of a group start with.
func CapturesPrefix(group string) string { return group + "/" + bifrost.ClustersName + "/" }

// noCluster stands for the ID of a cluster that has none: Kafka before 0.10.1.
const noCluster = "~"

// ClusterPrefix is what the keys of all captures of one cluster start with.
func ClusterPrefix(group, clusterID string) string {
	return CapturesPrefix(group) + cmp.Or(strings.ReplaceAll(url.PathEscape(clusterID), "~", "%7E"), noCluster) + "/"
}

// captureSuffix ends the key of every object of a capture: JSON lines in gzip.
const captureSuffix = ".jsonl.gz"

// The forms of the day and the time in the key of a capture, both UTC.
const (
	captureDay  = "2006-01-02"
	captureTime = "20060102T150405.000Z"
)

// ConfigurationKey is where a cluster's configuration lives that was captured on
// the day: sum is the SHA-256 of its lines, 64 hexadecimal digits. The day is in
// the key so that it expires together with the positions which rest on it.
func ConfigurationKey(group, clusterID string, day time.Time, sum string) string {
	return ClusterPrefix(group, clusterID) + day.UTC().Format(captureDay) + "/configuration-" + sum + captureSuffix
}

// PositionsKey is where the positions live that were captured for the time, to the
// millisecond.
func PositionsKey(group, clusterID string, at time.Time) string {
	at = at.UTC()
	return ClusterPrefix(group, clusterID) + at.Format(captureDay) + "/positions-" +
		at.Format(captureTime) + captureSuffix
}

// CaptureKey is what the key of an object of a capture says.
type CaptureKey struct {
	ClusterID string
	Day       time.Time
	Sum       string    // of a configuration; empty for positions
	At        time.Time // of positions; zero for a configuration
}

var captureFile = regexp.MustCompile(`^(?:configuration-([0-9a-f]{64})|positions-(\d{8}T\d{6}\.\d{3}Z))\.jsonl\.gz$`)

// ParseCaptureKey reads a key below [CapturesPrefix] and reports whether Bifrost
// itself would put an object there.
func ParseCaptureKey(group, key string) (CaptureKey, bool) {
	parts := strings.Split(strings.TrimPrefix(key, CapturesPrefix(group)), "/")
	if len(parts) != 3 {
		return CaptureKey{}, false
	}
	id, err := url.PathUnescape(parts[0])
	if parts[0] == noCluster {
		id = ""
	}
	day, dayErr := time.Parse(captureDay, parts[1])
	file := captureFile.FindStringSubmatch(parts[2])
	if err != nil || dayErr != nil || file == nil {
		return CaptureKey{}, false
	}
	parsed := CaptureKey{ClusterID: id, Day: day, Sum: file[1]}
	if parsed.Sum != "" {
		return parsed, key == ConfigurationKey(group, id, day, parsed.Sum)
	}
	if parsed.At, err = time.Parse(captureTime, file[2]); err != nil {
		return CaptureKey{}, false
	}
	return parsed, key == PositionsKey(group, id, parsed.At)
}
