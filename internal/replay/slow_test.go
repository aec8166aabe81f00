package replay

import (
	"context"
	"errors"
	"iter"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// TestFewRecordsForLong: Kafka gives up what stands open for a minute. A transaction is
// committed when its time is over although it has few records, because they are large.
func TestFewRecordsForLong(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	request, options := requestOf(50, 1), optionsOf(cluster)
	options.Batches = map[string]recordbatch.Shape{"target": {Codec: recordbatch.Uncompressed, Bytes: 500}}
	var committed atomic.Int64
	options.Committed = func(records, _ int64) { committed.Add(records) }
	slow := doingAt(archived(50, 600), 5, func() error {
		time.Sleep(maxTime + 100*time.Millisecond)
		return nil
	})
	replayAll(t, request, doingAt(slow, 8, func() error {
		if committed.Load() == 0 {
			return errors.New("nothing is committed yet")
		}
		return nil
	}), options)
}

// waitingAt is a source that once gives nothing from an offset on before something has
// happened.
func waitingAt(source Source, offset int64, wait func(context.Context) error) Source {
	var once sync.Once
	return func(ctx context.Context, p Part, span Span) iter.Seq2[baldr.Record, error] {
		return doingAt(source, offset, func() (err error) {
			once.Do(func() { err = wait(ctx) })
			return err
		})(ctx, p, span)
	}
}

// TestASilentSource: the archive gives no record for longer than Kafka waits, or none that
// is asked for. What was written before is committed meanwhile, and the run goes on.
func TestASilentSource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		until        int64
		want, offset int64
	}{
		{"no records", math.MaxInt64, 18, 21},
		{"none that are asked for", 1_700_000_000_005, 5, 40},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			request, options := requestOf(50, 1), optionsOf(cluster)
			request.Parts[0].Ask.Until = c.until
			options.silence = 100 * time.Millisecond
			committed := make(chan int64, 50)
			options.Committed = func(records, _ int64) { committed <- records }
			silent := false
			source := waitingAt(archived(50, 10), c.offset, func(ctx context.Context) error {
				silent = true
				select {
				case records := <-committed:
					if records != c.want {
						t.Errorf("%d records were committed in the silence, want the %d before it", records, c.want)
					}
					return nil
				case <-ctx.Done():
					return context.Cause(ctx)
				case <-time.After(20 * maxTime):
					return errors.New("nothing is committed")
				}
			})
			outlook := replayAll(t, request, source, options)
			if left := wants(t, lookOf(t, request, source, options), source); !silent || left > 0 {
				t.Errorf("silent %v, %d records are left", silent, left)
			}
			if c.until == math.MaxInt64 {
				mustHoldAll(t, cluster, request, archived(50, 10), outlook)
			}
		})
	}
}

// TestASilenceWithAFault: what is committed while the archive is silent is refused. Nobody
// waits for the archive any longer: the run ends with what the target says if that is
// final, and goes on with the records before the silence if it passes.
func TestASilenceWithAFault(t *testing.T) {
	t.Parallel()
	for _, with := range []*kerr.Error{kerr.UnknownServerError, kerr.OutOfOrderSequenceNumber} {
		t.Run(with.Message, func(t *testing.T) {
			t.Parallel()
			cluster := startCluster(t, 1)
			request, options := requestOf(50, 1), optionsOf(cluster)
			options.silence = 100 * time.Millisecond
			key, final := kmsg.EndTxn, true
			if with == kerr.OutOfOrderSequenceNumber {
				key, final = kmsg.Produce, false
			}
			hits := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: with, Count: 1, TopLevel: final})
			var silences atomic.Int64
			source := waitingAt(archived(50, 10), 21, func(ctx context.Context) error {
				silences.Add(1)
				<-ctx.Done()
				return context.Cause(ctx)
			})
			_, err := Start(t.Context(), request, source, options)
			if final != errors.Is(err, with) || !final && err != nil {
				t.Errorf("error %v", err)
			}
			if hits.Hits() != 1 || silences.Load() != 1 {
				t.Errorf("%d faults, %d silences", hits.Hits(), silences.Load())
			}
			mustHoldAll(t, cluster, request, archived(50, 10), replayAll(t, request, archived(50, 10), optionsOf(cluster)))
		})
	}
}
