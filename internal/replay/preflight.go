package replay

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Need is what a replay is about to write into one target topic.
type Need struct {
	Topic      string
	Partitions int32 // the topic must have at least so many; 0 when they are chosen by key
	Oldest     int64 // timestamps in milliseconds since the Unix epoch, -1 unknown
	Newest     int64
	MostBytes  int64 // of the fullest partition, before compression
}

// Target is what a topic's settings say about a replay into it.
type Target struct {
	Need
	Exists   bool
	Batches  Batches  // as the topic keeps them
	Problems []string // what would lose or refuse records, each with what to do about it
}

// Preflight looks at the target topics before anything is written, and answers
// which cluster they are in.
func Preflight(ctx context.Context, options []kgo.Opt, needs []Need, now time.Time) (clusterID string, targets []Target, err error) {
	client, err := kgo.NewClient(options...)
	if err != nil {
		return "", nil, err
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	metadata, err := admin.BrokerMetadata(ctx)
	if err != nil {
		return "", nil, fmt.Errorf("ask the target cluster for its ID: %w", err)
	}
	for _, need := range needs {
		target, err := look(ctx, admin, need, now)
		if err != nil {
			return "", nil, fmt.Errorf("look at the target topic %s: %w", need.Topic, err)
		}
		targets = append(targets, target)
	}
	return metadata.Cluster, targets, nil
}

func look(ctx context.Context, admin *kadm.Client, need Need, now time.Time) (Target, error) {
	target := Target{Need: need}
	details, err := admin.ListTopics(ctx, need.Topic)
	if err != nil {
		return target, err
	}
	detail := details[need.Topic]
	if detail.Err == kerr.UnknownTopicOrPartition {
		return target, nil
	}
	if detail.Err != nil {
		return target, detail.Err
	}
	target.Exists = true
	if have := int32(len(detail.Partitions)); have < need.Partitions {
		target.problem("it has %d partitions and the replay needs %d: add partitions, or choose them by key", have, need.Partitions)
	}
	described, err := admin.DescribeTopicConfigs(ctx, need.Topic)
	if err != nil {
		return target, err
	}
	config, err := described.On(need.Topic, nil)
	if err == nil {
		err = config.Err
	}
	if err != nil {
		return target, err
	}
	settings := map[string]string{}
	for _, c := range config.Configs {
		settings[c.Key] = c.MaybeValue()
	}
	target.judge(settings, now)
	return target, nil
}

func (t *Target) problem(format string, args ...any) {
	t.Problems = append(t.Problems, fmt.Sprintf(format, args...))
}

// judge compares the settings with what is to be written.
func (t *Target) judge(settings map[string]string, now time.Time) {
	t.Batches = Batches{Codec: keptCodec(settings["compression.type"]), Bytes: number(settings, "max.message.bytes", kafkaBatchBytes)}
	if settings["message.timestamp.type"] == "LogAppendTime" {
		t.problem("it stamps records with the time of the replay: set message.timestamp.type=CreateTime")
	}
	oldest, newest := now.Sub(time.UnixMilli(t.Oldest)), time.UnixMilli(t.Newest).Sub(now)
	if t.Oldest < 0 {
		oldest, newest = 0, 0
	}
	policy := cmp.Or(settings["cleanup.policy"], "delete")
	deletes := strings.Contains(policy, "delete")
	if strings.Contains(policy, "compact") {
		t.problem("it is compacted, so that of the records of a key only the last stays and one without a key is refused: set cleanup.policy=delete")
	}
	if keep := number(settings, "retention.ms", -1); deletes && keep >= 0 && oldest.Milliseconds() > keep {
		t.problem("it deletes records older than %s and the oldest to replay is %s old: set retention.ms=-1", days(keep), days(oldest.Milliseconds()))
	}
	if keep := number(settings, "retention.bytes", -1); deletes && keep >= 0 && t.MostBytes > keep {
		t.problem("it keeps %d bytes a partition and %d are to be replayed into one: set retention.bytes=-1", keep, t.MostBytes)
	}
	// message.timestamp.difference.max.ms was split in two by KIP-937.
	either := number(settings, "message.timestamp.difference.max.ms", math.MaxInt64)
	if most := number(settings, "message.timestamp.before.max.ms", either); oldest.Milliseconds() > most {
		t.problem("it refuses records older than %s and the oldest to replay is %s old: set message.timestamp.before.max.ms", days(most), days(oldest.Milliseconds()))
	}
	if most := number(settings, "message.timestamp.after.max.ms", either); newest.Milliseconds() > most {
		t.problem("it refuses records more than %s in the future and the newest to replay is %s ahead: set message.timestamp.after.max.ms", days(most), days(newest.Milliseconds()))
	}
}

func number(settings map[string]string, name string, otherwise int64) int64 {
	n, err := strconv.ParseInt(settings[name], 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

func days(ms int64) string {
	if ms < 48*time.Hour.Milliseconds() {
		return (time.Duration(ms) * time.Millisecond).Round(time.Second).String()
	}
	return fmt.Sprintf("%d days", ms/(24*time.Hour).Milliseconds())
}

// Create makes a target topic that keeps what is replayed into it: as many
// partitions as needed, no retention, timestamps as they were.
func Create(ctx context.Context, options []kgo.Opt, topic string, partitions int32) error {
	client, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer client.Close()
	forever, create, remove := "-1", "CreateTime", "delete"
	const brokersDefault = -1
	response, err := kadm.NewClient(client).CreateTopic(ctx, partitions, brokersDefault,
		map[string]*string{"retention.ms": &forever, "retention.bytes": &forever, "message.timestamp.type": &create, "cleanup.policy": &remove}, topic)
	if err == nil {
		err = response.Err
	}
	if err != nil {
		return fmt.Errorf("make the target topic %s: %w", topic, err)
	}
	return nil
}
