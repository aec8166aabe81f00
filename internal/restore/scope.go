// What is asked for of a capture.

package restore

import (
	"context"
	"iter"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// Scope is what is asked for of a capture. Topics are always.
type Scope struct {
	Topics bifrost.TopicFilter
	Groups bool
	ACLs   bool
}

// A Restorer restores one capture into one cluster.
type Restorer struct {
	Scope
	Snapshot capture.Snapshot
	Archive  *readback.Reader
	Client   []kgo.Opt          // how to reach the target
	Codec    *recordbatch.Codec // of the batches; nil for what each topic keeps
	Parallel int                // partitions written side by side, at least 1
	Throttle int64              // bytes of keys and values a second; 0 for none
	Now      func() time.Time

	Begun     func(total, done int64)    // called before records are written; nil for nobody
	Committed func(records, bytes int64) // called after each transaction, by one goroutine at a time
}

// source reads the archive for a replay.
func (r *Restorer) source(ctx context.Context, p replay.Part, span replay.Span) iter.Seq2[baldr.Record, error] {
	return r.Archive.Records(ctx, readback.Query{
		Partition: p.Source,
		Offsets:   bifrost.Range{Start: span.Start, End: span.End},
	})
}

// request is what a replay is asked to write.
func request(parts []replay.Part) replay.Request { return replay.Request{Parts: parts} }
