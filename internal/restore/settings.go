// How settings of topics are restored.

package restore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
)

// liftable are the settings of a topic that are others while its records come back: it
// would delete old ones, change their timestamps, or refuse them. Finish puts them back.
var liftable = []string{
	"cleanup.policy", "retention.ms", "retention.bytes", "message.timestamp.type",
	"message.timestamp.before.max.ms", "message.timestamp.after.max.ms", "message.timestamp.difference.max.ms",
	"max.message.bytes", "min.insync.replicas",
}

// ofOldBrokers name brokers of the cluster that was captured, and mean nothing in another.
var ofOldBrokers = []string{"leader.replication.throttled.replicas", "follower.replication.throttled.replicas"}

// wanted are the settings that a topic is made with.
func wanted(t capture.Topic) map[string]string {
	settings := maps.Clone(t.Settings)
	for _, name := range ofOldBrokers {
		delete(settings, name)
	}
	return settings
}

// A Setting is one that is not as it was captured.
type Setting struct {
	Name     string  `json:"name"`
	Captured *string `json:"captured"` // null: none of the topic's own, so what the brokers say
	Target   *string `json:"target"`   // null: the same
	Reason   string  `json:"reason"`
}

// actual is what a target says of one topic.
type actual struct {
	id         bifrost.TopicID
	partitions int
	replicas   int // of partition 0
	settings   map[string]kadm.Config
}

// ask asks for topics with their settings. Those that do not exist are left out.
func ask(ctx context.Context, admin *kadm.Client, names []string) (map[string]actual, error) {
	all := map[string]actual{}
	for some := range slices.Chunk(names, topicsAtOnce) {
		details, err := admin.ListTopics(ctx, some...)
		if err != nil {
			return nil, fmt.Errorf("ask for the topics of the target: %w", err)
		}
		var there []string
		for _, name := range some {
			detail := details[name]
			switch {
			case detail.Topic == "" || errors.Is(detail.Err, kerr.UnknownTopicOrPartition):
				continue
			case detail.Err != nil:
				return nil, fmt.Errorf("ask for topic %s of the target: %w", name, detail.Err)
			}
			of := actual{
				id:         bifrost.TopicID(detail.ID),
				partitions: len(detail.Partitions),
				settings:   map[string]kadm.Config{},
			}
			of.replicas = len(detail.Partitions[0].Replicas)
			all[name] = of
			there = append(there, name)
		}
		if len(there) == 0 {
			continue
		}
		described, err := admin.DescribeTopicConfigs(ctx, there...)
		if err != nil {
			return nil, fmt.Errorf("ask for the settings of topics of the target: %w", err)
		}
		for _, d := range described {
			if d.Err != nil {
				return nil, fmt.Errorf("ask for the settings of topic %s of the target: %w", d.Name, d.Err)
			}
			for _, c := range d.Configs {
				all[d.Name].settings[c.Key] = c
			}
		}
	}
	return all, nil
}

// topicsAtOnce is for how many topics settings are asked at once.
const topicsAtOnce = 200

// compare holds the settings of a topic against those that were captured: lifted are
// what finish puts back, different what it does not.
func compare(t capture.Topic, now actual, refused map[string]string) (lifted, different []Setting) {
	names := slices.Collect(maps.Keys(t.Settings))
	names = append(names, slices.Collect(maps.Keys(t.Inherited))...)
	for name, c := range now.settings {
		if isOwn(c) || isOfBrokers(c) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		have, known := now.settings[name]
		should, own := t.Settings[name]
		inherited, inherits := t.Inherited[name]
		s := Setting{Name: name}
		if own {
			s.Captured = &should
		}
		if known {
			s.Target = have.Value
		}
		switch {
		case !known:
			s.Reason = "the brokers do not know it"
		case own && have.MaybeValue() == should:
			continue
		case !own && inherits && have.MaybeValue() == inherited && (!isOwn(have) || withoutOwn(have) != inherited):
			continue // from the brokers, or because they would give it another one
		case !own && !inherits && !isOwn(have) && (!isOfBrokers(have) || have.MaybeValue() == defaultOf(have)):
			continue
		case isOwn(have) && slices.Contains(liftable, name) && !lacksReplicas(name, restored(t, have), now):
			lifted = append(lifted, s)
			continue
		case refused[name] != "":
			s.Reason = "the brokers refuse it: " + refused[name]
		case lacksReplicas(name, restored(t, have), now):
			s.Reason = fmt.Sprintf("the topic has %d replicas here, and would take nothing", now.replicas)
		case slices.Contains(ofOldBrokers, name):
			s.Reason = "it names brokers of the cluster that was captured"
		case !own && !isOwn(have):
			s.Reason = "the brokers here give it by default, and gave another value there"
		default:
			s.Reason = "the topic was there, or was changed"
		}
		different = append(different, s)
	}
	return lifted, different
}

// restored is the value that a setting has once finish has put it back.
func restored(t capture.Topic, c kadm.Config) string {
	if own, some := t.Settings[c.Key]; some {
		return own
	}
	if inherited, some := t.Inherited[c.Key]; some {
		return inherited
	}
	return withoutOwn(c)
}

// withoutOwn is the value that the brokers give a topic which has none of its own.
func withoutOwn(c kadm.Config) string {
	for _, s := range c.Synonyms { // in order of precedence
		if s.Source != kmsg.ConfigSourceDynamicTopicConfig && s.Value != nil {
			return *s.Value
		}
	}
	return ""
}

// lacksReplicas reports a min.insync.replicas with which the topic would take nothing.
func lacksReplicas(name, value string, now actual) bool {
	n, err := strconv.Atoi(value)
	return name == "min.insync.replicas" && err == nil && n > now.replicas
}

func isOwn(c kadm.Config) bool { return c.Source == kmsg.ConfigSourceDynamicTopicConfig }

func isOfBrokers(c kadm.Config) bool {
	return !isOwn(c) && c.Source != kmsg.ConfigSourceDefaultConfig && c.Source != kmsg.ConfigSourceUnknown
}

// defaultOf is Kafka's own default of a setting, as the brokers tell it; the value itself
// where they do not.
func defaultOf(c kadm.Config) string {
	for _, s := range c.Synonyms {
		if s.Source == kmsg.ConfigSourceDefaultConfig && s.Value != nil {
			return *s.Value
		}
	}
	return c.MaybeValue()
}
