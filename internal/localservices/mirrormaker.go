// MirrorMaker 2, to compare with.

package localservices

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// MirrorMaker starts Apache Kafka's MirrorMaker 2, which copies every topic of one
// cluster into another under the same name, and translates the positions of its groups,
// and stops it with the test. It copies committed records alone, and translates as often
// as it can. Further properties are NAME=VALUE.
func MirrorMaker(t testing.TB, from, to string, more ...string) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(Install(ctx, nil, PartMirrorMaker))
	dir, err := runDir("mirror-maker")
	must(err)
	properties := map[string]string{
		"clusters": "from, to", "from.bootstrap.servers": from, "to.bootstrap.servers": to,
		"from->to.enabled": "true", "to->from.enabled": "false", "from->to.topics": ".*", "from->to.groups": ".*",
		"replication.policy.class":                     "org.apache.kafka.connect.mirror.IdentityReplicationPolicy",
		"from.consumer.isolation.level":                "read_committed",
		"from->to.sync.group.offsets.enabled":          "true",
		"from->to.sync.group.offsets.interval.seconds": "1",
		"from->to.emit.checkpoints.interval.seconds":   "1",
		"from->to.refresh.topics.interval.seconds":     "1",
		"from->to.refresh.groups.interval.seconds":     "1",
		"from->to.emit.offset-syncs.interval.seconds":  "1",
		"replication.factor":                           "1",
		"checkpoints.topic.replication.factor":         "1",
		"heartbeats.topic.replication.factor":          "1",
		"offset-syncs.topic.replication.factor":        "1",
		"offset.storage.replication.factor":            "1",
		"status.storage.replication.factor":            "1",
		"config.storage.replication.factor":            "1",
		"from->to.sync.topic.acls.enabled":             "false",
	}
	for _, property := range more {
		name, value, _ := strings.Cut(property, "=")
		properties[name] = value
	}
	file := filepath.Join(dir, "mirror-maker.properties")
	must(writeProperties(file, properties))
	args, err := java(PartMirrorMaker, "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-Dorg.slf4j.simpleLogger.showDateTime=true",
		"org.apache.kafka.connect.mirror.MirrorMaker",
		file)
	must(err)
	p, err := launch{name: "mirror-maker", dir: dir, args: args}.start()
	must(err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("MirrorMaker 2 said:\n%s", p.logTail())
		}
		must(p.stop(syscall.SIGKILL))
		must(os.RemoveAll(dir))
	})
}
