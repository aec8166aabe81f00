package bifrost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// TableReader is all that verify asks of the ledger. Nothing in it writes.
type TableReader interface {
	Overview
	// Mark is MarkKeeper.Mark.
	Mark(ctx context.Context) (TablesMark, error)
	// Progress reads one progress row, consistently; ErrNotFound when there is none.
	Progress(ctx context.Context, p Partition) (Progress, error)
	// Row reads one row, consistently; ErrNotFound when there is none.
	Row(ctx context.Context, p Partition, start int64) (Row, error)
	// Rows reads the rows of a partition with Start >= from in order, consistently, at most limit.
	Rows(ctx context.Context, p Partition, from int64, limit int) ([]Row, error)
}

// BucketReader is all that verify asks of the bucket. Nothing in it writes.
type BucketReader interface {
	// Open is Store.Open.
	Open(ctx context.Context, key string) (Object, error)
	// List is Shelf.List.
	List(ctx context.Context, prefix, after string, limit int) ([]string, error)
}

// Verifier compares the tables, the bucket and, if asked, Kafka with each
// other. It changes nothing, so it may run beside the stack at any time: what
// looks wrong only because a worker moved on meanwhile is read again before it
// is called a violation.
type Verifier struct {
	Group   string // first element of every key
	Ledger  TableReader
	Bucket  BucketReader
	Cluster Cluster // for VerifyOptions.Kafka only
	Source  Source  // for VerifyOptions.Kafka only
	Now     func() time.Time
	// Expiration is the age at which the bucket deletes objects, 0 never: one that
	// may have been deleted so is not missed.
	Expiration time.Duration
	Parallel   int // objects looked at side by side; 0 or 1 uses no goroutine
}

// VerifyOptions say how far to look. The zero value looks at every topic, by
// tables and bucket alone, and downloads the tail of each object, no more.
type VerifyOptions struct {
	Topics TopicFilter // of Kafka's names
	Deep   bool        // download and decode every object, and count again
	Kafka  bool        // compare record by record what Kafka still has
	// Gap is called for every recorded gap: a row that is LOST. A gap on record
	// is no violation. nil: nobody wants to know. Calls come one at a time.
	Gap func(Row)
}

// VerifySummary is what a verification looked at and found.
type VerifySummary struct {
	Partitions int   `json:"partitions"`
	Rows       int64 `json:"rows"`    // of the objects table
	Planned    int64 `json:"planned"` // of them, not settled yet
	Objects    int64 `json:"objects"` // in the bucket
	Totals           // sums over the settled rows

	// Ahead counts rows and objects that a rebuild has not reached yet: the next
	// ticks plan along them.
	Ahead int64 `json:"ahead"`

	Gaps map[string]int64 `json:"gaps"` // offsets in recorded gaps, by reason

	Expired int64 `json:"expired"` // settled rows whose object the bucket has deleted because of its age

	DecodedObjects  int64 `json:"decoded_objects"`  // deep: read to their end
	ComparedRecords int64 `json:"compared_records"` // Kafka: found equal
	// NotCompared counts archived offsets that nothing in Kafka can be compared
	// with: deleted by now, or written as values only.
	NotCompared int64 `json:"not_compared"`

	Violations int64                   `json:"violations"`
	Kinds      map[ViolationKind]int64 `json:"kinds"`
}

// Verify looks at everything and reports each violation as soon as it is sure
// of it, in calls that come one at a time. Memory does not grow with the archive,
// only with the number of partitions.
//
// The error says what could not be looked at: without it, and without a
// violation, the archive is what the tables say. docs/verify.md tells what each
// kind means.
func (v *Verifier) Verify(ctx context.Context, options VerifyOptions, report func(Violation)) (VerifySummary, error) {
	run := &verification{
		Verifier: v, options: options, report: report, crew: parallel.NewCrew(v.Parallel),
		summary: VerifySummary{Gaps: map[string]int64{}, Kinds: map[ViolationKind]int64{}},
		born:    map[string]bool{},
	}
	err := run.all(ctx)
	return run.summary, errors.Join(err, run.failed())
}

// verification is one run of Verify. The mutex guards what partitions looked at
// side by side report.
type verification struct {
	*Verifier
	options VerifyOptions
	report  func(Violation)
	crew    parallel.Crew
	live    map[rowKey]Observation // what Kafka has, if asked
	born    map[string]bool        // topics whose partitions all have a birth object

	mutex    sync.Mutex
	summary  VerifySummary
	failures []error
	unread   int // how many failures there were in all
}

// all finds the partitions and looks at each. The bucket is listed before the
// table is read: a progress row is made before the first object, so an object
// without one is no matter of timing.
func (v *verification) all(ctx context.Context) error {
	if err := v.askKafka(ctx); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	inBucket, err := survey(ctx, v.Bucket, v.Group, v.strayKey)
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
	v.markers(ctx, progress)
	if err := v.marks(ctx, progress); err != nil {
		v.fail(err)
	}
	parallel.Each(v.crew, knownPartitions(v.options.Topics, inBucket, progress, planned), func(p Partition) {
		if err := v.partition(ctx, p); err != nil {
			v.fail(fmt.Errorf("topic %s partition %d: %w", p.Name, p.Number, err))
		}
	})
	return ctx.Err()
}

// knownPartitions is every partition that the bucket, the progress table or the
// index of planned rows knows, of the topics that the filter selects, in order.
func knownPartitions(filter TopicFilter, inBucket []Partition, progress []Progress, planned []Row) []Partition {
	all := slices.Clone(inBucket)
	for _, p := range progress {
		all = append(all, p.Partition)
	}
	for _, r := range planned {
		all = append(all, r.Partition)
	}
	all = slices.DeleteFunc(all, func(p Partition) bool { return !filter.Selects(p.Topic()) })
	slices.SortFunc(all, comparePartitions)
	return slices.Compact(all)
}

func comparePartitions(a, b Partition) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number))
}

func (v *verification) violate(violation Violation) {
	violation.Next = violation.Kind.next()
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.summary.Violations++
	v.summary.Kinds[violation.Kind]++
	v.report(violation)
}

func (v *verification) count(add func(*VerifySummary)) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	add(&v.summary)
}

// fail keeps what could not be looked at. The first few are told, the rest are counted.
func (v *verification) fail(err error) {
	v.mutex.Lock()
	defer v.mutex.Unlock()
	v.unread++
	if len(v.failures) < MaxReportedFailures {
		v.failures = append(v.failures, err)
	}
}

func (v *verification) failed() error {
	if v.unread == 0 {
		return nil
	}
	return fmt.Errorf("verify: %d things could not be looked at, so nothing is said about them; run it again: %w",
		v.unread, errors.Join(v.failures...))
}
