// How a person records that an object is gone for good.

package repair

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Accepter settles what needs a person's word.
type Accepter struct {
	Group  string // first element of every key
	Ledger AccepterLedger
	Store  bifrost.Store
	Bucket bifrost.Bucket // for AcceptDiverged only
	Format baldr.Options
	Writer string // version of Bifrost, written into every object
	Now    func() time.Time
}

// AccepterLedger is what an accepter asks of the ledger.
type AccepterLedger interface {
	bifrost.Settler
	bifrost.Eraser
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
func (a *Accepter) AcceptErased(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error) {
	row, err := a.acceptErased(ctx, p, start)
	if err != nil {
		return row, fmt.Errorf("accept that the object of topic %s partition %d from offset %d is gone: %w", p.Name,
			p.Number, start, err)
	}
	return row, nil
}

// maxErasures bounds the tries at a partition whose next_offset keeps moving.
const maxErasures = 20

func (a *Accepter) acceptErased(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error) {
	for range maxErasures {
		// The progress row comes first: what it counts, a row read later tells.
		progress, err := a.Ledger.Progress(ctx, p)
		if err != nil {
			return bifrost.Row{}, fmt.Errorf("read the progress row: %w", err)
		}
		facts, row, err := a.gapInPlace(ctx, progress, start)
		if err != nil {
			return bifrost.Row{}, err
		}
		if row.Facts == facts {
			return row, nil // recorded already
		}
		err = a.Ledger.Erase(ctx, bifrost.ErasureWrite{Progress: progress, Row: row, Facts: facts, At: a.Now()})
		if err != nil && !errors.Is(err, bifrost.ErrConflict) {
			return bifrost.Row{}, fmt.Errorf("record the gap: %w", err)
		}
		// Applied, or refused because somebody moved: the row as it is now tells.
	}
	return bifrost.Row{}, fmt.Errorf("the partition moved on %d times meanwhile; try again: %w", maxErasures,
		bifrost.ErrConflict)
}

// gapInPlace makes sure that a gap of the row's range stands where its object
// stood. The steps and their order are a worker's.
func (a *Accepter) gapInPlace(ctx context.Context, progress bifrost.Progress,
	start int64) (bifrost.Facts, bifrost.Row, error) {
	none := bifrost.Facts{}
	row, err := a.Ledger.Row(ctx, progress.Partition, start)
	if err != nil {
		return none, row, err
	}
	if !row.State.Done() {
		return none, row, fmt.Errorf("the row is %s and has no object yet: the next ticks archive it", row.State)
	}
	key := row.Facts.Key
	owner := bifrost.ObjectOwner{Incarnation: bifrost.Incarnation{ClusterID: progress.ClusterID, Topic: row.Topic(),
		TopicID: row.TopicID}, Partition: row.Number, Start: row.Start}
	facts, err := bifrost.ReadFacts(ctx, a.Store, key, owner)
	if errors.Is(err, bifrost.ErrNotFound) {
		gap := row
		gap.GapReason = erasedReason(row)
		facts, err = bifrost.PutGap(ctx, a.Store, bifrost.GapObject{Key: key, ClusterID: progress.ClusterID, Row: gap,
			Format: a.Format, Writer: a.Writer})
	}
	if err != nil {
		return none, row, err
	}
	if facts.Kind != baldr.KindGap || facts.Range != row.Range || facts.Reason != erasedReason(row) {
		return none, row, fmt.Errorf("%s is there and holds %s: nothing is to be accepted; run bifrost verify", key,
			facts.Range)
	}
	return facts, row, nil
}

// erasedReason is why the row will be a gap. A gap whose own object was lost
// stays a gap for the reason it had.
func erasedReason(row bifrost.Row) string {
	if row.State == bifrost.StateLost {
		return row.GapReason
	}
	return bifrost.ReasonErased
}
