// What an object says of itself as a whole.

package baldr

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Kind says what an object stands for.
type Kind uint8

const (
	// KindRecords is an object that holds the records of its range.
	KindRecords Kind = iota
	// KindGap is an object without records: nobody can read those of its range
	// any more, and Summary.Reason says why.
	KindGap
)

// String returns the kind as the summary spells it.
func (k Kind) String() string {
	if k == KindGap {
		return "gap"
	}
	return "records"
}

// Missing counts the offsets of a range that have no record, by reason.
type Missing struct {
	Control   int64 `json:"control"`   // transaction markers (KIP-98)
	Aborted   int64 `json:"aborted"`   // records of aborted transactions
	Compacted int64 `json:"compacted"` // removed by log compaction before they were read
}

// A Summary is what an object says of itself, so that a bucket can be
// understood with nothing but its objects.
type Summary struct {
	Kind      Kind
	Reason    string // why a gap is one: "retention", "before_first_sight", "topic_deleted", ...; empty for records
	ClusterID string
	Topic     string
	TopicID   [16]byte // KIP-516; zero when the cluster has none
	Partition int32
	Start     int64 // the offsets of the range, half-open: [Start, End)
	End       int64
	Missing   Missing

	Records  int64
	RawBytes int64 // of the Baldr stream, that is 8 + len(value) a record, before compression

	// FirstTimestamp and LastTimestamp are the least and the greatest timestamp
	// of a record in milliseconds since the Unix epoch, -1 when none has one.
	// They are not those of the first and last record: producers' clocks differ.
	FirstTimestamp, LastTimestamp int64

	LastLeaderEpoch int32  // of the last batch read; -1 when unknown
	Writer          string // version of the program that wrote the object
}

// maxSummaryBytes limits the text of a summary: it is in one extra field. Kafka's names
// have at most 249 bytes, so there is room.
const maxSummaryBytes = maxExtraBytes - subfieldOverhead

// summaryText is a summary as JSON: a person who sees an object in a hex dump
// can read what it is, and fields can be added without a new version.
type summaryText struct {
	Kind            string  `json:"kind"`
	Reason          string  `json:"reason,omitempty"`
	ClusterID       string  `json:"cluster_id"`
	Topic           string  `json:"topic"`
	TopicID         string  `json:"topic_id"`
	Partition       int32   `json:"partition"`
	StartOffset     int64   `json:"start_offset"`
	EndOffset       int64   `json:"end_offset"`
	Records         int64   `json:"records"`
	Missing         Missing `json:"missing"`
	RawBytes        int64   `json:"raw_bytes"`
	FirstTimestamp  int64   `json:"first_timestamp"`
	LastTimestamp   int64   `json:"last_timestamp"`
	LastLeaderEpoch int32   `json:"last_leader_epoch"`
	Writer          string  `json:"writer"`
}

func (s *Summary) encode() ([]byte, error) {
	text, err := json.Marshal(summaryText{
		s.Kind.String(), s.Reason, s.ClusterID, s.Topic, base64.RawURLEncoding.EncodeToString(s.TopicID[:]),
		s.Partition, s.Start, s.End, s.Records, s.Missing, s.RawBytes, s.FirstTimestamp, s.LastTimestamp,
		s.LastLeaderEpoch, s.Writer,
	})
	if err == nil && len(text) > maxSummaryBytes {
		err = fmt.Errorf("the summary takes %d bytes, at most %d: %w", len(text), maxSummaryBytes, ErrTooLarge)
	}
	return text, err
}

// decodeSummary reads a summary's text. Names it does not know are those of
// later writers and mean nothing here; a kind it does not know is an error,
// since the object would be taken for something it is not.
func decodeSummary(text []byte) (Summary, error) {
	var t summaryText
	if err := json.Unmarshal(text, &t); err != nil {
		return Summary{}, fmt.Errorf("the summary is no JSON object of the right types: %w", err)
	}
	s := Summary{
		Reason:          t.Reason,
		ClusterID:       t.ClusterID,
		Topic:           t.Topic,
		Partition:       t.Partition,
		Start:           t.StartOffset,
		End:             t.EndOffset,
		Records:         t.Records,
		Missing:         t.Missing,
		RawBytes:        t.RawBytes,
		FirstTimestamp:  t.FirstTimestamp,
		LastTimestamp:   t.LastTimestamp,
		LastLeaderEpoch: t.LastLeaderEpoch,
		Writer:          t.Writer,
	}
	switch t.Kind {
	case KindRecords.String():
	case KindGap.String():
		s.Kind = KindGap
	default:
		return Summary{}, fmt.Errorf("a summary of unknown kind %q", t.Kind)
	}
	id, err := base64.RawURLEncoding.Strict().DecodeString(t.TopicID)
	if err != nil || len(id) != len(s.TopicID) {
		return Summary{}, fmt.Errorf("a summary with the topic ID %q", t.TopicID)
	}
	copy(s.TopicID[:], id)
	return s, s.check()
}

// check says what is impossible about a summary, read or to be written.
func (s *Summary) check() error {
	switch {
	case s.Start < 0 || s.End <= s.Start:
		return fmt.Errorf("a range from offset %d to %d", s.Start, s.End)
	case s.Kind == KindGap && s.Records != 0:
		return fmt.Errorf("a gap with %d records", s.Records)
	case s.Kind != KindGap && s.Kind != KindRecords:
		return fmt.Errorf("a summary of kind %d", s.Kind)
	case s.Records < 0 || s.Records > s.End-s.Start || s.RawBytes/frameHeaderBytes < s.Records:
		return fmt.Errorf("%d records and %d bytes in the range from offset %d to %d",
			s.Records, s.RawBytes, s.Start, s.End)
	case s.Missing.Control < 0 || s.Missing.Aborted < 0 || s.Missing.Compacted < 0:
		return fmt.Errorf("counts of missing offsets below 0: %+v", s.Missing)
	}
	for _, text := range []string{s.Reason, s.ClusterID, s.Topic, s.Writer} {
		if !utf8.ValidString(text) {
			return errors.New("text that is not UTF-8")
		}
	}
	return nil
}
