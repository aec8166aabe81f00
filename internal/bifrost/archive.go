// How a worker turns one range into one object.

package bifrost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
)

// Archiver turns one range into one object and settles its row.
type Archiver struct {
	Group       string // first element of every key
	Source      Source
	Store       Store
	Ledger      Settler
	Format      baldr.Options
	MaxRawBytes int64  // a range ends early once its frames reach this; the rest becomes a range of its own
	Writer      string // version of Bifrost, written into every object
	// NearLoss is the time to loss below which whatever was read of a range is
	// archived when it cannot be read on, however little that is.
	NearLoss time.Duration
	Now      func() time.Time

	// Retention tells a gap that the topic's own limits explain from one that
	// somebody asked for; nil: it cannot tell.
	Retention RetentionReader
}

// Settler is what the archiver asks of the ledger.
type Settler interface {
	Committer
	Advancer
}

// LargestRecord is the largest record that an archive can hold, in bytes: what its
// readers have to take. No source hands over a larger one.
const LargestRecord = 1 << 30

// maxAlternatives bounds how many keys are tried at one start when something
// that is not ours occupies them.
const maxAlternatives = 2

// Archive brings the row of the task to its end, as far as the deadline allows
// (zero: none). It is safe to run any number of times, concurrently or hours late:
// the row and the key decide who wins, and the loser adopts the winner's object.
func (a *Archiver) Archive(ctx context.Context, task Task, deadline time.Time) (RangeResult, error) {
	result, err := a.archiveRange(ctx, task, deadline)
	if err != nil {
		return result, fmt.Errorf("archive topic %s partition %d range %s: %w", task.Name, task.Partition, task.Range(),
			err)
	}
	return result, nil
}

func (a *Archiver) archiveRange(ctx context.Context, task Task, deadline time.Time) (RangeResult, error) {
	clusterID, err := a.Source.ClusterID(ctx)
	if err != nil {
		return RangeResult{}, fmt.Errorf("ask the cluster for its ID: %w", err)
	}
	var foreign error
	for alternative := range maxAlternatives {
		attempt := attempt{Archiver: a, task: task, clusterID: clusterID, deadline: deadline,
			key: ObjectKey(a.Group, task.Key(), task.StartOffset, alternative)}
		result, err := attempt.takeSteps(ctx)
		if !errors.Is(err, ErrForeign) {
			return result, err
		}
		foreign = errors.Join(foreign, err)
	}
	return RangeResult{}, fmt.Errorf("every key for this start is taken; move what is there out of the way: %w",
		foreign)
}

// attempt is one try at one key.
type attempt struct {
	*Archiver
	task      Task
	clusterID string
	deadline  time.Time
	key       string
	stopped   error // why the object ends before the row does, if something failed
}

// takeSteps takes the steps in the one order that is safe. The upload is begun before
// the row is read: whoever rebuilds a partition's progress row aborts every
// upload that was begun before, so an upload that survives belongs to a worker
// that has read the tables as they are now.
func (a *attempt) takeSteps(ctx context.Context) (result RangeResult, err error) {
	upload, err := a.Store.Create(ctx, a.key)
	if err != nil {
		return RangeResult{}, fmt.Errorf("begin the upload of %s: %w", a.key, err)
	}
	completed := false
	defer func() {
		if !completed {
			// What cannot be aborted now is aborted by the bucket's lifecycle rule.
			_ = upload.Abort(context.WithoutCancel(ctx))
		}
	}()
	row, err := a.Ledger.Row(ctx, a.task.Key(), a.task.StartOffset)
	if done, result, err := a.settledAlready(ctx, row, err); done || err != nil {
		return result, err
	}
	facts, err := ReadFacts(ctx, a.Store, a.key, a.owner())
	outcome := OutcomeAdopted
	if errors.Is(err, ErrNotFound) {
		facts, outcome, err = a.writeObject(ctx, upload, row)
		completed = err == nil && outcome != OutcomeAdopted
	}
	if err != nil {
		return RangeResult{}, err
	}
	return a.settleRow(ctx, row, facts, outcome)
}

// settledAlready looks at what was read of the row before any work is done.
func (a *attempt) settledAlready(ctx context.Context, row Row, err error) (bool, RangeResult, error) {
	switch {
	case errors.Is(err, ErrNotFound):
		return true, newResult(a.task, row, Facts{}, OutcomeGone, a.stopped), nil
	case err != nil:
		return true, RangeResult{}, fmt.Errorf("read the row: %w", err)
	case row.TopicID != a.task.TopicID:
		return true, RangeResult{}, fmt.Errorf("the row belongs to topic ID %s, the task to %s", row.TopicID,
			a.task.TopicID)
	case row.State.Done():
		result := newResult(a.task, row, row.Facts, OutcomeDoneAlready, a.stopped)
		return true, result, a.advanceOrLeaveHole(ctx, row.Partition)
	case row.End != a.task.EndOffset:
		// a task of earlier tables; the row's own comes or is here
		return true, newResult(a.task, row, Facts{}, OutcomeGone, a.stopped), nil
	}
	return false, RangeResult{}, nil
}

// owner is what the object of the range says of itself.
func (a *attempt) owner() ObjectOwner {
	i := Incarnation{a.clusterID, a.task.Key().Topic(), a.task.TopicID}
	return ObjectOwner{i, a.task.Partition, a.task.StartOffset}
}

// writeObject fills the upload and makes it visible.
func (a *attempt) writeObject(ctx context.Context, upload Upload, row Row) (Facts, string, error) {
	summary, err := a.fillObject(ctx, upload, row)
	if err != nil {
		return Facts{}, "", err
	}
	facts, outcome, err := completeObject(ctx, upload, a.Store, a.key, summary, a.owner())
	if outcome == OutcomeAdopted {
		a.stopped = nil // where the winner stopped is its own affair
	}
	return facts, outcome, err
}

// fillObject writes the range into the upload: its records, or the gap that it is.
func (a *attempt) fillObject(ctx context.Context, upload Upload, row Row) (baldr.Summary, error) {
	out := baldr.NewWriter(upload, a.Format)
	if row.GapReason != "" {
		return a.closeObject(out, gapSummary(row.GapReason, row.Range))
	}
	counted := count{position: row.Start, epoch: -1}
	err := a.copyRecords(ctx, out, row, &counted)
	var outside *OutOfRangeError
	switch {
	case a.settlesEarly(row, counted.position, out.RawBytes(), err):
		a.stopped = err // what was read is whole; the next attempt finds out about the rest
	case errors.As(err, &outside) && outside.LogStart > row.Start:
		end := min(outside.LogStart, row.End)
		return a.closeObject(out, gapSummary(a.whyDeleted(ctx, row), Range{row.Start, end}))
	case err != nil:
		return baldr.Summary{}, err
	}
	if counted.position == row.Start {
		return baldr.Summary{}, errNothingInTime
	}
	records := baldr.Summary{Kind: baldr.KindRecords, Missing: counted.missing, LastLeaderEpoch: counted.epoch,
		Start: row.Start, End: counted.position}
	return a.closeObject(out, records)
}

var errNothingInTime = errors.New("nothing could be read before the time was up; raise the archive function's " +
	"timeout, " +
	"and see whether a quota of the brokers holds it back (docs/kafka.md)")

// whyDeleted is the reason of a gap that the worker meets itself. Whatever cannot
// be asked now leaves retention as the reason, which raises the alarm.
func (a *attempt) whyDeleted(ctx context.Context, row Row) string {
	if a.Retention == nil {
		return ReasonRetention
	}
	kept, err := a.Retention.Retention(ctx, []string{row.Topic()})
	if err != nil {
		return ReasonRetention
	}
	progress, err := a.Ledger.Progress(ctx, row.Partition)
	limits, known := kept[row.Topic()]
	if err != nil || !known || limits.mayHaveDeleted(progress, row.LossAt, a.Now()) {
		return ReasonRetention
	}
	return ReasonRequest
}

func (a *attempt) closeObject(out *baldr.Writer, summary baldr.Summary) (baldr.Summary, error) {
	return closeObject(out, a.key, summary, a.owner(), a.Writer)
}

// count is how far a range has been read and what was found on the way.
type count struct {
	position int64
	records  int64
	missing  baldr.Missing
	epoch    int32
}

// copyRecords moves records from Kafka to the object until the range ends, the
// object is large enough or time is short.
func (a *attempt) copyRecords(ctx context.Context, out *baldr.Writer, row Row, counted *count) error {
	records, err := a.Source.Read(ctx, row.Topic(), row.TopicID, row.Number, row.Range)
	if err != nil {
		return fmt.Errorf("read from Kafka: %w", err)
	}
	defer records.Close()
	reading, cancel := a.untilDeadline(ctx)
	defer cancel()
	for counted.position < row.End && out.RawBytes() < a.MaxRawBytes && a.inTime() {
		batch, err := records.Next(reading)
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("the source ended at offset %d, before the range did", counted.position)
		case err != nil && ctx.Err() != nil:
			return fmt.Errorf("read from Kafka at offset %d: %w", counted.position, err)
		case err != nil && reading.Err() != nil:
			return nil
		case err != nil:
			return &stoppedError{counted.position, err}
		}
		if err := counted.addBatch(batch, row.Range); err != nil {
			return err
		}
		for i := range batch.Records {
			if err := out.WriteRecord(&batch.Records[i]); err != nil {
				return fmt.Errorf("write offset %d to %s: %w", batch.Records[i].Offset, a.key, err)
			}
		}
	}
	return nil
}

// addBatch accounts for a batch: each offset is a record or missing for a reason.
func (c *count) addBatch(b Batch, r Range) error {
	missing := b.Missing.Control + b.Missing.Aborted + b.Missing.Compacted
	length := b.Position - c.position
	if length != int64(len(b.Records))+missing || b.Position > r.End || length < 0 {
		return fmt.Errorf("the source's accounts do not add up: offsets [%d, %d) of range %s, %d records, %+v missing",
			c.position, b.Position, r, len(b.Records), b.Missing)
	}
	c.position = b.Position
	c.records += int64(len(b.Records))
	c.missing.Control += b.Missing.Control
	c.missing.Aborted += b.Missing.Aborted
	c.missing.Compacted += b.Missing.Compacted
	c.epoch = max(c.epoch, b.LeaderEpoch)
	return nil
}

func (a *attempt) inTime() bool { return a.deadline.IsZero() || a.Now().Before(a.deadline) }

// settleRow commits the facts and moves the prefix.
func (a *attempt) settleRow(ctx context.Context, row Row, facts Facts, outcome string) (RangeResult, error) {
	settled, err := commitRow(ctx, a.Ledger, a.Store, a.Now, row, facts)
	if errors.Is(err, ErrNotFound) {
		return newResult(a.task, row, facts, OutcomeGone, a.stopped), nil
	}
	if err != nil {
		return RangeResult{}, err
	}
	if err := a.advanceOrLeaveHole(ctx, row.Partition); err != nil {
		return RangeResult{}, err
	}
	return newResult(a.task, settled, settled.Facts, outcome, a.stopped), nil
}

// advanceOrLeaveHole moves the prefix. A hole in the tiling is for discover to heal; this
// range is safe.
func (a *attempt) advanceOrLeaveHole(ctx context.Context, p Partition) error {
	if _, err := advancePrefix(ctx, a.Ledger, p); err != nil && !errors.Is(err, errRowMissing) {
		return err
	}
	return nil
}

// newResult says what became of a task. stopped is why its object ends early, if it does.
func newResult(task Task, row Row, facts Facts, outcome string, stopped error) RangeResult {
	end := row.End
	if facts.Key != "" {
		end = facts.End
	}
	result := RangeResult{
		Topic: task.Name, TopicNames: task.Key().TopicNames(), Partition: task.Partition,
		StartOffset: task.StartOffset, EndOffset: end,
		Outcome: outcome, GapReason: facts.Reason, Object: facts.Key, TickID: task.TickID,
		Records: facts.Records, RawBytes: facts.RawBytes, StoredBytes: facts.StoredBytes,
	}
	if stopped != nil {
		result.Stopped = stopped.Error()
	}
	return result
}

// leastStopped is how much a range must have read, in bytes of frames, to be
// archived up to where it stopped immediately. Less of it would make small objects of
// every broker that is away for a moment.
const leastStopped = 1 << 20

// stoppedError says that the source could not be read on from an offset.
type stoppedError struct {
	at    int64 // all below was read
	cause error
}

func (s *stoppedError) Error() string {
	return fmt.Sprintf("read from Kafka at offset %d: %v", s.at, s.cause)
}

func (s *stoppedError) Unwrap() error { return s.cause }

// stoppedAt is the offset at which an attempt that failed could not read on; 0 if
// it failed for another reason, or had read nothing.
func stoppedAt(failure error, start int64) int64 {
	var stopped *stoppedError
	if !errors.As(failure, &stopped) || stopped.at <= start {
		return 0
	}
	return stopped.at
}

// settlesEarly reports whether the range is archived up to where it stopped instead of
// being tried again as a whole. What stopped it may last forever: a segment in
// tiered storage that nobody can read, a batch that is damaged or too large. Then
// all that lies before it would be read at every attempt and archived at none,
// until Kafka deletes it. So much is archived at the first stop if it is worth an
// object, at the second stop at the same offset, and at any if Kafka may delete it
// soon. The rest of the row is a range of its own.
func (a *attempt) settlesEarly(row Row, position, rawBytes int64, failure error) bool {
	if stoppedAt(failure, row.Start) == 0 {
		return false
	}
	var outside *OutOfRangeError
	if errors.As(failure, &outside) || errors.Is(failure, ErrWrongTopicID) {
		return true // nobody can read the rest of it any more
	}
	return rawBytes >= leastStopped || row.StoppedAt == position || timeToLoss(row.LossAt, a.Now()) < a.NearLoss
}

// untilDeadline is a context for the answers of the source: one that comes after
// the deadline finds nobody to archive it.
func (a *attempt) untilDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if a.deadline.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, a.deadline.Sub(a.Now()), errTimeIsUp)
}

// errTimeIsUp is the cause of a context that ended with the deadline of the range.
var errTimeIsUp = errors.New("the time for this range is up")
