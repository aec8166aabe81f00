// What of a verification's findings can be put right because the bucket proves how.

package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// FixLedger is what a fixer asks of the tables.
type FixLedger interface {
	Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error)
	Row(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error)
	Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error)
	// DeleteRow deletes a row of the objects table if it is still as it was read;
	// bifrost.ErrConflict if not. A row that is not there is no error.
	DeleteRow(ctx context.Context, r bifrost.Row) error
}

// Versions is the bucket's memory of what was deleted.
type Versions interface {
	// Hidden answers the delete markers of a key that hides its objects, and what S3 says of
	// each version below them; nothing of a key that is not hidden.
	Hidden(ctx context.Context, key string) (markers []string, below []bifrost.Stored, err error)
	// Unhide removes the delete markers.
	Unhide(ctx context.Context, key string, markers []string) error
}

// Fixer puts right what a verification has found, as far as the bucket proves what is
// right. It guesses nothing: what is not proven is left to a person.
type Fixer struct {
	Group     string // first element of every key
	Ledger    FixLedger
	Bucket    bifrost.ObjectOpener
	Versions  Versions
	Rebuilder Rebuilder // with all its fields but Topics, Anew and Partitions
}

// FixPlan is what a fixer would do.
type FixPlan struct {
	Hidden []HiddenObject      // to be brought back
	Rows   []bifrost.Row       // of the objects table, to be deleted and made again from their objects
	Anew   []bifrost.Partition // whose progress rows are to be made anew
	Whole  []bifrost.Partition // to be rebuilt: rows are missing
	Left   []LeftViolation     // what stays

	Unproven []bifrost.Partition // in which nothing is made again, because something of it stays wrong
}

// IsEmpty reports whether there is nothing to do.
func (p FixPlan) IsEmpty() bool { return len(p.Hidden)+len(p.Rows)+len(p.Anew)+len(p.Whole) == 0 }

// HiddenObject is an object that delete markers hide.
type HiddenObject struct {
	Key     string
	Markers []string // version IDs of the delete markers
	Proof   string   // why it is the right one
}

// LeftViolation is one that is not put right, and why.
type LeftViolation struct {
	verify.Violation
	Reason string
}

// Plan finds out what can be done. It writes nothing.
func (f *Fixer) Plan(ctx context.Context, found []verify.Violation) (FixPlan, error) {
	var plan FixPlan
	if slices.ContainsFunc(found, func(v verify.Violation) bool { return v.Kind == verify.TablesOlder }) {
		for _, v := range found {
			plan.Left = append(plan.Left, LeftViolation{v, "the tables are older than the bucket: bifrost rebuild " +
				"first"})
		}
		return plan, nil
	}
	for _, v := range found {
		reason, err := f.planOne(ctx, &plan, v, found)
		if errors.Is(err, bifrost.ErrNotFound) {
			reason, err = "its row is not there: verify again after a rebuild", nil
		}
		if err != nil {
			return plan, fmt.Errorf("plan the repair of %s in topic %s partition %d: %w", v.Kind, v.Topic, v.Partition,
				err)
		}
		if reason != "" {
			plan.Left = append(plan.Left, LeftViolation{v, reason})
		}
	}
	plan.leaveUnproven()
	// A progress row that is made anew is rebuilt with it.
	plan.Whole = slices.DeleteFunc(plan.Whole, func(p bifrost.Partition) bool { return slices.Contains(plan.Anew, p) })
	return plan, nil
}

// leaveUnproven leaves every partition alone in which a row or an object is wrong and stays
// so: totals made anew would be those of a row that nobody has proven.
func (p *FixPlan) leaveUnproven() {
	unproven := map[bifrost.Partition]bool{}
	for _, left := range p.Left {
		if left.Partition >= 0 && left.Kind != verify.ForeignObject && left.Kind != verify.ObjectMissing {
			unproven[bifrost.Partition{Name: left.Topic, Number: left.Partition}] = true
		}
	}
	p.Rows = slices.DeleteFunc(p.Rows, func(r bifrost.Row) bool { return unproven[r.Partition] })
	for _, list := range []*[]bifrost.Partition{&p.Anew, &p.Whole} {
		*list = slices.DeleteFunc(*list, func(p bifrost.Partition) bool { return unproven[p] })
	}
	for partition := range unproven {
		p.Unproven = append(p.Unproven, partition)
	}
	slices.SortFunc(p.Unproven, func(a, b bifrost.Partition) int { return cmp.Compare(a.String(), b.String()) })
}

// planOne adds what one violation needs, or answers why it is left alone.
func (f *Fixer) planOne(ctx context.Context, plan *FixPlan, v verify.Violation, all []verify.Violation) (string,
	error) {
	p := bifrost.Partition{Name: v.Topic, Number: v.Partition}
	switch v.Kind {
	case verify.ProgressInvalid, verify.NextOffsetWrong, verify.PlannedOffsetWrong, verify.TotalsWrong,
		verify.RowBeyondPlanned:
		addOnce(&plan.Anew, p)
	case verify.ProgressMissing, verify.RowMissing:
		addOnce(&plan.Whole, p)
	case verify.ObjectWithoutRow:
		if !lacksItsRow(v, all) {
			return notProven, nil
		}
		addOnce(&plan.Whole, p)
	case verify.RowInvalid, verify.ObjectMismatch:
		return f.planRow(ctx, plan, p, v, all)
	case verify.ObjectMissing:
		row, err := f.Ledger.Row(ctx, p, v.Start)
		if err != nil {
			return "", err
		}
		return f.planHidden(ctx, plan, v.Key, row.Facts)
	case verify.MarkerMissing, verify.MarkMissing, verify.BirthMissing, verify.ForkMissing:
		return f.planHidden(ctx, plan, v.Key, bifrost.Facts{})
	default:
		return notProven, nil
	}
	return "", nil
}

const notProven = "the bucket does not prove what is right"

// lacksItsRow reports whether an object has no row because that row is missing: a rebuild
// makes it of the object. Any other object that no row settles is one too many.
func lacksItsRow(object verify.Violation, all []verify.Violation) bool {
	return slices.ContainsFunc(all, func(v verify.Violation) bool {
		return v.Topic == object.Topic && v.Partition == object.Partition && (v.Kind == verify.ProgressMissing ||
			v.Kind == verify.RowMissing && v.Start <= object.Start && object.End <= v.End)
	})
}

func addOnce(to *[]bifrost.Partition, p bifrost.Partition) {
	if !slices.Contains(*to, p) {
		*to = append(*to, p)
	}
}

// planHidden plans to bring back what delete markers hide: an object with the size and the
// checksum of its row, or, of an object that is written once and has no row, its
// only version.
func (f *Fixer) planHidden(ctx context.Context, plan *FixPlan, key string, row bifrost.Facts) (string, error) {
	if slices.ContainsFunc(plan.Hidden, func(h HiddenObject) bool { return h.Key == key }) {
		return "", nil
	}
	markers, below, err := f.Versions.Hidden(ctx, key)
	switch {
	case err != nil:
		return "", err
	case len(markers) == 0:
		return "no delete marker hides it in this bucket", nil
	case len(below) != 1:
		return fmt.Sprintf("a delete marker hides %d versions of it, and which one counts is for a person to say",
			len(below)), nil
	}
	hidden := HiddenObject{Key: key, Markers: markers, Proof: "its only version"}
	if row.Key != "" {
		switch stored := below[0]; {
		case stored.Size != row.StoredBytes, stored.Checksum != row.Checksum && stored.Checksum != "" && row.Checksum != "":
			return fmt.Sprintf("what a delete marker hides has %d bytes and checksum %q, and is not what its row says",
				stored.Size, stored.Checksum), nil
		case stored.Checksum == "", row.Checksum == "":
			return fmt.Sprintf("what a delete marker hides has as many bytes as its row says, %d, and whether it is the "+
				"object is not known: %s. Look into it, and remove the delete marker by hand if it is", stored.Size,
				whoseChecksum(stored.Checksum)), nil
		}
		hidden.Proof = "size and checksum are those of its row"
	}
	plan.Hidden = append(plan.Hidden, hidden)
	return "", nil
}

// whoseChecksum says which of the two checksums that are compared is missing.
func whoseChecksum(stored string) string {
	if stored == "" {
		return "this store keeps no checksum of whole objects"
	}
	return "its row has no checksum"
}

// planRow plans to make a row again from its object. The proof that the row was edited is
// the checksum: the object in its place is the one that was archived.
func (f *Fixer) planRow(ctx context.Context, plan *FixPlan, p bifrost.Partition, v verify.Violation,
	all []verify.Violation) (string, error) {
	if slices.ContainsFunc(plan.Rows, func(r bifrost.Row) bool { return r.Partition == p && r.Start == v.Start }) {
		return "", nil
	}
	row, err := f.Ledger.Row(ctx, p, v.Start)
	if err != nil {
		return "", err
	}
	progress, err := f.Ledger.Progress(ctx, p)
	if err != nil {
		return "", err
	}
	facts, reason, err := f.findObject(ctx, progress, row)
	if err != nil || reason != "" {
		return reason, err
	}
	if facts.Checksum == "" || row.Facts.Checksum == "" {
		return fmt.Sprintf("whether %s is the object of the row is not known: %s", facts.Key,
			whoseChecksum(facts.Checksum)), nil
	}
	if facts.Checksum != row.Facts.Checksum {
		return fmt.Sprintf("the checksum of %s is not the one in the row, so nothing says which of the two is right",
			facts.Key), nil
	}
	damaged := func(other verify.Violation) bool {
		return other.Key == facts.Key && slices.Contains([]verify.Kind{verify.ObjectDamaged, verify.ObjectMisplaced,
			verify.ObjectContent, verify.ObjectChecksum, verify.ObjectSize, verify.ObjectsOverlap}, other.Kind)
	}
	if slices.ContainsFunc(all, damaged) {
		return "something is wrong with " + facts.Key + " too", nil
	}
	next, err := f.Ledger.Rows(ctx, p, row.Start+1, 1)
	if err != nil {
		return "", err
	}
	if len(next) > 0 && next[0].Start < facts.End {
		return fmt.Sprintf("%s reaches to %d, and the next row begins at %d", facts.Key, facts.End, next[0].Start), nil
	}
	plan.Rows = append(plan.Rows, row)
	addOnce(&plan.Anew, p)
	return "", nil
}

// findObject finds the one object that begins where the row does, or says why there is
// none that proves anything.
func (f *Fixer) findObject(ctx context.Context, progress bifrost.Progress, row bifrost.Row) (facts bifrost.Facts,
	reason string, err error) {
	owner := bifrost.ObjectOwner{Incarnation: progress.Incarnation(), Partition: row.Number, Start: row.Start}
	var damage *baldr.FormatError
	found := 0
	for attempt := range 2 {
		one, err := bifrost.ReadFacts(ctx, f.Bucket, bifrost.ObjectKey(f.Group, row.Partition, row.Start, attempt),
			owner)
		switch {
		case errors.Is(err, bifrost.ErrNotFound):
		case errors.Is(err, bifrost.ErrForeign), errors.As(err, &damage):
			return facts, "what is at its key is not its object: " + err.Error(), nil
		case err != nil:
			return facts, "", err
		default:
			facts = one
			found++
		}
	}
	if found != 1 {
		return facts, fmt.Sprintf("%d objects begin at %d", found, row.Start), nil
	}
	return facts, "", nil
}

// Apply does what was planned. It may stop anywhere: a new verification and a new plan
// go on from there.
func (f *Fixer) Apply(ctx context.Context, plan FixPlan) error {
	for _, hidden := range plan.Hidden {
		if err := f.Versions.Unhide(ctx, hidden.Key, hidden.Markers); err != nil {
			return err
		}
	}
	for _, row := range plan.Rows {
		if err := f.Ledger.DeleteRow(ctx, row); err != nil {
			return err
		}
	}
	return errors.Join(f.rebuild(ctx, plan.Whole, false), f.rebuild(ctx, plan.Anew, true))
}

func (f *Fixer) rebuild(ctx context.Context, partitions []bifrost.Partition, anew bool) error {
	if len(partitions) == 0 {
		return nil
	}
	rebuilder := f.Rebuilder
	rebuilder.Partitions, rebuilder.Anew = partitions, anew
	done, err := rebuilder.Rebuild(ctx)
	if err != nil {
		return err
	}
	for _, failed := range done.Failed {
		err = errors.Join(err, fmt.Errorf("rebuild topic %s partition %d: %s", failed.Topic, *failed.Partition,
			failed.Error))
	}
	return err
}
