//go:build real && soak

package replay

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// TestABrokerIsKilled: a broker is killed while batches are on their way, and started
// again. The same run goes on, and each record is there once and in order.
func TestABrokerIsKilled(t *testing.T) {
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	const records, kills = 60_000, 3
	all := archived(records, 2_000)
	request, options := replayOn(t, broker.Addr(), "killed", records)
	var taken atomic.Int64
	source := func(ctx context.Context, p Part, span Span) iter.Seq2[baldr.Record, error] {
		return func(yield func(baldr.Record, error) bool) {
			for r, err := range all(ctx, p, span) {
				taken.Store(r.Offset)
				if !yield(r, err) {
					return
				}
			}
		}
	}
	ended := make(chan error, 1)
	go func() {
		_, err := Start(t.Context(), request, source, options)
		ended <- err
	}()
	for kill := range int64(kills) {
		for until := (kill + 1) * records / (kills + 1); taken.Load() < until; {
			select {
			case err := <-ended:
				t.Fatalf("the run ended before kill %d: %v", kill, err)
			case <-time.After(time.Millisecond):
			}
		}
		if err := broker.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := broker.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	mustHaveOnce(t, broker.Addr(), request, all)
}

// TestAQuota: a target that takes little, and holds its answers back, gets no more than it
// answers before Kafka gives a transaction up.
func TestAQuota(t *testing.T) {
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	const records, client = 2_500, "slow"
	source := archived(records, 2_000)
	request, options := replayOn(t, broker.Addr(), "quota", records)
	options.Client = append(options.Client, kgo.ClientID(client))
	options.transactionTimeout = 15 * time.Second
	admin, err := kgo.NewClient(options.Client...)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	name := client
	answers, err := kadm.NewClient(admin).AlterClientQuotas(t.Context(), []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "client-id", Name: &name}},
		Ops:    []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: 100_000}},
	}})
	if err := errors.Join(err, answers[0].Err); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), request, source, options); err != nil {
		t.Fatal(err)
	}
	mustHaveOnce(t, broker.Addr(), request, source)
}
