package restore

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/capture"
)

// config is a setting as a broker tells it: the topic's own, that of the brokers, and
// Kafka's default; empty for none.
func config(name, own, brokers, byDefault string) kadm.Config {
	c := kadm.Config{Key: name}
	for _, s := range []struct {
		source kmsg.ConfigSource
		value  string
	}{
		{kmsg.ConfigSourceDynamicTopicConfig, own}, {kmsg.ConfigSourceStaticBrokerConfig, brokers}, {kmsg.ConfigSourceDefaultConfig, byDefault},
	} {
		if s.value == "" {
			continue
		}
		c.Synonyms = append(c.Synonyms, kadm.ConfigSynonym{Key: name, Value: &s.value, Source: s.source})
		if c.Value == nil {
			c.Value, c.Source = &s.value, s.source
		}
	}
	return c
}

// What a topic has in the target is as it was captured, lifted until finish, or
// different: whatever of three levels says so, in both clusters.
func TestSettingsAreComparedByWhatIsInEffect(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		now            kadm.Config
		own, inherited string // as captured; empty: none
		want           string
	}{
		"own, the same":                         {config("segment.ms", "7", "", "1"), "7", "", ""},
		"own, gone":                             {config("segment.ms", "", "", "1"), "7", "", "different"},
		"lifted":                                {config("retention.ms", "-1", "", "604800000"), "5", "", "lifted"},
		"lifted over a default":                 {config("retention.ms", "-1", "", "604800000"), "", "", "lifted"},
		"lifted to the value that is in effect": {config("cleanup.policy", "delete", "", "delete"), "", "", "lifted"},
		"lifted to what was inherited":          {config("retention.ms", "-1", "-1", "604800000"), "", "-1", "lifted"},
		"inherited there and here":              {config("retention.ms", "", "5", "604800000"), "", "5", ""},
		"inherited there, the topic's own here": {config("retention.ms", "5", "", "604800000"), "", "5", ""},
		"inherited there, other brokers here":   {config("segment.ms", "", "9", "1"), "", "5", "different"},
		"the brokers here decide":               {config("segment.ms", "", "9", "1"), "", "", "different"},
		"the brokers here say the default":      {config("segment.ms", "", "1", "1"), "", "", ""},
		"a default":                             {config("segment.ms", "", "", "1"), "", "", ""},
		"somebody has set it":                   {config("segment.ms", "9", "", "1"), "", "", "different"},
		"more replicas in sync than there are":  {config("min.insync.replicas", "1", "", "1"), "2", "", "different"},
		"as many of the brokers' as there are":  {config("min.insync.replicas", "1", "2", "1"), "", "", "different"},
		"fewer in sync":                         {config("min.insync.replicas", "2", "", "1"), "1", "", "lifted"},
	} {
		topic := capture.Topic{Name: "t", Settings: map[string]string{}, Inherited: map[string]string{}}
		if c.own != "" {
			topic.Settings[c.now.Key] = c.own
		}
		if c.inherited != "" {
			topic.Inherited[c.now.Key] = c.inherited
		}
		lifted, different := compare(topic, actual{replicas: 1, settings: map[string]kadm.Config{c.now.Key: c.now}}, nil)
		got := strings.Repeat("lifted", len(lifted)) + strings.Repeat("different", len(different))
		if got != c.want {
			t.Errorf("%s: %q, want %q: %+v", name, got, c.want, different)
		}
		if len(different) > 0 && different[0].Reason == "" {
			t.Errorf("%s: different without a reason", name)
		}
	}
}

// A setting that no broker of the target knows is different, and says so.
func TestSettingsThatTheTargetDoesNotKnow(t *testing.T) {
	t.Parallel()
	topic := capture.Topic{Settings: map[string]string{"message.timestamp.difference.max.ms": "5"}}
	if lifted, different := compare(topic, actual{}, nil); len(lifted) != 0 || len(different) != 1 || different[0].Reason != "the brokers do not know it" {
		t.Errorf("lifted %+v, different %+v", lifted, different)
	}
}

// A replay may ask for other settings than a topic had, in every version of Kafka: each of them
// is lifted, so that finish puts it back.
func TestEverySettingThatAReplayRaisesIsLifted(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1", "message.timestamp.type": "CreateTime",
		"message.timestamp.before.max.ms": "9223372036854775807", "message.timestamp.after.max.ms": "9223372036854775807",
		"message.timestamp.difference.max.ms": "9223372036854775807", "max.message.bytes": "2000000", "min.insync.replicas": "1",
	} {
		topic := capture.Topic{Settings: map[string]string{}, Inherited: map[string]string{}}
		now := actual{replicas: 3, settings: map[string]kadm.Config{name: config(name, value, "", "3")}}
		if lifted, different := compare(topic, now, nil); len(lifted) != 1 || lifted[0].Name != name || len(different) != 0 {
			t.Errorf("%s=%s: lifted %+v, different %+v", name, value, lifted, different)
		}
	}
	// These are all that advice and errors of a replay name.
	named := map[string]bool{}
	for _, path := range []string{"../target/topic.go", "../replay/writer.go"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`(?:message\.timestamp|retention|cleanup|max\.message)\.[a-z.]+[a-z]`).FindAllString(string(text), -1) {
			named[name] = true
		}
	}
	for name := range named {
		if !slices.Contains(liftable, name) {
			t.Errorf("a replay asks for %s, and finish would not put it back", name)
		}
	}
	if len(named) < 8 {
		t.Errorf("%d settings are named: %v", len(named), named)
	}
}
