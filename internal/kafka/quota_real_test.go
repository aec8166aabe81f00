//go:build real

package kafka

import (
	"crypto/rand"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// waits counts the answers of brokers that ask to be left alone.
type waits struct {
	mu      sync.Mutex
	longest time.Duration
	n       int
}

// OnBrokerThrottle implements kgo.HookBrokerThrottle.
func (w *waits) OnBrokerThrottle(_ kgo.BrokerMetadata, wait time.Duration, _ bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n++
	w.longest = max(w.longest, wait)
}

// limit gives a client ID a quota, and waits until the broker has heard of it.
func (r *real) limit(t *testing.T, clientID, quota string, value float64) {
	t.Helper()
	entity := kadm.ClientQuotaEntity{{Type: "client-id", Name: &clientID}}
	entry := kadm.AlterClientQuotaEntry{Entity: entity, Ops: []kadm.AlterClientQuotaOp{{Key: quota, Value: value}}}
	if _, err := r.admin.AlterClientQuotas(t.Context(), []kadm.AlterClientQuotaEntry{entry}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the quota", func() bool {
		described, err := r.admin.DescribeClientQuotas(t.Context(), true, []kadm.DescribeClientQuotaComponent{{Type: "client-id", MatchType: 0, MatchName: &clientID}})
		if err != nil {
			t.Fatal(err)
		}
		return len(described) == 1 && len(described[0].Values) == 1
	})
}

// TestRealQuota archives a topic with a quota that lets the broker be deaf for
// longer than the client's patience. It also sees the manners that the quota of
// quota_test.go has.
func TestRealQuota(t *testing.T) {
	t.Parallel()
	r := newReal(t, nil)
	const batches, size = 30, 100_000
	for range batches {
		value := make([]byte, size)
		_, _ = rand.Read(value)
		r.produce(t, &kgo.Record{Value: value})
	}
	seen := new(waits)
	r.limit(t, r.topic, "consumer_byte_rate", 200_000)
	r.client = connectFor(t, r.brokers, 4*time.Second, kgo.ClientID(r.topic), kgo.WithHooks(seen))
	s := newRealSchedule(r, 1<<30)
	p := s.round(t)
	if p.NextOffset != batches || p.Records != batches || len(s.failures) > 0 {
		t.Errorf("%d records up to offset %d, failures %q", p.Records, p.NextOffset, s.failures)
	}
	if seen.longest <= 4*time.Second {
		t.Errorf("%d waits of at most %s: the quota was not felt", seen.n, seen.longest)
	}
	t.Logf("%d waits, the longest of %s", seen.n, seen.longest)

	// What the quota is used up by is answered with no topic at all.
	f := &fetcher{client: r.client, topic: r.topic, id: r.id, end: batches, leader: -1, epoch: -1, replica: -1}
	if err := f.locateLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
	empty := false
	for range 20 {
		answer, err := r.client.kgo.Broker(int(f.leader)).Request(t.Context(), f.newRequest(0))
		if err != nil {
			t.Fatal(err)
		}
		if fetched := answer.(*kmsg.FetchResponse); fetched.ThrottleMillis > 0 {
			empty = len(fetched.Topics) == 0 && fetched.ErrorCode == 0
			break
		}
	}
	if !empty {
		t.Error("a fetch beyond the quota is not answered as quota_test.go has it")
	}
}

// TestRealRequestQuota asks for everything with a quota of next to no time on the
// broker: each answer is whole, and comes with a second to wait.
func TestRealRequestQuota(t *testing.T) {
	t.Parallel()
	r := newReal(t, nil)
	r.produce(t, values(10, "%d")...)
	seen := new(waits)
	r.limit(t, r.topic, "request_percentage", 0.001)
	r.client = connectFor(t, r.brokers, defaultPatience, kgo.ClientID(r.topic), kgo.WithHooks(seen))
	if _, _, err := r.client.Topics(t.Context()); err != nil {
		t.Error(err)
	}
	if answers, err := r.client.Find(t.Context(), []string{r.topic}); err != nil || answers[r.topic].Err != nil {
		t.Errorf("answers %v, error %v", answers, err)
	}
	if o := r.offsets(t); o.LastStable != 10 {
		t.Errorf("offsets %+v", o)
	}
	if answers, err := r.client.Retention(t.Context(), []string{r.topic}); err != nil || answers[r.topic].Err != nil {
		t.Errorf("answers %v, error %v", answers, err)
	}
	tp := bifrost.TopicPartition{Topic: r.topic}
	if answers, err := r.client.EpochEnds(t.Context(), map[bifrost.TopicPartition]int32{tp: 0}); err != nil || answers[tp].Err != nil {
		t.Errorf("answers %v, error %v", answers, err)
	}
	if seen.n < 5 {
		t.Errorf("%d waits: the quota was not felt", seen.n)
	}
	t.Logf("%d waits, the longest of %s", seen.n, seen.longest)
}
