// What is kept of a verification in the bucket.

package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Record is what is kept of a verification: what it looked at, and what it found.
type Record struct {
	Group    string    `json:"group"`    // whose archive was looked at
	At       time.Time `json:"at"`       // when it began
	EndedAt  time.Time `json:"ended_at"` // when it was through
	Topics   []string  `json:"topics"`   // names and globs that were asked for; none for all
	Deep     bool      `json:"deep"`
	Kafka    bool      `json:"kafka"`
	Complete bool      `json:"complete"`        // everything could be looked at
	Error    string    `json:"error,omitempty"` // what could not
	Summary  Summary   `json:"summary"`
	// Violations are the first ones; the summary counts all.
	Violations []Violation `json:"violations"`
}

// Clean reports whether there was something, everything was looked at, and nothing was wrong.
func (r Record) Clean() bool {
	return r.Complete && r.Summary.Partitions > 0 && r.Summary.Violations == 0
}

// Covers reports whether the verification looked at what the other one was asked to look at, as
// deeply: what it does not find again is gone.
func (r Record) Covers(other Record) bool {
	return (len(r.Topics) == 0 || slices.Equal(r.Topics, other.Topics)) &&
		(r.Deep || !other.Deep) && (r.Kafka || !other.Kafka)
}

// RecordBucket is where records are kept. Nothing in it overwrites.
type RecordBucket interface {
	BucketReader
	// CreateOnce is bifrost.Bucket.CreateOnce.
	CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error)
}

const (
	recordSuffix = ".json"
	recordTime   = "20060102T150405.000Z" // UTC
)

// recordKey is where the record of a verification lives that began at the time.
func recordKey(group string, at time.Time) string {
	return bifrost.VerificationsPrefix(group) + at.UTC().Format(recordTime) + recordSuffix
}

// mostRecorded is how many violations a record lists. It is a variable because tests make
// it tiny.
var mostRecorded = 100

// WriteRecord keeps the record and answers its key. Of two that began in the same
// millisecond one gets the next millisecond.
func WriteRecord(ctx context.Context, bucket RecordBucket, group string, r Record) (string, error) {
	r.Group, r.At, r.EndedAt = group, r.At.UTC(), r.EndedAt.UTC()
	r.Violations = append([]Violation{}, r.Violations[:min(mostRecorded, len(r.Violations))]...)
	r.Topics = append([]string{}, r.Topics...)
	content, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("record the verification: %w", err)
	}
	content = append(content, '\n')
	for at := r.At; ; at = at.Add(time.Millisecond) {
		key := recordKey(group, at)
		there, err := bucket.CreateOnce(ctx, key, content)
		if err != nil {
			return "", fmt.Errorf("record the verification: %w", err)
		}
		if bytes.Equal(there, content) {
			return key, nil
		}
	}
}

// listedRecords is how many keys are asked for at once. Tests make it tiny.
var listedRecords = 1000

// LastRecords reads the last records of a group, the newest first, at most limit.
func LastRecords(ctx context.Context, bucket BucketReader, group string, limit int) ([]Record, error) {
	prefix, keys := bifrost.VerificationsPrefix(group), []string(nil)
	for after := ""; ; {
		page, err := bucket.List(ctx, prefix, after, listedRecords)
		if err != nil {
			return nil, fmt.Errorf("list the verifications under %s: %w", prefix, err)
		}
		for _, key := range page {
			if isRecordKey(group, key) {
				keys = append(keys, key)
			}
		}
		keys = keys[max(0, len(keys)-limit):]
		if len(page) < listedRecords {
			break
		}
		after = page[len(page)-1]
	}
	slices.Reverse(keys)
	records := make([]Record, 0, len(keys))
	for _, key := range keys {
		r, err := readRecord(ctx, bucket, key)
		if err != nil {
			return records, err
		}
		records = append(records, r)
	}
	return records, nil
}

// isRecordKey reports whether WriteRecord would put a record there.
func isRecordKey(group, key string) bool {
	name, isRecord := strings.CutSuffix(strings.TrimPrefix(key, bifrost.VerificationsPrefix(group)), recordSuffix)
	at, err := time.Parse(recordTime, name)
	return isRecord && err == nil && key == recordKey(group, at)
}

// mostRecordBytes is far above the size of any record.
const mostRecordBytes = 4 << 20

func readRecord(ctx context.Context, bucket BucketReader, key string) (r Record, err error) {
	object, err := bucket.Open(ctx, key)
	if err != nil {
		return r, fmt.Errorf("read the verification %s: %w", key, err)
	}
	size := object.Stored().Size
	if size > mostRecordBytes {
		return r, fmt.Errorf("read the verification %s: it has %d bytes, and no record is as large", key, size)
	}
	content, err := io.ReadAll(io.NewSectionReader(object, 0, size))
	if err == nil {
		err = json.Unmarshal(content, &r)
	}
	if err != nil {
		return r, fmt.Errorf("read the verification %s: %w", key, err)
	}
	return r, nil
}
