package target

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// TestTheLargestOfSeveralRecordsIsNamed: in whatever order they come, with what it would take.
func TestTheLargestOfSeveralRecordsIsNamed(t *testing.T) {
	t.Parallel()
	orders := [][]int{{10, 3000, 2000}, {3000, 2000, 10}, {2000, 10, 3000}, {2000, 3000, 10}}
	for _, sizes := range orders {
		topic := Topic{Exists: true, Batches: recordbatch.Shape{Bytes: 1000}}
		gauge := topic.newGauge(1500+requestOverhead, &budget{})
		unread := topic.newGauge(1<<20, &budget{})
		for i, size := range sizes {
			gauge.Record(bifrost.Partition{Name: "t", Number: int32(size)}, &baldr.Record{Offset: int64(i), Value: make([]byte, size)})
			unread.Member(baldr.MemberFacts{Records: 2, RawBytes: int64(size), HasEnvelope: true}, true)
		}
		for name, said := range map[string]outsize{"no batch of the topic": gauge.tooLarge, "no request": gauge.tooLong} {
			if sizes[said.offset] != 3000 || said.partition.Number != 3000 || said.bytes < 3000 || said.bytes > 3100 {
				t.Errorf("records of %v: that fits into %s: %+v", sizes, name, said)
			}
		}
		if gauge.largest < 3000 || unread.unread < 2900 || unread.unread > 3200 {
			t.Errorf("records of %v: the largest has %d bytes, one that was not read %d", sizes, gauge.largest, unread.unread)
		}
	}
}

// TestTheLimitIsForWhatTheBrokerKeepsToo: a batch that comes small is too large once the broker has made of it
// what it keeps.
func TestTheLimitIsForWhatTheBrokerKeepsToo(t *testing.T) {
	t.Parallel()
	zstd := recordbatch.Zstd
	for kept, want := range map[string]bool{"uncompressed": true, "producer": false, "zstd": false} {
		topic := Topic{Exists: true}
		topic.chooseBatches(settingsOf("max.message.bytes=1000 compression.type="+kept), &zstd)
		gauge := topic.newGauge(1<<20, &budget{left: 1 << 20})
		if read := gauge.Member(baldr.MemberFacts{Records: 1, RawBytes: 5000, HasEnvelope: true}, true); !read {
			t.Errorf("%s: the record is not looked at", kept)
		}
		gauge.Record(bifrost.Partition{Name: "t"}, &baldr.Record{Value: make([]byte, 5000)})
		if got := gauge.tooLarge.bytes > 5000; got != want || want && gauge.tooLarge.codec != recordbatch.Uncompressed {
			t.Errorf("%s is kept: %+v, want one that is too large: %v", kept, gauge.tooLarge, want)
		}
	}
}

// TestAllTopicsShareABudget: and one that cannot be written is not looked at; what fails is said with the topic.
func TestAllTopicsShareABudget(t *testing.T) {
	t.Parallel()
	var reads, measured atomic.Int32
	measure := func(_ context.Context, g *Gauge) error {
		measured.Add(1)
		if g.Member(baldr.MemberFacts{Records: 2, RawBytes: lookBytes, HasEnvelope: true}, false) {
			reads.Add(1)
		}
		return nil
	}
	look := &Look{}
	for i := range 3 {
		look.Topics = append(look.Topics, Topic{Need: Need{Topic: fmt.Sprint("t", i), Measure: measure}, Exists: true})
	}
	look.Topics[1].Obstacles = []string{"it does not exist"}
	if err := look.Measure(t.Context()); err != nil || measured.Load() != 2 || reads.Load() != 1 {
		t.Errorf("%d topics were looked at, the budget was spent %d times: %v", measured.Load(), reads.Load(), err)
	}
	look.Topics[2].Measure = func(context.Context, *Gauge) error { return kerr.NotController }
	if err := look.Measure(t.Context()); err == nil || !strings.Contains(err.Error(), "topic t2: NOT_CONTROLLER") {
		t.Errorf("error %v", err)
	}
	look.Topics[0].Measure = func(context.Context, *Gauge) error { return fmt.Errorf("open k: %w", bifrost.ErrNotFound) }
	look.Topics[2].Measure = func(context.Context, *Gauge) error { return &baldr.FormatError{Err: baldr.ErrDamaged} }
	err := look.Measure(t.Context())
	reasons := look.Refused(true)
	if err != nil || len(reasons) != 3 || !strings.HasPrefix(reasons[0], "topic t0: its records cannot be read: open k: not found. bifrost verify") ||
		!strings.Contains(reasons[2], "topic t2: its records cannot be read: baldr: byte 0: damaged") {
		t.Errorf("what is damaged stands against its topic alone: %q, %v", reasons, err)
	}
	measured.Store(0)
	look.Obstacles = []string{"no transactions"}
	if err := look.Measure(t.Context()); err != nil || measured.Load() != 0 {
		t.Errorf("%d topics were looked at although nothing can be written: %v", measured.Load(), err)
	}
}

// TestALookNamesEveryReason: of the cluster and of each topic, all obstacles and all problems, in order.
func TestALookNamesEveryReason(t *testing.T) {
	t.Parallel()
	look := Look{Obstacles: []string{"o1", "o2"}, Topics: []Topic{
		{Need: Need{Topic: "a"}, Obstacles: []string{"a1", "a2"}, Problems: []string{"p1", "p2"}, Batches: recordbatch.Shape{Bytes: 1}},
		{Need: Need{Topic: "b"}, Obstacles: []string{"b1"}, Problems: []string{"p3"}, Batches: recordbatch.Shape{Bytes: 2}},
	}}
	for force, want := range map[bool]string{
		false: "o1 | o2 | topic a: a1 | topic a: a2 | topic a: p1 | topic a: p2 | topic b: b1 | topic b: p3",
		true:  "o1 | o2 | topic a: a1 | topic a: a2 | topic b: b1",
	} {
		for range 2 {
			if got := strings.Join(look.Refused(force), " | "); got != want {
				t.Errorf("by force %v: refused for %s, want %s", force, got, want)
			}
		}
	}
	if got := look.Batches(); len(got) != 2 || got["a"].Bytes != 1 || got["b"].Bytes != 2 {
		t.Errorf("batches %v", got)
	}
}

// TestTopicsThatDiffer: each of several is looked at by its own need: partitions that are written count, not
// those it would be made with; a topic that brokers leave out is none; the one that keeps positions is made by
// others, and need not be there.
func TestTopicsThatDiffer(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.hasTopics(map[string]func(*kmsg.MetadataResponseTopic){
		"wide": asItIs,
		"uneven": func(topic *kmsg.MetadataResponseTopic) {
			topic.Partitions[1].Replicas, topic.Partitions[1].ISR = []int32{1}, []int32{1}
		},
	})
	c.hasSettings(map[string]string{"wide": "max.message.bytes=111", "uneven": "max.message.bytes=222", "0": "", "1": "", "2": ""})
	look := c.look(Request{StateTopic: "positions", Needs: []Need{
		{Topic: "wide", Partitions: 9, Fewest: 2}, {Topic: "uneven", Partitions: 1}, {Topic: "missing", Partitions: 1},
	}})
	if reasons := look.Refused(false); len(reasons) != 1 || !strings.Contains(reasons[0], "topic missing: it does not exist") {
		t.Errorf("refused for %q", reasons)
	}
	if got := look.Topics[1].Replicas; got != 3 {
		t.Errorf("the partitions have 3 replicas and 1, told are %d", got)
	}
	if got := look.Batches(); got["wide"].Bytes != 111 || got["uneven"].Bytes != 222 {
		t.Errorf("batches %v", got)
	}
	forgetful := newCluster(t)
	forgetful.answers(kmsg.Metadata, func(r kmsg.Request, _ kmsg.Response) bool { return len(r.(*kmsg.MetadataRequest).Topics) > 0 })
	if reasons := forgetful.look(Request{Needs: needT}).Refused(true); len(reasons) != 1 || !strings.Contains(reasons[0], "topic t: it does not exist") {
		t.Errorf("of a topic that the brokers leave out: refused for %q", reasons)
	}
}

// TestSettingsAreTriedUntilTheyAreTaken: all that are refused are left out, do not come back as inherited ones,
// and what is left is validated once more. The need itself stays as it is.
func TestSettingsAreTriedUntilTheyAreTaken(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		refuses func(settings map[string]string) bool
		bare    bool   // nothing is to be inherited
		refused string // settings that are left out
		made    string // settings beside those that keep what is written
		says    string // the obstacle
	}{
		"nothing is refused":               {func(map[string]string) bool { return false }, false, "", "a=1 b=2 c=3", ""},
		"both are, each alone":             {func(s map[string]string) bool { return s["a"] != "" || s["b"] != "" }, false, "a b", "c=3", ""},
		"only together":                    {func(s map[string]string) bool { return s["a"] != "" && s["b"] != "" }, false, "", "", "it cannot be made: INVALID_CONFIG"},
		"the rest as well":                 {func(s map[string]string) bool { return s["a"] != "" || len(s) > 1 }, false, "a", "", "it cannot be made: INVALID_CONFIG"},
		"the rest, and nothing to inherit": {func(s map[string]string) bool { return s["a"] != "" || len(s) > 1 }, true, "a", "", "it cannot be made: INVALID_CONFIG"},
		"what would be inherited":          {func(s map[string]string) bool { return s["c"] != "" }, false, "", "", "it cannot be made: INVALID_CONFIG"},
	} {
		c := newCluster(t)
		c.hasTopics(nil)
		c.makes(func(asked kmsg.CreateTopicsRequestTopic, answer *kmsg.CreateTopicsResponseTopic) {
			settings := map[string]string{}
			for _, config := range asked.Configs {
				settings[config.Name] = *config.Value
			}
			if x.refuses(settings) {
				answer.ErrorCode = kerr.InvalidConfig.Code
			}
			for _, name := range []string{"a", "b", "c"} {
				config := kmsg.NewCreateTopicsResponseTopicConfig()
				config.Name, config.Value = name, kmsg.StringPtr("0")
				answer.Configs = append(answer.Configs, config)
			}
		})
		need := Need{Topic: "t", Partitions: 1, Settings: settingsOf("a=1 b=2"), Inherited: settingsOf("a=8 b=9 c=3")}
		if x.bare {
			need.Inherited = nil
		}
		look := c.look(Request{Needs: []Need{need}, Create: true})
		topic := look.Topics[0]
		if refused := strings.Join(slices.Sorted(maps.Keys(topic.Refused)), " "); refused != x.refused && x.says == "" {
			t.Errorf("%s: left out %q, want %q", name, refused, x.refused)
		}
		if reasons := look.Refused(true); len(reasons) != min(1, len(x.says)) || x.says != "" && !strings.Contains(reasons[0], x.says) {
			t.Errorf("%s: refused for %q, want %q", name, reasons, x.says)
		}
		want := settingsOf(x.made)
		maps.Copy(want, lasting)
		if x.says == "" && !maps.Equal(topic.Settings, want) {
			t.Errorf("%s: settings %v, want %v", name, topic.Settings, want)
		}
		if !maps.Equal(need.Settings, settingsOf("a=1 b=2")) || !x.bare && !maps.Equal(need.Inherited, settingsOf("a=8 b=9 c=3")) {
			t.Errorf("%s: the need was changed to %v and %v", name, need.Settings, need.Inherited)
		}
	}
}

// TestMakingSeveralTopics: each by its own need and in as many requests as that takes; whatever fails is named,
// and what was made is known.
func TestMakingSeveralTopics(t *testing.T) {
	t.Parallel()
	needs := []Need{{Topic: "a", Partitions: 1, Replicas: 1}, {Topic: "b", Partitions: 2, Replicas: 2}, {Topic: "c", Partitions: 3}}
	for name, x := range map[string]struct {
		refused, silent string // topics
		made            string
		says            []string
	}{
		"all":               {made: "a b c"},
		"two are refused":   {refused: "a b", says: []string{"target topic a: POLICY_VIOLATION", "target topic b: POLICY_VIOLATION", "make it yourself"}},
		"one of the second": {refused: "c", made: "a b", says: []string{"target topic c: POLICY_VIOLATION"}},
		"one has no answer": {silent: "b", made: "a", says: []string{"target topic b: Kafka did not answer for it"}},
	} {
		c := newCluster(t)
		look := c.look(Request{Needs: needs, Create: true})
		got := map[string]string{}
		c.answers(kmsg.CreateTopics, func(r kmsg.Request, a kmsg.Response) bool {
			request, answer := r.(*kmsg.CreateTopicsRequest), a.(*kmsg.CreateTopicsResponse)
			for _, asked := range request.Topics {
				got[asked.Topic] = fmt.Sprint(asked.NumPartitions, asked.ReplicationFactor)
				topic := kmsg.NewCreateTopicsResponseTopic()
				topic.Topic, topic.TopicID = asked.Topic, [16]byte{asked.Topic[0]}
				if strings.Contains(x.refused, asked.Topic) {
					topic.ErrorCode = kerr.PolicyViolation.Code
				}
				if asked.Topic != x.silent {
					answer.Topics = append(answer.Topics, topic)
				}
			}
			return x.says != nil // those of the cluster itself are made
		})
		ctx, cancel := context.WithCancel(t.Context())
		c.answers(kmsg.Metadata, func(r kmsg.Request, _ kmsg.Response) bool {
			if x.says != nil && len(r.(*kmsg.MetadataRequest).Topics) > 0 {
				t.Errorf("%s: waits for topics of which one failed", name)
				cancel()
			}
			return false
		})
		made, err := look.Make(ctx)
		cancel()
		if names := strings.Join(made.Names(), " "); names != x.made || (err == nil) != (x.says == nil) {
			t.Errorf("%s: made %q, want %q; error %v", name, names, x.made, err)
		}
		for _, words := range x.says {
			if err == nil || !strings.Contains(err.Error(), words) {
				t.Errorf("%s: error %v, want %q in it", name, err, words)
			}
		}
		for topic, want := range map[string]string{"a": "1 1", "b": "2 2", "c": "3 -1"} {
			if asked, was := got[topic]; was && asked != want {
				t.Errorf("%s: topic %s is to be made with partitions and replicas %s, want %s", name, topic, asked, want)
			}
		}
	}
}

// TestTopicsThatWereMadeAreWaitedFor: until the leaders of all partitions answer, and then each has to be one
// that these credentials may write.
func TestTopicsThatWereMadeAreWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	topics := map[string]func(*kmsg.MetadataResponseTopic){}
	for _, name := range []string{"a", "b"} {
		topics[name] = func(topic *kmsg.MetadataResponseTopic) {
			if name == "b" {
				topic.AuthorizedOperations = 1 << 3
			}
		}
	}
	c.hasTopics(topics)
	var questions atomic.Int32
	c.answers(kmsg.ListOffsets, func(r kmsg.Request, a kmsg.Response) bool {
		for _, asked := range r.(*kmsg.ListOffsetsRequest).Topics {
			topic := kmsg.NewListOffsetsResponseTopic()
			topic.Topic = asked.Topic
			for _, p := range asked.Partitions {
				partition := kmsg.NewListOffsetsResponseTopicPartition()
				partition.Partition = p.Partition
				if asked.Topic == "b" && p.Partition == 1 && questions.Add(1) <= 2 {
					partition.ErrorCode = kerr.UnknownServerError.Code
				}
				topic.Partitions = append(topic.Partitions, partition)
			}
			a.(*kmsg.ListOffsetsResponse).Topics = append(a.(*kmsg.ListOffsetsResponse).Topics, topic)
		}
		return true
	})
	look := &Look{options: c.options()}
	admin, err := look.newAdministrator()
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	made := &Made{look: look, topics: map[string][16]byte{"a": {1}, "b": {2}}}
	err = made.awaitTopics(t.Context(), admin)
	if err == nil || !strings.Contains(err.Error(), "topic b was made, but these credentials may not write it") {
		t.Errorf("error %v", err)
	}
	if questions.Load() != 3 {
		t.Errorf("the leader that answers the third time was asked %d times", questions.Load())
	}
}

// TestEveryProblemOfATopicIsTold: each by itself and all of them together, and no other.
func TestEveryProblemOfATopicIsTold(t *testing.T) {
	t.Parallel()
	old := func() *Gauge { return told(now.UnixMilli()-30*day, now.UnixMilli()+day) }
	for settings, want := range map[string][]string{
		"cleanup.policy=delete retention.ms=1":                                  {"retention.ms=-1"},
		"cleanup.policy=compact retention.ms=1 retention.bytes=1":               {"cleanup.policy=delete"},
		"cleanup.policy=compact,delete retention.ms=1":                          {"cleanup.policy=delete", "retention.ms=-1"},
		"cleanup.policy=delete,compact retention.bytes=1":                       {"cleanup.policy=delete", "retention.bytes=-1"},
		"cleanup.policy=compact,delete retention.ms=1 retention.bytes=1":        {"cleanup.policy=delete", "retention.ms=-1", "retention.bytes=-1"},
		"message.timestamp.type=LogAppendTime retention.ms=1 retention.bytes=1": {"message.timestamp.type=CreateTime", "retention.ms=-1", "retention.bytes=-1"},
		"message.timestamp.before.max.ms=1 message.timestamp.after.max.ms=1":    {"message.timestamp.before.max.ms=", "message.timestamp.after.max.ms="},
		"message.timestamp.difference.max.ms=1":                                 {"message.timestamp.difference.max.ms=", "message.timestamp.difference.max.ms="},
	} {
		topic := Topic{Need: Need{Topic: "t", MostBytes: 1000}, Exists: true}
		topic.chooseBatches(settingsOf(settings), nil)
		topic.judgeSettings(old(), now)
		if len(topic.Problems) != len(want) {
			t.Errorf("%s: %q, want %q", settings, topic.Problems, want)
		}
		text := strings.Join(topic.Problems, "; ")
		for _, words := range want {
			if !strings.Contains(text, words) {
				t.Errorf("%s: %q, without %q", settings, topic.Problems, words)
			}
		}
	}
}

// TestACoordinatorThatNeedsAMoment: brokers that make the log, or read it after a start, are asked again; another
// refusal is no reason to.
func TestACoordinatorThatNeedsAMoment(t *testing.T) {
	t.Parallel()
	for refusal, passes := range map[*kerr.Error]bool{kerr.CoordinatorNotAvailable: true, kerr.CoordinatorLoadInProgress: true, kerr.ClusterAuthorizationFailed: false} {
		c := newCluster(t)
		c.hasTopics(map[string]func(*kmsg.MetadataResponseTopic){"t": asItIs})
		var asked atomic.Int32
		c.answers(kmsg.FindCoordinator, func(r kmsg.Request, a kmsg.Response) bool {
			if asked.Add(1) > 2 {
				return false
			}
			request, answer := r.(*kmsg.FindCoordinatorRequest), a.(*kmsg.FindCoordinatorResponse)
			answer.ErrorCode = refusal.Code
			for _, key := range request.CoordinatorKeys {
				coordinator := kmsg.NewFindCoordinatorResponseCoordinator()
				coordinator.Key, coordinator.ErrorCode = key, refusal.Code
				answer.Coordinators = append(answer.Coordinators, coordinator)
			}
			return true
		})
		look, err := LookInto(t.Context(), c.options(), Request{Needs: needT, Probe: true, Now: now})
		if (err == nil) != passes || passes && len(look.Refused(true)) > 0 || passes != (asked.Load() > 2) {
			t.Errorf("%v: after %d questions: %v", refusal, asked.Load(), err)
		}
	}
}
