package bifrost

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
)

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

// Accepter settles what needs a person's word.
type Accepter struct {
	Group  string // first element of every key
	Ledger AccepterLedger
	Store  Store
	Shelf  Shelf // for AcceptDiverged only
	Format baldr.Options
	Writer string // version of Bifrost, written into every object
	Now    func() time.Time
}

// AccepterLedger is what an accepter asks of the ledger.
type AccepterLedger interface {
	Settler
	Eraser
	DivergedLedger
}

// AcceptErased records that the object of a settled row is gone for good: it
// expired by a lifecycle rule, or was erased because somebody had the right to
// that. A gap takes its place, in the bucket and in the row, so that verify and a
// rebuild tell the truth and no tick ever archives those offsets again. It
// answers the row as it is then.
//
// It refuses as long as anything is at the object's key. It may stop anywhere and
// be run again.
func (a *Accepter) AcceptErased(ctx context.Context, p Partition, start int64) (Row, error) {
	row, err := a.acceptErased(ctx, p, start)
	if err != nil {
		return row, fmt.Errorf("accept that the object of topic %s partition %d from offset %d is gone: %w", p.Name, p.Number, start, err)
	}
	return row, nil
}

// maxErasures bounds the tries at a partition whose next_offset keeps moving.
const maxErasures = 20

func (a *Accepter) acceptErased(ctx context.Context, p Partition, start int64) (Row, error) {
	for range maxErasures {
		// The progress row comes first: what it counts, a row read later tells.
		progress, err := a.Ledger.Progress(ctx, p)
		if err != nil {
			return Row{}, fmt.Errorf("read the progress row: %w", err)
		}
		facts, row, err := a.gapInPlace(ctx, progress, start)
		if err != nil {
			return Row{}, err
		}
		if row.Facts == facts {
			return row, nil // recorded already
		}
		err = a.Ledger.Erase(ctx, ErasureWrite{Progress: progress, Row: row, Facts: facts, At: a.Now()})
		if err != nil && !errors.Is(err, ErrConflict) {
			return Row{}, fmt.Errorf("record the gap: %w", err)
		}
		// Applied, or refused because somebody moved: the row as it is now tells.
	}
	return Row{}, fmt.Errorf("the partition moved on %d times meanwhile; try again: %w", maxErasures, ErrConflict)
}

// gapInPlace makes sure that a gap of the row's range stands where its object
// stood. The steps and their order are a worker's.
func (a *Accepter) gapInPlace(ctx context.Context, progress Progress, start int64) (Facts, Row, error) {
	none := Facts{}
	row, err := a.Ledger.Row(ctx, progress.Partition, start)
	if err != nil {
		return none, row, fmt.Errorf("read the row: %w", err)
	}
	if !row.State.Done() {
		return none, row, fmt.Errorf("the row is %s and has no object yet: the next ticks archive it", row.State)
	}
	try := attempt{
		Archiver: &Archiver{Group: a.Group, Store: a.Store, Format: a.Format, Writer: a.Writer, Now: a.Now},
		task:     NewTask(row), clusterID: progress.ClusterID, key: row.Facts.Key,
	}
	facts, err := try.facts(ctx, try.key)
	if errors.Is(err, ErrNotFound) {
		facts, err = try.writeGap(ctx, row)
	}
	if err != nil {
		return none, row, err
	}
	if facts.Kind != baldr.KindGap || facts.Range != row.Range || facts.Reason != erasedReason(row) {
		return none, row, fmt.Errorf("%s is there and holds %s: nothing is to be accepted; run bifrost verify", try.key, facts.Range)
	}
	return facts, row, nil
}

// erasedReason is why the row will be a gap. A gap whose own object was lost
// stays a gap for the reason it had.
func erasedReason(row Row) string {
	if row.State == StateLost {
		return row.GapReason
	}
	return ReasonErased
}

// writeGap puts the gap at the key, unless somebody is quicker: then the facts
// are those of what stands there.
func (a *attempt) writeGap(ctx context.Context, row Row) (Facts, error) {
	upload, err := a.Store.Create(ctx, a.key)
	if err != nil {
		return Facts{}, fmt.Errorf("begin the upload of %s: %w", a.key, err)
	}
	row.GapReason = erasedReason(row)
	facts, outcome, err := a.write(ctx, upload, row)
	if err != nil || outcome == OutcomeAdopted {
		_ = upload.Abort(context.WithoutCancel(ctx)) // or the bucket's lifecycle rule does
	}
	return facts, err
}
