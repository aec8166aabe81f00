// How topics, partitions, ranges of offsets are named.

package bifrost

import (
	"encoding/base64"
	"fmt"
	"strings"
)

// TopicID is Kafka's own identity of a topic (KIP-516). A topic that is deleted
// and made again keeps its name and gets a new ID. Clusters before 2.8 have
// none: all bytes are zero.
type TopicID [16]byte

// String is the form that Kafka's own tools print: base64url without padding.
func (id TopicID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// IsZero reports whether the cluster gave no ID (before 2.8).
func (id TopicID) IsZero() bool { return id == TopicID{} }

// MarshalText implements encoding.TextMarshaler with the form of String.
func (id TopicID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; it reads the form of String.
func (id *TopicID) UnmarshalText(text []byte) error {
	raw, err := base64.RawURLEncoding.DecodeString(string(text))
	if err != nil || len(raw) != len(id) {
		return fmt.Errorf("topic ID %q: want the 22 characters that kafka-topics --describe prints", text)
	}
	copy(id[:], raw)
	return nil
}

// Incarnation is one life of a topic: from its creation to its deletion.
type Incarnation struct {
	ClusterID string
	Topic     string // Kafka's name of the topic
	TopicID   TopicID
}

// nameSeparator stands between a topic and its ID in the name of a later
// incarnation. Kafka allows letters, digits, '.', '_' and '-' in topic names,
// so no topic can be called like another's incarnation.
const nameSeparator = "@"

// LaterName is the incarnation's name in the tables and in the bucket when the
// plain path belongs to another one.
func (i Incarnation) LaterName() string { return i.Topic + nameSeparator + i.TopicID.String() }

// Partition names one partition of one incarnation: the key of a progress row
// and the path of its objects.
type Partition struct {
	Name   string // the topic for its first incarnation, topic@ID for later ones
	Number int32
}

// Topic is Kafka's name of the partition's topic.
func (p Partition) Topic() string {
	topic, _, _ := strings.Cut(p.Name, nameSeparator)
	return topic
}

// TopicNames are both names of a topic, for answers where one alone could be taken for
// the other.
type TopicNames struct {
	Name       string `json:"name"`        // the archive's, of one life: orders, orders@ID, orders@ID.1
	KafkaTopic string `json:"kafka_topic"` // Kafka's
}

// TopicNames are both names of the partition's topic.
func (p Partition) TopicNames() TopicNames { return TopicNames{p.Name, p.Topic()} }

// String is the partition_key of the objects table: name/number.
func (p Partition) String() string { return fmt.Sprintf("%s/%d", p.Name, p.Number) }

// Range is the half-open range of offsets [Start, End) of one partition.
type Range struct {
	Start int64 // first offset in the range
	End   int64 // first offset after the range
}

// Len is the number of offsets in the range, whether or not each holds a record.
func (r Range) Len() int64 { return r.End - r.Start }

// Valid reports whether the range starts at a real offset and is not empty.
func (r Range) Valid() bool { return r.Start >= 0 && r.Start < r.End }

// Contains reports whether offset lies in the range.
func (r Range) Contains(offset int64) bool { return r.Start <= offset && offset < r.End }

// Within is the part of the range that lies in bounds. It is not valid when there is none.
func (r Range) Within(bounds Range) Range {
	return Range{Start: max(r.Start, bounds.Start), End: min(r.End, bounds.End)}
}

// String writes the range as mathematicians do: [0, 1000).
func (r Range) String() string { return fmt.Sprintf("[%d, %d)", r.Start, r.End) }
