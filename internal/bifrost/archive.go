package bifrost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
)

// Source reads records from Kafka.
type Source interface {
	// ClusterID is the cluster's own ID.
	ClusterID(ctx context.Context) (string, error)
	// Read begins to read a range with read_committed, by topic ID where the
	// cluster has them. It does not wait for the first answer of the broker.
	Read(ctx context.Context, topic string, id TopicID, partition int32, r Range) (Records, error)
}

// Records is a range on its way from Kafka.
type Records interface {
	// Next gives what lies between the last position and the next. The batch and
	// all that it points to is borrowed until the next call. io.EOF says that the
	// position has reached the end of the range. An *OutOfRangeError says that the
	// log does not hold the position. Every other error: nothing is known, retry.
	Next(ctx context.Context) (Batch, error)
	// Close gives back what Read took.
	Close()
}

// Batch is a stretch of the log.
type Batch struct {
	Records     []baldr.Record // in order of offsets, all in [position before, Position)
	Position    int64          // first offset after the stretch
	Missing     baldr.Missing  // offsets of the stretch without a record; with the records they add up to its length
	LeaderEpoch int32          // of the stretch's last batch, -1 unknown
}

// Store is what a worker does in the bucket.
type Store interface {
	// Create begins a multipart upload to the key. Nothing is visible before Complete.
	Create(ctx context.Context, key string) (Upload, error)
	// Open opens an object for reads that last as long as ctx. ErrNotFound only
	// when the store says for certain that there is none.
	Open(ctx context.Context, key string) (Object, error)
}

// Upload is an object in the making. Write gathers parts; memory is bounded.
type Upload interface {
	io.Writer
	// Complete makes the object visible if there is none at the key. It must not
	// answer nil before the object is durable. ErrExists when there is one, which
	// may be this upload's own if an answer was lost; ErrUploadGone when the upload
	// was aborted or is already complete.
	Complete(ctx context.Context) (Stored, error)
	// Abort gives the parts back to the store.
	Abort(ctx context.Context) error
}

// Stored is what the store says of a complete object.
type Stored struct {
	Size     int64  // bytes
	Checksum string // CRC64NVME, base64; empty when the store keeps none
}

// Object is an object in the bucket, open for reading.
type Object interface {
	io.ReaderAt
	Stored() Stored
}

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
	// somebody asked for; nil: nobody can tell.
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
// (zero: none). It is safe to run any number of times, at once or hours late:
// the row and the key decide who wins, and the loser adopts the winner's object.
func (a *Archiver) Archive(ctx context.Context, task Task, deadline time.Time) (RangeResult, error) {
	result, err := a.archive(ctx, task, deadline)
	if err != nil {
		return result, fmt.Errorf("archive topic %s partition %d range %s: %w", task.Topic, task.Partition, task.Range(), err)
	}
	return result, nil
}

func (a *Archiver) archive(ctx context.Context, task Task, deadline time.Time) (RangeResult, error) {
	clusterID, err := a.Source.ClusterID(ctx)
	if err != nil {
		return RangeResult{}, fmt.Errorf("ask the cluster for its ID: %w", err)
	}
	var foreign error
	for alternative := range maxAlternatives {
		attempt := attempt{Archiver: a, task: task, clusterID: clusterID, deadline: deadline,
			key: ObjectKey(a.Group, task.Key(), task.StartOffset, alternative)}
		result, err := attempt.run(ctx)
		if !errors.Is(err, ErrForeign) {
			return result, err
		}
		foreign = errors.Join(foreign, err)
	}
	return RangeResult{}, fmt.Errorf("every key for this start is taken; move what is there out of the way: %w", foreign)
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

// run takes the steps in the one order that is safe. The upload is begun before
// the row is read: whoever makes a partition's progress row anew aborts every
// upload that was begun before, so an upload that survives belongs to a worker
// that has read the tables as they are now.
func (a *attempt) run(ctx context.Context) (result RangeResult, err error) {
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
	return a.settle(ctx, row, facts, outcome)
}

// settledAlready looks at what was read of the row before any work is done.
func (a *attempt) settledAlready(ctx context.Context, row Row, err error) (bool, RangeResult, error) {
	switch {
	case errors.Is(err, ErrNotFound):
		return true, a.result(row, Facts{}, OutcomeGone), nil
	case err != nil:
		return true, RangeResult{}, fmt.Errorf("read the row: %w", err)
	case row.TopicID != a.task.TopicID:
		return true, RangeResult{}, fmt.Errorf("the row belongs to topic ID %s, the task to %s", row.TopicID, a.task.TopicID)
	case row.State.Done():
		return true, a.result(row, row.Facts, OutcomeDoneAlready), a.advancePrefix(ctx, row.Partition)
	case row.End != a.task.EndOffset:
		return true, a.result(row, Facts{}, OutcomeGone), nil // a task of earlier tables; the row's own comes or is here
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

// completeObject makes the upload visible. When somebody else's object is
// there first, the facts are that object's: one's own attempt may have read a
// log that compaction has changed since.
func completeObject(ctx context.Context, upload Upload, bucket ObjectOpener, key string, summary baldr.Summary, owner ObjectOwner) (Facts, string, error) {
	outcome := OutcomeArchived
	if summary.Kind == baldr.KindGap {
		outcome = OutcomeLost
	}
	stored, err := upload.Complete(ctx)
	if err == nil {
		return FactsOf(key, summary, stored), outcome, nil
	}
	winner, winnerErr := ReadFacts(ctx, bucket, key, owner)
	if winnerErr == nil {
		return winner, OutcomeAdopted, nil
	}
	if errors.Is(winnerErr, ErrForeign) {
		return Facts{}, "", winnerErr
	}
	return Facts{}, "", fmt.Errorf("complete %s: %w", key, errors.Join(err, winnerErr))
}

// A GapObject is an object that records why nobody can read the offsets of a row.
type GapObject struct {
	Key       string
	ClusterID string
	Row       Row // its GapReason says why
	Format    baldr.Options
	Writer    string // as Archiver.Writer
}

// PutGap puts the gap at its key, unless somebody is quicker: then the facts are those of
// what stands there.
func PutGap(ctx context.Context, bucket Store, g GapObject) (Facts, error) {
	upload, err := bucket.Create(ctx, g.Key)
	if err != nil {
		return Facts{}, fmt.Errorf("begin the upload of %s: %w", g.Key, err)
	}
	owner := ObjectOwner{Incarnation{g.ClusterID, g.Row.Topic(), g.Row.TopicID}, g.Row.Number, g.Row.Start}
	facts, outcome := Facts{}, ""
	summary, err := closeObject(baldr.NewWriter(upload, g.Format), g.Key, gapSummary(g.Row.GapReason, g.Row.Range), owner, g.Writer)
	if err == nil {
		facts, outcome, err = completeObject(ctx, upload, bucket, g.Key, summary, owner)
	}
	if err != nil || outcome == OutcomeAdopted {
		_ = upload.Abort(context.WithoutCancel(ctx)) // or the bucket's lifecycle rule does
	}
	return facts, err
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
	case a.settles(row, counted.position, out.RawBytes(), err):
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

var errNothingInTime = errors.New("nothing could be read before the time was up; raise the archive function's timeout, " +
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

func gapSummary(reason string, r Range) baldr.Summary {
	return baldr.Summary{Kind: baldr.KindGap, Reason: reason, LastLeaderEpoch: -1, Start: r.Start, End: r.End}
}

func (a *attempt) closeObject(out *baldr.Writer, summary baldr.Summary) (baldr.Summary, error) {
	return closeObject(out, a.key, summary, a.owner(), a.Writer)
}

// closeObject writes the end of an object: its summary, with whose it is and who wrote it.
func closeObject(out *baldr.Writer, key string, summary baldr.Summary, owner ObjectOwner, writer string) (baldr.Summary, error) {
	summary.ClusterID, summary.Topic, summary.TopicID = owner.ClusterID, owner.Topic, owner.TopicID
	summary.Partition, summary.Writer = owner.Partition, writer
	summary, err := out.Close(summary)
	if err != nil {
		return summary, fmt.Errorf("write the end of %s: %w", key, err)
	}
	return summary, nil
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
		if err := counted.add(batch, row.Range); err != nil {
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

// add accounts for a batch: each offset is a record or missing for a reason.
func (c *count) add(b Batch, r Range) error {
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

// settle commits the facts and moves the prefix.
func (a *attempt) settle(ctx context.Context, row Row, facts Facts, outcome string) (RangeResult, error) {
	settled, err := commitRow(ctx, a.Ledger, a.Store, a.Now, row, facts)
	if errors.Is(err, ErrNotFound) {
		return a.result(row, facts, OutcomeGone), nil
	}
	if err != nil {
		return RangeResult{}, err
	}
	if err := a.advancePrefix(ctx, row.Partition); err != nil {
		return RangeResult{}, err
	}
	return a.result(settled, settled.Facts, outcome), nil
}

// advancePrefix moves the prefix. A hole in the tiling is for discover to heal; this
// range is safe.
func (a *attempt) advancePrefix(ctx context.Context, p Partition) error {
	if _, err := advancePrefix(ctx, a.Ledger, p); err != nil && !errors.Is(err, errRowMissing) {
		return err
	}
	return nil
}

func (a *attempt) result(row Row, facts Facts, outcome string) RangeResult {
	end := row.End
	if facts.Key != "" {
		end = facts.End
	}
	result := RangeResult{
		Topic: a.task.Topic, Partition: a.task.Partition, StartOffset: a.task.StartOffset, EndOffset: end,
		Outcome: outcome, GapReason: facts.Reason, Object: facts.Key, TickID: a.task.TickID, Records: facts.Records, RawBytes: facts.RawBytes, StoredBytes: facts.StoredBytes,
	}
	if a.stopped != nil {
		result.Stopped = a.stopped.Error()
	}
	return result
}
