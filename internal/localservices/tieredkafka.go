// A Kafka with tiered storage.

package localservices

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"testing"
)

// StartTieredKafka installs what it needs and starts a broker whose topics may keep
// old segments in tiered storage (KIP-405): those with remote.storage.enable. The
// storage is a folder, see [KafkaBroker.RemoteSegment].
func StartTieredKafka(ctx context.Context) (*KafkaBroker, error) {
	if err := Install(ctx, nil, PartKafka, PartTieredStorage); err != nil {
		return nil, err
	}
	jars, err := PartTieredStorage.folder()
	if err != nil {
		return nil, err
	}
	dir, err := runDir("tiered-storage")
	if err != nil {
		return nil, err
	}
	properties := maps.Clone(tieredProperties)
	properties["remote.log.storage.manager.class.path"] = filepath.Join(jars, "*")
	properties["rsm.config.dir"] = dir
	b, err := StartKafka(ctx, KafkaOptions{Properties: properties})
	if err != nil {
		return nil, err
	}
	b.remote = dir
	return b, nil
}

// tieredProperties make a broker that moves segments at once.
var tieredProperties = map[string]string{
	"remote.log.storage.system.enable":                                 "true",
	"remote.log.storage.manager.class.name":                            "org.apache.kafka.server.log.remote.storage.LocalTieredStorage",
	"remote.log.storage.manager.impl.prefix":                           "rsm.config.",
	"remote.log.metadata.manager.listener.name":                        "PLAINTEXT",
	"remote.log.metadata.manager.impl.prefix":                          "rlmm.config.",
	"rlmm.config.remote.log.metadata.topic.replication.factor":         "1",
	"rlmm.config.remote.log.metadata.topic.num.partitions":             "1",
	"rlmm.config.remote.log.metadata.initialization.retry.interval.ms": "100",
	"remote.log.manager.task.interval.ms":                              "200",
}

// RemoteSegment is the file of the segment in tiered storage that begins at an
// offset of the topic's first partition.
func (b *KafkaBroker) RemoteSegment(topic string, start int64) (string, error) {
	found, err := filepath.Glob(filepath.Join(b.remote, "*", topic+"-0-*", fmt.Sprintf("%020d-*.log", start)))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("localservices: %d files of the segment of %s at offset %d in %s, error %v",
			len(found), topic, start, b.remote, err)
	}
	return found[0], nil
}

// OwnTieredKafka starts a broker with tiered storage for one test, and removes it
// when the test ends.
func OwnTieredKafka(t testing.TB) *KafkaBroker {
	t.Helper()
	broker, err := StartTieredKafka(t.Context())
	return removeAfterTest(t, broker, err)
}
