package replay

import (
	"errors"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// TestFewRecordsForLong: Kafka gives up what stands open for a minute. A transaction is
// committed when its time is over although it has few records, be it that they are large
// or that those which follow are not asked for.
func TestFewRecordsForLong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		until        int64
		batch        int64
		pause, later int64 // offsets
	}{
		{"large records", math.MaxInt64, 500, 5, 8},
		{"most are not asked for", 1_700_000_000_005, 1 << 20, 5, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			request, options := requestOf(50, 1), optionsOf(cluster)
			request.Parts[0].Ask.Until = c.until
			options.Batches = map[string]recordbatch.Shape{"target": {Codec: recordbatch.Uncompressed, Bytes: c.batch}}
			var committed atomic.Int64
			options.Committed = func(records, _ int64) { committed.Add(records) }
			slow := doingAt(archived(50, 600), c.pause, func() error {
				time.Sleep(maxTime + 100*time.Millisecond)
				return nil
			})
			replayAll(t, request, doingAt(slow, c.later, func() error {
				if committed.Load() == 0 {
					return errors.New("nothing is committed yet")
				}
				return nil
			}), options)
		})
	}
}
