package replay

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Here a look gets an old answer, or one from the middle of another run. Whatever it
// concludes, no record is written twice.

// producerOf is another producer of a pair, with a later epoch.
func producerOf(t *testing.T, cluster *kfake.Cluster, p pair) *kgo.Client {
	t.Helper()
	client := clientOf(t, cluster, kgo.TransactionalID(p.transactionalID()), kgo.DefaultProduceTopic("target"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	return client
}

// What the pair has behind its position is seen, however much of it there is: the rest of
// a transaction that was interrupted hides nothing.
func TestMuchBehindAPosition(t *testing.T) {
	t.Parallel()
	for _, first := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		t.Run(fmt.Sprint("committed ", first), func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			options := optionsOf(cluster)
			p := replayAll(t, requestOf(50, 1), archived(50, 10), options).Parts[0].pair
			client := producerOf(t, cluster, p)
			for size := 0; size < tailBytes+1<<20; size += 900_000 {
				if err := client.ProduceSync(t.Context(), &kgo.Record{Value: make([]byte, 900_000)}).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
			if err := client.EndTransaction(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			if first == kgo.TryAbort {
				if err := client.BeginTransaction(); err != nil {
					t.Fatal(err)
				}
				if err := client.ProduceSync(t.Context(), &kgo.Record{Value: []byte("0/50 ")}).FirstErr(); err != nil {
					t.Fatal(err)
				}
				if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
					t.Fatal(err)
				}
			}
			mustRefuse(t, requestOf(100, 1), archived(100, 10), options, AnswerAgain, "the state of this replay is lost")
		})
	}
}
