//go:build real

package replay

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// The same sequences on Apache Kafka, as many as fit into some seconds. There, the end
// of a transaction comes to its partitions after the answer, topics are made and deleted
// behind the answer, and a run that was killed may have requests at work.
func TestSequencesOnKafka(t *testing.T) {
	t.Parallel()
	brokers := localservices.Kafka(t)
	deadline, n := time.Now().Add(20*time.Second), 0
	rapid.Check(t, func(t *rapid.T) {
		if n > 0 && time.Now().After(deadline) {
			return
		}
		n++
		w := newWorld(t, []string{brokers}, func() {})
		w.prefix, w.patience = fmt.Sprintf("sequence-%d-%d-", time.Now().UnixNano(), n), 10*time.Second
		w.run(t, 8)
	})
	t.Logf("%d sequences", n)
}
