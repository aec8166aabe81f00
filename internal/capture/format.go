// The lines of a capture.

package capture

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Version is that of the format. A reader refuses a higher one; fields and types
// of lines may be added without a new version.
const Version = 1

// The types of lines. Each line is a JSON object with its type in the field "type".
const (
	typeConfiguration = "configuration" // first line of a configuration
	typePositions     = "positions"     // first line of positions
	typeBroker        = "broker"
	typeFeature       = "feature"
	typeTopic         = "topic"
	typeACL           = "acl"
	typeQuota         = "quota"
	typeScramUser     = "scram_user"
	typeGroup         = "group"
	typeOffsets       = "offsets"
	typeNotCaptured   = "not_captured"
	typeEnd           = "end" // last line
)

// ConfigurationHeader begins a configuration. There is no time in it: two
// configurations that are the same have the same bytes.
type ConfigurationHeader struct {
	Version   int    `json:"version"`
	ClusterID string `json:"cluster_id"`
}

// PositionsHeader begins positions.
type PositionsHeader struct {
	Version       int       `json:"version"`
	ClusterID     string    `json:"cluster_id"`
	At            time.Time `json:"at"`            // when the reading began: everything below was read later
	Configuration string    `json:"configuration"` // key of the configuration of the same reading
	ByHand        bool      `json:"by_hand"`       // by the command, not by a tick
	Writer        string    `json:"writer"`        // version of Bifrost
}

// Broker is one broker.
type Broker struct {
	ID   int32  `json:"id"`
	Host string `json:"host"`
	Port int32  `json:"port"`
	Rack string `json:"rack,omitempty"`
	// Guessed from the requests that it knows; empty when it did not say.
	Version string `json:"version,omitempty"`
	// Those that differ from Kafka's defaults, secret ones with an empty value.
	Settings map[string]string `json:"settings,omitempty"`
}

// Feature is a finalized feature of the cluster (KIP-584), metadata.version for one.
type Feature struct {
	Name  string `json:"name"`
	Level int16  `json:"level"`
}

// Topic is a topic that Kafka does not flag internal.
type Topic struct {
	Name string          `json:"name"`
	ID   bifrost.TopicID `json:"id"` // zeros before Kafka 2.8
	// By number: the brokers of the partition's replicas, the preferred leader first.
	Partitions [][]int32         `json:"partitions"`
	Settings   map[string]string `json:"settings,omitempty"` // of the topic itself
	// Settings that differ from Kafka's defaults because the brokers say so.
	Inherited map[string]string `json:"inherited,omitempty"`
}

// ACL is one rule of who may do what, in Kafka's own words.
type ACL struct {
	ResourceType string `json:"resource_type"` // TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID, DELEGATION_TOKEN, USER
	ResourceName string `json:"resource_name"`
	Pattern      string `json:"pattern"` // LITERAL, PREFIXED
	Principal    string `json:"principal"`
	Host         string `json:"host"`
	Operation    string `json:"operation"`  // READ, DESCRIBE_CONFIGS, ...
	Permission   string `json:"permission"` // ALLOW, DENY
}

// Quota limits clients.
type Quota struct {
	Entity []QuotaEntity      `json:"entity"`
	Values map[string]float64 `json:"values"` // producer_byte_rate, ...
}

// QuotaEntity is a part of what a quota is about.
type QuotaEntity struct {
	Type string  `json:"type"` // user, client-id, ip
	Name *string `json:"name"` // null: the default of all that have none of their own
}

// ScramUser is a user who logs in by SCRAM. Kafka gives away neither password nor
// salt nor keys.
type ScramUser struct {
	User       string `json:"user"`
	Mechanism  string `json:"mechanism"` // SCRAM-SHA-256, SCRAM-SHA-512
	Iterations int32  `json:"iterations"`
}

// The types of groups that have no committed offsets of the kind which can be put
// back.
const (
	GroupShare   = "share"
	GroupStreams = "streams"
)

// Group is a consumer group.
type Group struct {
	Name string `json:"group"`
	// classic, consumer, share, streams; empty where Kafka does not tell (before 3.8).
	Type         string `json:"group_type"`
	ProtocolType string `json:"protocol_type"` // consumer, connect, ...; empty for groups that only commit
	// Stable, Empty, PreparingRebalance, ...; empty where Kafka does not tell (before 2.6).
	State   string                 `json:"state"`
	Offsets map[string][]Committed `json:"offsets"` // by topic; null: not captured
}

// Committed is where a group stands in one partition: in JSON
// [partition, offset, leader epoch, metadata]. The metadata are null, a text, or
// {"base64": "..."} where they are no UTF-8.
type Committed struct {
	Partition   int32
	Offset      int64   // of the record to read next
	LeaderEpoch int32   // of the last record that was read, -1 unknown
	Metadata    *string // the consumer's own
}

// MarshalJSON implements json.Marshaler.
func (c Committed) MarshalJSON() ([]byte, error) {
	text := strconv.AppendInt([]byte{'['}, int64(c.Partition), 10)
	text = strconv.AppendInt(append(text, ','), c.Offset, 10)
	text = strconv.AppendInt(append(text, ','), int64(c.LeaderEpoch), 10)
	var metadata any = c.Metadata
	if c.Metadata != nil && !utf8.ValidString(*c.Metadata) {
		metadata = map[string][]byte{"base64": []byte(*c.Metadata)}
	}
	last, err := json.Marshal(metadata)
	return append(append(append(text, ','), last...), ']'), err
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Committed) UnmarshalJSON(text []byte) error {
	var metadata json.RawMessage
	fields := []any{&c.Partition, &c.Offset, &c.LeaderEpoch, &metadata}
	given := len(fields)
	if err := json.Unmarshal(text, &fields); err != nil || len(fields) != given {
		return errors.Join(fmt.Errorf("committed offset %.100q: want [partition, offset, leader epoch, metadata]",
			text), err)
	}
	switch {
	case len(metadata) == 0: // null
		c.Metadata = nil
		return nil
	case metadata[0] != '{':
		return json.Unmarshal(metadata, &c.Metadata)
	}
	var encoded struct{ Base64 []byte }
	err := json.Unmarshal(metadata, &encoded)
	decoded := string(encoded.Base64)
	c.Metadata = &decoded
	return err
}

// Offsets are the ends of the logs of a topic.
type Offsets struct {
	Topic string          `json:"topic"`
	ID    bifrost.TopicID `json:"id"`
	// By number of the partition: log start, last stable offset, high watermark,
	// and the leader epoch there (-1 unknown). null: not captured.
	Partitions []*[4]int64 `json:"partitions"`
}

// Part is what of a cluster a line belongs to.
type Part string

// The parts that may fail.
const (
	PartBrokers       Part = "brokers"
	PartFeatures      Part = "features"
	PartTopics        Part = "topics"
	PartTopicSettings Part = "topic_settings"
	PartACLs          Part = "acls"
	PartQuotas        Part = "quotas"
	PartScramUsers    Part = "scram_users"
	PartGroups        Part = "groups"
	PartOffsets       Part = "offsets"
	PartTransactions  Part = "transactions" // whether positions and output of one are both here
)

// NotCaptured says what is missing, once for each part and reason.
type NotCaptured struct {
	Part   Part   `json:"part"`
	Reason string `json:"reason"`
	Needs  string `json:"needs,omitempty"` // the right that the credentials lack, where that is the reason
	// Of the topics, partitions (topic/number), groups, brokers or transactions that it
	// is about; none: it is about all of the part.
	Names []string `json:"names,omitempty"`
}

// End is the last line: a file without it was cut.
type End struct {
	At    *time.Time `json:"at,omitempty"` // when the reading ended; positions only
	Lines int64      `json:"lines"`        // before this one
}
