// What the rules ask of the tables.

package bifrost

import (
	"context"
	"errors"
	"time"
)

// Overview is what a tick reads of the tables before it asks Kafka.
type Overview interface {
	// ListProgress reads every progress row, consistently.
	ListProgress(ctx context.Context) ([]Progress, error)
	// ListPlanned reads the rows that are PLANNED, from an index that may lag:
	// a hint, never a proof.
	ListPlanned(ctx context.Context) ([]Row, error)
	InvocationLister
}

// PlanWrite is one transaction on one partition: put rows, move planned_offset.
type PlanWrite struct {
	// as read: its Generation, PlannedOffset and suspicion are the condition, with a Workable status
	Progress Progress
	// put each if absent, as PLANNED, in hand of its Invocation if it names one; at most 99; none
	// when an existing row is taken over
	Rows          []Row
	PlannedOffset int64 // the new value
	PlannedEpoch  int32 // leader epoch under which it was seen, -1 unknown
	Observation   Observation
}

// StatusWrite changes what a progress row says of its partition without
// planning anything.
type StatusWrite struct {
	Progress    Progress // as read: its Generation, PlannedOffset, Status and suspicion are the condition
	Status      Status
	Error       string
	Suspicion   string
	SuspectedAt time.Time
	Observation Observation // written when its At is not zero
}

// Planner writes plans.
type Planner interface {
	// Plan applies the whole write or none of it. ErrConflict when the row was made
	// anew, has moved, is not Workable, is under another suspicion (Suspicion and
	// SuspectedAt), or one of the rows exists already.
	Plan(ctx context.Context, w PlanWrite) error
	// ChangeStatus applies the write, or answers ErrConflict.
	ChangeStatus(ctx context.Context, w StatusWrite) error
	// Rows reads the rows of a partition with Start >= from in order, consistently, at most limit.
	Rows(ctx context.Context, p Partition, from int64, limit int) ([]Row, error)
}

// RowMaker makes and unmakes progress rows.
type RowMaker interface {
	// CreateProgress puts the row if there is none for its partition; ErrConflict when there is.
	CreateProgress(ctx context.Context, p Progress) error
	// FenceProgress sets FencedAt from p in a FENCING row of p's generation that has
	// none; ErrConflict when it is not FENCING, has one, or was rebuilt.
	FenceProgress(ctx context.Context, p Progress) error
	// OpenProgress turns a FENCING row of p's generation OPEN and sets KnownUntil,
	// StartOffset and PlannedEpoch from p; ErrConflict when it is not FENCING or was rebuilt.
	OpenProgress(ctx context.Context, p Progress) error
	// DeleteProgress removes the row if it still has p's generation and
	// NextOffset; ErrConflict when not. The partition is then rebuilt along its objects.
	DeleteProgress(ctx context.Context, p Progress) error
	// DropPlanned removes r if it is still PLANNED with its end, and the progress row is
	// p's generation and FENCING, so that nothing is planned yet; ErrConflict when not.
	DropPlanned(ctx context.Context, p Progress, r Row) error
}

// GapMarker turns a plan into a gap.
type GapMarker interface {
	// MarkGap sets the GapReason of the row and ends its pause (Invocation and Error
	// cleared, LeaseUntil zero) if it is still PLANNED with the same end, and its partition's
	// progress row still has p's Generation, Status and suspicion; ErrConflict when not.
	MarkGap(ctx context.Context, p Progress, r Row, reason string) error
}

// Leaser keeps two workers from doing the same range concurrently. It saves work;
// safety never rests on it.
type Leaser interface {
	// Lease gives the row to an invocation: it sets Invocation, Attempts and
	// LeaseUntil if the row is still PLANNED with the Attempts and LeaseUntil that were
	// read; ErrConflict when not. It clears Error, keeps StoppedAt, and answers the row
	// as it is now.
	Lease(ctx context.Context, r Row, invocation string, attempt int, until time.Time) (Row, error)
	// Release takes the row back after a failure: if still PLANNED with the same
	// Attempts, it gets the error, and r's StoppedAt unless that is 0, loses its
	// invocation and may be given to another from retryAt on; the partition's progress
	// row shows the error too.
	Release(ctx context.Context, r Row, failure string, retryAt time.Time) error
}

// CommitWrite settles one row.
type CommitWrite struct {
	Row        Row   // as read: PLANNED and its End are the condition
	Facts      Facts // of the object; Facts.End < Row.End leaves a remainder
	ArchivedAt time.Time
}

// Committer settles rows.
type Committer interface {
	// Row reads one row, consistently; ErrNotFound when there is none.
	Row(ctx context.Context, p Partition, start int64) (Row, error)
	// Commit is one transaction: the row becomes ARCHIVED or LOST with the facts
	// and ends where they end, if it is still PLANNED with the end that was read;
	// if they end before it, the remainder [Facts.End, Row.End) is put PLANNED if
	// absent. ErrConflict when nothing was applied.
	Commit(ctx context.Context, w CommitWrite) error
}

// AdvanceWrite moves next_offset over one settled row.
type AdvanceWrite struct {
	Partition  Partition
	Generation string // condition
	From, To   int64  // From is the condition
	Row        Row    // the settled row: its facts are added to the totals in the same write
}

// Advancer moves the prefix.
type Advancer interface {
	// Progress reads one progress row, consistently; ErrNotFound when there is none.
	Progress(ctx context.Context, p Partition) (Progress, error)
	// Advance applies the write, or answers ErrConflict.
	Advance(ctx context.Context, w AdvanceWrite) error
}

// Waiting finds work.
type Waiting interface {
	// SomePlanned reads some rows that are PLANNED and whose lease is over, from
	// an index that may lag; different callers are likely to see different ones.
	SomePlanned(ctx context.Context, now time.Time, limit int) ([]Row, error)
}

// ErasureWrite turns a settled row whose object is gone into a gap.
type ErasureWrite struct {
	Progress Progress // as read: its Generation and NextOffset are the condition
	Row      Row      // as read: its State and the checksum of its object are the condition
	Facts    Facts    // of the gap's object
	At       time.Time
}

// TotalsAfter is what becomes of totals that count the row.
func (w ErasureWrite) TotalsAfter(t Totals) Totals {
	var before, after Totals
	before.Add(w.Row)
	after.Add(Row{Range: w.Row.Range, State: w.Facts.State(), Facts: w.Facts})
	return Totals{
		Records: t.Records - before.Records + after.Records, RawBytes: t.RawBytes - before.RawBytes + after.RawBytes,
		StoredBytes: t.StoredBytes - before.StoredBytes + after.StoredBytes,
		Missing:     t.Missing - before.Missing + after.Missing, Lost: t.Lost - before.Lost + after.Lost,
	}
}

// Eraser records that an object is gone for good.
type Eraser interface {
	// Erase is one transaction: the row becomes LOST with the facts and, if it lies
	// below the progress row's NextOffset, the totals lose what the row counted and
	// gain what the gap counts. ErrConflict when nothing was applied.
	Erase(ctx context.Context, w ErasureWrite) error
}

// Invocations keeps which functions are at work. There is a slot for each of
// them, numbered from 0, and a new one takes the slot of one that has ended: no
// row is ever removed.
type Invocations interface {
	// PutInvocation writes the row of i at its slot; ErrConflict when another
	// invocation, alive at now, has it.
	PutInvocation(ctx context.Context, i Invocation, now time.Time) error
	// RenewInvocation sets AliveUntil and Begun, and answers the row as it was before;
	// ErrNotFound when another has the slot by now, or none.
	RenewInvocation(ctx context.Context, id string, aliveUntil time.Time) (Invocation, error)
	// EndInvocation says that the function is at work no more, if the slot is still its own.
	EndInvocation(ctx context.Context, id string) error
}

// InvocationLister tells which functions are at work.
type InvocationLister interface {
	// ListInvocations reads every row, consistently, those of functions that are at
	// work no more among them. Tasks may be left out.
	ListInvocations(ctx context.Context) ([]Invocation, error)
}

// MarkKeeper keeps the TablesMark.
type MarkKeeper interface {
	// Mark reads the row, consistently; ErrNotFound when there is none.
	Mark(ctx context.Context) (TablesMark, error)
	// SetMark replaces the row if its Series, Number and Next are those of before, the
	// zero TablesMark standing for no row; ErrConflict when not.
	SetMark(ctx context.Context, before, after TablesMark) error
}

// Journal keeps what ticks could look at and what they could not, for whoever
// asks how the archive stands. No rule reads it: an idle partition is never
// written, so without it nobody could tell one that is well from one that nobody
// has seen for a week.
type Journal interface {
	// NoteTick keeps the record in the place of the one before of the same
	// ClusterID; ErrConflict when one of a tick that began later is there. With a
	// CompleteAt of zero it leaves CompleteAt and Filter as they are.
	NoteTick(ctx context.Context, r TickRecord) error
	// NoteTrouble puts the trouble into the progress row of p, or takes it away if
	// it is zero; ErrConflict when the row was rebuilt.
	NoteTrouble(ctx context.Context, p Progress, trouble Trouble) error
}

// Ledger is both tables: all that the rules ask of DynamoDB. Each rule asks for
// the part it needs.
type Ledger interface {
	Overview
	Planner
	RowMaker
	GapMarker
	Leaser
	Committer
	Advancer
	Waiting
	Invocations
	MarkKeeper
}

// ErrConflict says that a conditional write did not apply, for certain: the
// condition no longer holds because somebody else moved first. The caller reads
// again and decides. Every other error of a write leaves open whether it applied.
var ErrConflict = errors.New("the ledger has moved on")

// ErrNotFound says for certain that a row, an object or a topic does not exist.
var ErrNotFound = errors.New("not found")
