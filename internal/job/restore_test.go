package job

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/capture"
)

// captured is the cluster of an account as a capture reads it, with a group and a rule. What it does not answer, the
// capture says that it lacks.
type captured struct {
	capture.Cluster
	*bifrosttest.Kafka
}

var errUnasked = errors.New("nobody asks for it")

func (c captured) ClusterID(ctx context.Context) (string, error) {
	id, _, err := c.Kafka.Topics(ctx)
	return id, err
}

func (c captured) Overview(ctx context.Context) (capture.Overview, error) {
	id, topics, err := c.Kafka.Topics(ctx)
	all := capture.Overview{ClusterID: id}
	for _, t := range topics {
		all.Topics = append(all.Topics, capture.Topic{Name: t.Name, ID: t.ID, Partitions: make([][]int32, len(t.Partitions))})
	}
	return all, err
}

func (captured) HiddenTopics(context.Context, []string, func(string) bool) (map[string]error, error) {
	return nil, nil
}

func (captured) DescribeBrokers(context.Context, []int32) map[int32]capture.BrokerAnswer { return nil }

func (captured) Features(context.Context) ([]capture.Feature, error) { return nil, errUnasked }

func (captured) TopicSettings(_ context.Context, topics []string) (map[string]capture.SettingsAnswer, error) {
	all := map[string]capture.SettingsAnswer{}
	for _, name := range topics {
		all[name] = capture.SettingsAnswer{Settings: map[string]string{"retention.ms": "86400000"}}
	}
	return all, nil
}

func (captured) ACLs(context.Context) ([]capture.ACL, error) {
	return []capture.ACL{{ResourceType: "TOPIC", ResourceName: "orders", Pattern: "LITERAL", Principal: "User:a", Host: "*",
		Operation: "READ", Permission: "ALLOW"}}, nil
}

func (captured) Quotas(context.Context) ([]capture.Quota, error) { return nil, errUnasked }

func (captured) ScramUsers(context.Context) ([]capture.ScramUser, error) { return nil, errUnasked }

func (captured) Groups(context.Context) ([]capture.Group, []capture.Missing, error) {
	return []capture.Group{{Name: "readers", State: "Empty"}}, nil, nil
}

func (captured) CommittedOffsets(context.Context, []string) map[string]capture.CommittedAnswer {
	at := []capture.Committed{{Partition: 1, Offset: 4, LeaderEpoch: -1}}
	return map[string]capture.CommittedAnswer{"readers": {Offsets: map[string][]capture.Committed{"orders": at}}}
}

func (captured) SeesTransactions(context.Context) error { return nil }

func (captured) CommittingTransactions(context.Context) ([]string, error) { return nil, nil }

func (c captured) Offsets(
	ctx context.Context, topics []bifrost.Topic,
) (map[bifrost.TopicPartition]bifrost.OffsetAnswer, error) {
	return c.Kafka.Offsets(ctx, topics)
}

func (c captured) TopicIDs(ctx context.Context, _ []string) (map[string]bifrost.TopicID, error) {
	_, topics, err := c.Kafka.Topics(ctx)
	all := map[string]bifrost.TopicID{}
	for _, t := range topics {
		all[t.Name] = t.ID
	}
	return all, err
}

// TestARestoreByManyIsARestore: the items have what the catalogue says of them, groups and rules come once every
// record is there and not before, and the report has all that was asked for.
func TestARestoreByManyIsARestore(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.archive("orders", 2, 20)
	capturer := &capture.Capturer{Group: group, Cluster: captured{Kafka: a.source}, Bucket: a.store, Now: a.clock.Now,
		Log: slog.New(slog.DiscardHandler)}
	made, err := capturer.CaptureNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(a.cluster.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	position := func() int64 {
		t.Helper()
		at, err := kadm.NewClient(client).FetchOffsets(t.Context(), "readers")
		if found, some := at.Lookup("orders", 1); err == nil && some {
			return found.At
		}
		return -1
	}
	a.before = func(e Event) error {
		if e.Step == "work" && e.Item.Number == 2 {
			return a.runner.failItem(context.Background(), e, errors.New("the broker has gone fishing"))
		}
		return nil
	}
	spec := Spec{ID: "one", Kind: KindRestore, Topics: []string{"orders"}, To: &Target{Brokers: "b:9092"},
		Restore: &Restore{Capture: made.Key, Groups: true, ACLs: true}}
	if _, err := a.execute(spec); err == nil || !strings.Contains(err.Error(), "1 of 2 items are not done") {
		t.Fatalf("error %v; calls that failed: %q", err, a.told)
	}
	if at := position(); at >= 0 {
		t.Errorf("a group stands at %d before the records are there", at)
	}
	items, err := a.runner.Items(t.Context(), "one")
	if err != nil || len(items) != 2 || items[0].Bytes <= 0 || items[1].Bytes <= 0 || items[0].Records+items[1].Records != 20 {
		t.Errorf("items %+v, error %v", items, err)
	}
	a.before = nil
	report, err := a.execute(map[string]any{"id": "one"})
	if err != nil || report.Restore == nil || len(report.Restore.Groups) != 1 || len(report.Restore.ACLs) != 1 ||
		report.Records != 20 || report.Restore.Records != 20 || report.Bytes != report.Restore.Bytes {
		t.Fatalf("report %+v, of the restore %+v, error %v", report, report.Restore, err)
	}
	if at := position(); at != 4 {
		t.Errorf("the group stands at %d", at)
	}
	a.mustHold("orders", "orders", 2, 20)
}
