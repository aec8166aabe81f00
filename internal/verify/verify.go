// Package verify tells whether the tables, the bucket and, if asked, Kafka agree. A
// person runs it; nothing in AWS does. It writes nothing. Its tests are in
// internal/bifrost: they damage what the rules there have archived.
//
// Reading order:
//
//	verify.go     one run: which partitions there are, what is counted
//	violation.go  what can be wrong, and what a person does about it
//	partition.go  the rows of a partition, and its progress row
//	objects.go    the objects of a partition, each with its row
//	contents.go   every byte of an object (--deep)
//	kafka.go      every record that Kafka still has (--kafka)
//	marker.go     who owns a topic's path, and where a cut log goes on
//	marks.go      whether the tables are older than the bucket
//	share.go      the same in shares, for a job that is done by many
//	record.go     what is kept of a verification in the bucket
package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// TableReader is all that verify asks of the ledger. Nothing in it writes.
type TableReader interface {
	bifrost.Overview
	// Mark is MarkKeeper.Mark.
	Mark(ctx context.Context) (bifrost.TablesMark, error)
	// Progress reads one progress row, consistently; ErrNotFound when there is none.
	Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error)
	// Row reads one row, consistently; ErrNotFound when there is none.
	Row(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error)
	// Rows reads the rows of a partition with Start >= from in order, consistently, at most limit.
	Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error)
}

// BucketReader is all that verify asks of the bucket. Nothing in it writes.
type BucketReader interface {
	// Open is Store.Open.
	Open(ctx context.Context, key string) (bifrost.Object, error)
	// List is Bucket.List.
	List(ctx context.Context, prefix, after string, limit int) ([]string, error)
}

// Verifier compares the tables, the bucket and, if asked, Kafka with each
// other. It changes nothing, so it may run next to the stack at any time: what
// looks wrong only because a worker moved on meanwhile is read again before it
// is called a violation.
type Verifier struct {
	Group   string // first element of every key
	Ledger  TableReader
	Bucket  BucketReader
	Cluster bifrost.Cluster // for Options.Kafka only
	Source  bifrost.Source  // for Options.Kafka only
	Now     func() time.Time
	// Expiration is the age at which the bucket deletes objects, 0 never: one that
	// may have been deleted so is not missed.
	Expiration time.Duration
	Parallel   int // objects looked at concurrently; 0 or 1 uses no goroutine
}

// Options say how far to look. The zero value looks at every topic, by
// tables and bucket alone, and downloads the tail of each object, no more.
type Options struct {
	Topics bifrost.TopicFilter // of Kafka's names
	Deep   bool                // download and decode every object, and count again
	Kafka  bool                // compare record by record what Kafka still has
	// Gap is called for every recorded gap: a row that is LOST. A gap on record
	// is no violation. nil: nobody wants to know. Calls come one at a time.
	Gap func(bifrost.Row)
}

// Summary is what a verification looked at and found.
type Summary struct {
	Partitions     int   `json:"partitions"`
	Rows           int64 `json:"rows"`    // of the objects table
	Planned        int64 `json:"planned"` // of them, not settled yet
	Objects        int64 `json:"objects"` // in the bucket
	bifrost.Totals       // sums over the settled rows

	// Ahead counts rows and objects that a rebuild has not reached yet: the next
	// ticks plan along them.
	Ahead int64 `json:"ahead"`

	Gaps map[string]int64 `json:"gaps"` // offsets in recorded gaps, by reason

	Expired int64 `json:"expired"` // settled rows whose object the bucket has deleted because of its age

	// NoChecksum counts objects of which the store keeps no checksum of the whole: their bytes are
	// compared by a deep look only.
	NoChecksum int64 `json:"no_checksum"`

	DecodedObjects  int64 `json:"decoded_objects"`  // deep: read to their end
	ComparedRecords int64 `json:"compared_records"` // Kafka: found equal
	// NotCompared counts archived offsets that nothing in Kafka can be compared
	// with: deleted by now, or written as values only.
	NotCompared int64 `json:"not_compared"`

	Violations int64          `json:"violations"`
	Kinds      map[Kind]int64 `json:"kinds"`
}

// Verify looks at everything and reports each violation as soon as it is sure
// of it, in calls that come one at a time. Memory does not grow with the archive,
// only with the number of partitions.
//
// The error says what could not be looked at: without it, and without a
// violation, the archive is what the tables say. docs/verify.md tells what each
// kind means.
func (v *Verifier) Verify(ctx context.Context, options Options, report func(Violation)) (Summary, error) {
	return v.look(options, report, func(run *verification) error { return run.checkAll(ctx) })
}

func (v *Verifier) look(options Options, report func(Violation), at func(*verification) error) (Summary, error) {
	run := &verification{
		Verifier: v, options: options, report: report, crew: parallel.NewCrew(v.Parallel),
		summary: Summary{Gaps: map[string]int64{}, Kinds: map[Kind]int64{}},
		born:    map[string]bool{},
	}
	err := at(run)
	return run.summary, errors.Join(err, run.failure())
}

// verification is one run of Verify. The mutex guards what partitions looked at
// concurrently report.
type verification struct {
	*Verifier
	options Options
	report  func(Violation)
	crew    parallel.Crew
	live    map[liveKey]bifrost.Observation // what Kafka has, if asked
	born    map[string]bool                 // topics whose partitions all have a birth object
	muted   bool                            // what is found is another share's to report

	mutex    sync.Mutex
	summary  Summary
	failures []error
	unread   int // how many failures there were in all
}

// checkAll finds the partitions and looks at each. The bucket is listed before the
// table is read: a progress row is made before the first object, so an object
// without one is no matter of timing.
func (v *verification) checkAll(ctx context.Context) error {
	inBucket, err := bifrost.ListPartitions(ctx, v.Bucket, v.Group, v.strayKey)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	progress, err := v.Ledger.ListProgress(ctx)
	if err != nil {
		return fmt.Errorf("verify: read the progress table: %w", err)
	}
	planned, err := v.Ledger.ListPlanned(ctx)
	if err != nil {
		return fmt.Errorf("verify: read the planned ranges: %w", err)
	}
	if err := v.askKafka(ctx, progress); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	v.checkMarkers(ctx, progress)
	if err := v.checkMarks(ctx, progress); err != nil {
		v.addFailure(err)
	}
	v.each(ctx, bifrost.KnownPartitions(v.options.Topics, inBucket, progress, planned))
	return nil
}

// each looks at partitions side by side. Where ctx ends meanwhile, what could not be looked at is a
// failure; what is through counts.
func (v *verification) each(ctx context.Context, partitions []bifrost.Partition) {
	parallel.Each(v.crew, partitions, func(p bifrost.Partition) {
		if err := v.checkPartition(ctx, p); err != nil {
			v.addFailure(fmt.Errorf("topic %s partition %d: %w", p.Name, p.Number, err))
		}
	})
}

func (v *verification) reportViolation(violation Violation) {
	if v.muted {
		return
	}
	violation.Next = violation.Kind.nextStep()
	violation.KafkaTopic = bifrost.Partition{Name: violation.Topic}.Topic()
	if violation.Partition >= 0 {
		violation.Name = violation.Topic
	}
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.summary.Violations++
	v.summary.Kinds[violation.Kind]++
	v.report(violation)
}

func (v *verification) count(add func(*Summary)) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	add(&v.summary)
}

// addFailure keeps what could not be looked at.
func (v *verification) addFailure(err error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	bifrost.AddFailure(&v.failures, &v.unread, err)
}

func (v *verification) failure() error {
	if v.unread == 0 {
		return nil
	}
	return fmt.Errorf("verify: %d things could not be looked at, so nothing is said about them; run it again: %w",
		v.unread, errors.Join(v.failures...))
}
