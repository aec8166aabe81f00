// What a capture asks of Kafka.

package capture

import (
	"context"
	"errors"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// ErrDenied says that the credentials may not see something.
var ErrDenied = errors.New("not permitted")

// ErrNone says that the cluster has no such thing to tell of: it does not know the
// question, or has nothing turned on that would answer it.
var ErrNone = errors.New("the cluster has no such thing")

// Cluster is what a capture asks of Kafka. Errors of a whole answer wrap
// [ErrDenied] or [ErrNone] where that is the reason. Answers are in no order.
type Cluster interface {
	// ClusterID returns the cluster's own ID, empty before Kafka 0.10.1.
	ClusterID(ctx context.Context) (string, error)
	// Overview lists the brokers, without versions and settings, and the topics,
	// without settings.
	Overview(ctx context.Context) (Overview, error)
	// HiddenTopics finds topics that the credentials may not describe, among the
	// suspects and among those whose names the cluster tells otherwise. It asks for
	// none that is listed.
	HiddenTopics(ctx context.Context, suspects []string, listed func(name string) bool) (map[string]error, error)
	// DescribeBrokers answers for each of the brokers.
	DescribeBrokers(ctx context.Context, ids []int32) map[int32]BrokerAnswer
	// Features lists the finalized features.
	Features(ctx context.Context) ([]Feature, error)
	// TopicSettings answers for each of the topics.
	TopicSettings(ctx context.Context, topics []string) (map[string]SettingsAnswer, error)
	// ACLs lists all of them.
	ACLs(ctx context.Context) ([]ACL, error)
	// Quotas lists all of them.
	Quotas(ctx context.Context) ([]Quota, error)
	// ScramUsers lists the users and mechanisms.
	ScramUsers(ctx context.Context) ([]ScramUser, error)
	// Groups lists the groups, without offsets, and says what of the list may be
	// missing. The error is for when no broker answers.
	Groups(ctx context.Context) (groups []Group, missing []Missing, err error)
	// CommittedOffsets answers for each of the groups.
	CommittedOffsets(ctx context.Context, groups []string) map[string]CommittedAnswer
	// SeesTransactions returns an error if CommittingTransactions may leave some out:
	// ErrDenied if the credentials may not describe all of them, ErrNone if the cluster
	// lists none.
	SeesTransactions(ctx context.Context) error
	// CommittingTransactions lists the transactional IDs whose transaction is decided to be
	// committed and may lack its marker in some partitions. All brokers have answered, or
	// it is an error.
	CommittingTransactions(ctx context.Context) ([]string, error)
	// Offsets is bifrost.Cluster.Offsets.
	Offsets(ctx context.Context, topics []bifrost.Topic) (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error)
	// TopicIDs asks one broker for topics by name. What it does not know is left out.
	TopicIDs(ctx context.Context, topics []string) (map[string]bifrost.TopicID, error)
}

// Overview is what the brokers' metadata say.
type Overview struct {
	ClusterID string
	Brokers   []Broker
	Topics    []Topic
	Failed    map[string]error // topics that the metadata name only to say what is wrong with them
}

// BrokerAnswer is what a broker says of itself. Either part may fail alone.
type BrokerAnswer struct {
	Version     string
	VersionErr  error
	Settings    map[string]string
	SettingsErr error
}

// SettingsAnswer are the settings of one topic.
type SettingsAnswer struct {
	Settings  map[string]string
	Inherited map[string]string
	Err       error
}

// Missing is something that an answer lacks.
type Missing struct {
	Name  string // whose it would be; empty for many
	Err   error
	Needs string // right that would mend it, where it is another than that of the part
}

// CommittedAnswer is where one group stands.
type CommittedAnswer struct {
	Offsets map[string][]Committed
	Missing []Missing // partitions (topic/number) that have an error of their own
	Err     error     // of the group
}
