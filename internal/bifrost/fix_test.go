package bifrost_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/repair"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// history is a bucket that remembers what was deleted. Some of its answers may fail.
type history struct {
	*bifrosttest.Store
	deleted map[string][][]byte // contents below the delete markers
	broken  map[string]error    // by the name of the method
}

// hide puts two delete markers onto an object.
func (h *history) hide(key string) {
	h.deleted[key] = h.Versions(key)
	h.Delete(key)
}

func (h *history) Hidden(_ context.Context, key string) (markers []string, below []bifrost.Stored, err error) {
	for _, content := range h.deleted[key] {
		below = append(below, bifrost.Stored{Size: int64(len(content)), Checksum: bifrosttest.Checksum(content)})
	}
	if len(below) > 0 {
		markers = []string{"marker 1 of " + key, "marker 2 of " + key}
	}
	return markers, below, h.broken["Hidden"]
}

func (h *history) Unhide(_ context.Context, key string, markers []string) error {
	if want, _, _ := h.Hidden(context.Background(), key); !slices.Equal(markers, want) {
		return fmt.Errorf("%s is hidden by %q, not by %q", key, want, markers)
	}
	if err := h.broken["Unhide"]; err != nil {
		return err
	}
	for _, content := range h.deleted[key] {
		h.Put(key, content)
	}
	delete(h.deleted, key)
	return nil
}

func (h *history) Open(ctx context.Context, key string) (bifrost.Object, error) {
	if err := h.broken["Open"]; err != nil {
		return nil, err
	}
	return h.Store.Open(ctx, key)
}

// fixTables are the tables as a fixer asks them. Some of their answers may fail.
type fixTables struct {
	*bifrosttest.Ledger
	broken map[string]error // by the name of the method
}

func (f *fixTables) Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error) {
	row, err := f.Ledger.Progress(ctx, p)
	return row, errors.Join(err, f.broken["Progress"])
}

func (f *fixTables) Row(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error) {
	row, err := f.Ledger.Row(ctx, p, start)
	return row, errors.Join(err, f.broken["Row"])
}

func (f *fixTables) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	rows, err := f.Ledger.Rows(ctx, p, from, limit)
	return rows, errors.Join(err, f.broken["Rows"])
}

func (f *fixTables) DeleteRow(ctx context.Context, r bifrost.Row) error {
	if err := f.broken["DeleteRow"]; err != nil {
		return err
	}
	if now, err := f.Ledger.Row(ctx, r.Partition, r.Start); err != nil || now != r {
		return errors.Join(err, bifrost.ErrConflict)
	}
	f.Lose(nil, func(other bifrost.Row) bool { return other.Partition == r.Partition && other.Start == r.Start })
	return nil
}

// mended is a seasoned archive with all that it takes to mend it.
type mended struct {
	*stack
	history *history
	tables  *fixTables
}

func newMended(t *testing.T) *mended {
	s := seasoned(t)
	return &mended{stack: s, history: &history{Store: s.store, deleted: map[string][][]byte{}, broken: map[string]error{}},
		tables: &fixTables{Ledger: s.ledger, broken: map[string]error{}}}
}

func (m *mended) fixer() *repair.Fixer {
	return &repair.Fixer{Group: testGroup, Ledger: m.tables, Bucket: m.history, Versions: m.history, Rebuilder: *m.rebuilder()}
}

// tellFix is a plan in a line for each thing.
func tellFix(plan repair.FixPlan) string {
	var lines []string
	for _, hidden := range plan.Hidden {
		lines = append(lines, fmt.Sprintf("unhide %s: %s", hidden.Key, hidden.Proof))
	}
	for _, row := range plan.Rows {
		lines = append(lines, fmt.Sprintf("row %s %d", row.Partition, row.Start))
	}
	for _, p := range plan.Anew {
		lines = append(lines, "anew "+p.String())
	}
	for _, p := range plan.Whole {
		lines = append(lines, "whole "+p.String())
	}
	for _, left := range plan.Left {
		lines = append(lines, fmt.Sprintf("leave %s: %s", left.Kind, left.Reason))
	}
	for _, p := range plan.Unproven {
		lines = append(lines, "unproven "+p.String())
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

func containsLines(text, lines string) bool {
	for line := range strings.SplitSeq(lines, "\n") {
		if !strings.Contains(text, line) {
			return false
		}
	}
	return true
}

// kindsOf are the kinds of violations, each once.
func kindsOf(found []verify.Violation) []verify.Kind {
	var kinds []verify.Kind
	for _, v := range found {
		kinds = append(kinds, v.Kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

func kindsLeft(plan repair.FixPlan) []verify.Kind {
	var left []verify.Violation
	for _, l := range plan.Left {
		left = append(left, l.Violation)
	}
	return kindsOf(left)
}

// contents are all objects.
func (s *stack) contents() map[string]string {
	all := map[string]string{}
	for _, key := range s.store.Keys() {
		all[key] = string(s.content(key))
	}
	return all
}

// TestFixPutsRightWhatTheBucketProves: what is planned for each damage, in words; and after
// it was done, a verification finds what was left alone, no more.
func TestFixPutsRightWhatTheBucketProves(t *testing.T) {
	t.Parallel()
	const notProven = "the bucket does not prove what is right"
	undecided := func(r bifrost.Row) string {
		return "leave object_checksum: " + notProven + "\nleave object_mismatch: the checksum of " + r.Facts.Key +
			" is not the one in the row, so nothing says which of the two is right\nunproven orders/1"
	}
	for name, c := range map[string]struct {
		damage func(*mended) (want string)
		stays  []verify.Kind // beside what is left by the plan
	}{
		"nothing": {damage: func(*mended) string { return "" }},
		"totals of two partitions": {damage: func(m *mended) string {
			for number := range int32(2) {
				p := m.progress("orders", number)
				p.Records++
				m.ledger.PokeProgress(p)
			}
			return "anew orders/0\nanew orders/1"
		}},
		"a progress row with two things wrong": {damage: func(m *mended) string {
			p := m.progress("orders", 1)
			p.Records, p.Status = p.Records+1, "OPENED"
			m.ledger.PokeProgress(p)
			return "anew orders/1"
		}},
		"a row and the progress row lost": {damage: func(m *mended) string {
			m.lose(m.row("orders", 0, manyRecords))
			m.ledger.Lose(func(p bifrost.Progress) bool { return p.Number == 1 }, nil)
			return "anew orders/0\nwhole orders/1" // what is made anew is rebuilt
		}},
		"a row edited": {damage: func(m *mended) string {
			r := m.row("orders", 1, manyRecords)
			r.Facts.Missing.Compacted, r.Facts.Records = r.Facts.Missing.Compacted+1, r.Facts.Records-1
			m.ledger.Poke(r)
			return fmt.Sprintf("anew orders/1\nrow orders/1 %d", r.Start)
		}},
		"a row edited, its object rotten": {damage: func(m *mended) string {
			r := m.row("orders", 1, manyRecords)
			records, summary := m.records(r.Facts.Key)
			records[0].Value[0] ^= 1
			content, _ := m.written(records, summary)
			m.store.Put(r.Facts.Key, content)
			r.Facts.FirstTimestamp--
			m.ledger.Poke(r)
			return undecided(r)
		}},
		"a row edited that has no checksum": {damage: func(m *mended) string {
			r := m.row("orders", 1, manyRecords)
			r.Facts.Checksum = ""
			r.Facts.FirstTimestamp--
			m.ledger.Poke(r)
			return "leave object_checksum: " + notProven + "\nleave object_mismatch: whether " + r.Facts.Key +
				" is the object of the row is not known: its row has no checksum\nunproven orders/1"
		}},
		"a row edited, of which there are two objects": {damage: func(m *mended) string {
			r := m.row("orders", 1, manyRecords)
			beside := bifrost.ObjectKey(testGroup, r.Partition, r.Start, 1)
			m.store.Put(beside, m.content(r.Facts.Key))
			r.Facts.FirstTimestamp--
			m.ledger.Poke(r)
			return fmt.Sprintf("leave object_mismatch: 2 objects begin at %d\nleave object_without_row: %s\n"+
				"leave objects_overlap: %[2]s\nunproven orders/1", r.Start, notProven)
		}},
		"a row edited, its object another's": {damage: func(m *mended) string {
			a := m.row("orders", 1, manyRecords)
			b := m.row("orders", 1, func(r bifrost.Row) bool { return manyRecords(r) && r.Start > a.Start })
			m.store.Put(a.Facts.Key, m.content(b.Facts.Key))
			a.Facts.Records++
			m.ledger.Poke(a)
			return "leave object_misplaced: " + notProven + "\nleave row_invalid: what is at its key is not its object"
		}, stays: []verify.Kind{verify.TotalsWrong}},
		"an object that nobody planned, and a row lost": {damage: func(m *mended) string {
			m.lose(m.row("orders", 1, manyRecords))
			m.extraObject(m.progress("orders", 1).PlannedOffset)
			return "leave object_without_row: " + notProven + "\nunproven orders/1"
		}, stays: []verify.Kind{verify.RowMissing, verify.TotalsWrong}},
		"rows and progress rows of everything lost": {damage: func(m *mended) string {
			m.ledger.Lose(func(p bifrost.Progress) bool { return p.Name == "orders" }, func(r bifrost.Row) bool { return r.Name == "orders" })
			return "whole orders/0\nwhole orders/1"
		}},
		"a row that ends too early": {damage: func(m *mended) string {
			r := m.row("orders", 1, manyRecords)
			r.Facts.Records++
			m.ledger.Poke(r)
			m.ledger.Poke(bifrost.Row{Partition: r.Partition, Range: bifrost.Range{Start: r.End - 1, End: r.End}, TopicID: r.TopicID, State: bifrost.StatePlanned})
			return fmt.Sprintf("%s reaches to %d, and the next row begins at %d", r.Facts.Key, r.End, r.End-1)
		}, stays: []verify.Kind{verify.NextOffsetWrong, verify.TotalsWrong}},
		"an object hidden": {damage: func(m *mended) string {
			r := m.row("orders", 1, manyRecords)
			m.history.hide(r.Facts.Key)
			return "unhide " + r.Facts.Key + ": size and checksum are those of its row"
		}},
		"an object hidden, and the totals wrong": {damage: func(m *mended) string {
			r := m.row("orders", 1, manyRecords)
			m.history.hide(r.Facts.Key)
			p := m.progress("orders", 1)
			p.Records++
			m.ledger.PokeProgress(p)
			return "unhide " + r.Facts.Key + ": size and checksum are those of its row\nanew orders/1"
		}},
		"a marker hidden": {damage: func(m *mended) string {
			m.history.hide(bifrost.MarkerKey(testGroup, "orders"))
			return "unhide " + bifrost.MarkerKey(testGroup, "orders") + ": its only version"
		}},
		"a birth object hidden": {damage: func(m *mended) string {
			key := bifrost.BirthKey(testGroup, bifrost.Partition{Name: "orders", Number: 1})
			m.history.hide(key)
			return "unhide " + key + ": its only version"
		}},
		"an object deleted for good": {damage: func(m *mended) string {
			m.store.Delete(m.row("orders", 1, manyRecords).Facts.Key)
			return "leave object_missing: no delete marker hides it in this bucket"
		}},
		"an object hidden that is another": {damage: func(m *mended) string {
			r := m.row("orders", 1, manyRecords)
			m.history.deleted[r.Facts.Key] = [][]byte{[]byte("another")}
			m.store.Delete(r.Facts.Key)
			return fmt.Sprintf("leave object_missing: what a delete marker hides has 7 bytes and checksum %q, and is not what its row says", bifrosttest.Checksum([]byte("another")))
		}},
		"an object hidden that was written twice": {damage: func(m *mended) string {
			r := m.row("orders", 1, manyRecords)
			content := m.content(r.Facts.Key)
			m.history.deleted[r.Facts.Key] = [][]byte{content, content}
			m.store.Delete(r.Facts.Key)
			return "leave object_missing: a delete marker hides 2 versions of it, and which one counts is for a person to say"
		}},
		"an object hidden whose row has no checksum": {damage: func(m *mended) string {
			r := m.row("orders", 1, manyRecords)
			m.history.hide(r.Facts.Key)
			r.Facts.Checksum = ""
			m.ledger.Poke(r)
			return "leave object_missing: what a delete marker hides has"
		}},
		"totals wrong beside a rotten object": {damage: func(m *mended) string {
			for number := range int32(2) {
				p := m.progress("orders", number)
				p.Records++
				m.ledger.PokeProgress(p)
			}
			m.store.Put(m.row("orders", 1, manyRecords).Facts.Key, []byte("rotten"))
			return "anew orders/0\nleave object_damaged: " + notProven + "\nunproven orders/1"
		}, stays: []verify.Kind{verify.TotalsWrong}},
		"totals wrong beside a file": {damage: func(m *mended) string {
			p := m.progress("orders", 1)
			p.Records++
			m.ledger.PokeProgress(p)
			m.store.Put("archive/orders/partition=1/notes.txt", []byte("hello"))
			return "anew orders/1\nleave foreign_object: " + notProven
		}},
		"tables that are older": {damage: func(m *mended) string {
			p := m.progress("orders", 1)
			p.Records++
			m.ledger.PokeProgress(p)
			m.ledger.LoseMark()
			older := "the tables are older than the bucket: bifrost rebuild first"
			return "leave tables_older: " + older + "\nleave totals_wrong: " + older
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMended(t)
			want := c.damage(m)
			before := m.contents()
			found, _ := m.verify(verify.Options{})
			plan, err := m.fixer().Plan(t.Context(), found)
			if err != nil {
				t.Fatal(err)
			}
			got := tellFix(plan)
			if !containsLines(got, want) {
				t.Errorf("the plan is\n%s\nand lacks some of\n%s", got, want)
			}
			if acts := len(plan.Hidden)+len(plan.Rows)+len(plan.Anew)+len(plan.Whole) > 0; acts == plan.IsEmpty() || acts && !containsLines(want, tellFix(repair.FixPlan{Hidden: plan.Hidden, Rows: plan.Rows, Anew: plan.Anew, Whole: plan.Whole})) {
				t.Errorf("the plan is\n%s\nand more than\n%s", got, want)
			}
			if err := m.fixer().Apply(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			after := m.contents()
			for key, content := range before {
				if after[key] != content {
					t.Errorf("%s is not what it was", key)
				}
			}
			found, _ = m.verify(verify.Options{})
			stays := append(kindsLeft(plan), c.stays...)
			slices.Sort(stays)
			if now := kindsOf(found); !slices.Equal(now, slices.Compact(stays)) {
				t.Errorf("afterwards %v are wrong, want %v: %+v", now, stays, found)
			}
		})
	}
}

// TestFixOfEveryDamage: whatever is wrong, what is fixed is right afterwards, and nothing is
// worse: no object is touched, and no row of a partition in which something is unproven.
func TestFixOfEveryDamage(t *testing.T) {
	t.Parallel()
	for _, damage := range damages {
		t.Run(string(damage.kind)+"/"+damage.name, func(t *testing.T) {
			t.Parallel()
			m := newMended(t)
			damage.inflict(m.stack)
			before, rows := m.contents(), m.ledger.AllRows()
			found, _ := m.verify(damage.options)
			plan, err := m.fixer().Plan(t.Context(), found)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.fixer().Apply(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			after := m.contents()
			for key, content := range before {
				if after[key] != content {
					t.Errorf("%s is not what it was", key)
				}
			}
			now := m.ledger.AllRows()
			for _, r := range rows {
				if slices.Contains(plan.Unproven, r.Partition) && !slices.Contains(now, r) {
					t.Errorf("row %d of %s, of which something is unproven, is not what it was", r.Start, r.Partition)
				}
			}
			again, _ := m.verify(damage.options)
			for _, v := range again {
				of := func(was verify.Violation) bool { return was.Kind == v.Kind }
				left := slices.ContainsFunc(plan.Left, func(l repair.LeftViolation) bool { return of(l.Violation) })
				if !left && !(slices.ContainsFunc(found, of) && slices.Contains(plan.Unproven, bifrost.Partition{Name: v.Topic, Number: v.Partition})) {
					t.Errorf("after %s: %+v", tellFix(plan), v)
				}
			}
		})
	}
}

// TestFixThatCannotLook: what cannot be read is an error of the plan, which says of what;
// a row that is gone by then is left alone.
func TestFixThatCannotLook(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for _, method := range []string{"Row", "Progress", "Rows", "Open", "Hidden"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			m := newMended(t)
			edited := m.row("orders", 1, manyRecords)
			edited.Facts.FirstTimestamp--
			m.ledger.Poke(edited)
			m.history.hide(m.row("orders", 0, manyRecords).Facts.Key)
			found, _ := m.verify(verify.Options{})
			m.tables.broken[method], m.history.broken[method] = away, away
			plan, err := m.fixer().Plan(t.Context(), found)
			if !errors.Is(err, away) || !strings.Contains(err.Error(), "topic orders partition") {
				t.Errorf("%v: %s", err, tellFix(plan))
			}
		})
	}
	m := newMended(t)
	edited := m.row("orders", 1, manyRecords)
	plan, err := m.fixer().Plan(t.Context(), []verify.Violation{{Kind: verify.RowInvalid, Topic: "orders", Partition: 1, Start: edited.Start + 1}})
	if got := tellFix(plan); err != nil || got != "leave row_invalid: its row is not there: verify again after a rebuild\nunproven orders/1" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestFixThatStopsOnTheWay: a step that fails keeps the later ones from being done, its
// error is told, and a new plan goes on from there.
func TestFixThatStopsOnTheWay(t *testing.T) {
	t.Parallel()
	away := errors.New("away")
	for method, done := range map[string]string{
		"Unhide": "", "DeleteRow": "unhidden", "List of orders/0": "unhidden row deleted anew",
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			m := newMended(t)
			hidden, edited := m.row("orders", 0, manyRecords).Facts.Key, m.row("orders", 1, manyRecords)
			m.history.hide(hidden)
			edited.Facts.FirstTimestamp--
			m.ledger.Poke(edited)
			m.lose(m.row("orders", 0, func(r bifrost.Row) bool { return r.Start == m.progress("orders", 0).StartOffset }))
			found, _ := m.verify(verify.Options{})
			plan, err := m.fixer().Plan(t.Context(), found)
			if err != nil {
				t.Fatal(err)
			}
			m.tables.broken[method], m.history.broken[method] = away, away
			fixer := m.fixer()
			fixer.Rebuilder.Bucket = unlisted{m.store, method, away}
			generation := m.progress("orders", 1).Generation
			if err := fixer.Apply(t.Context(), plan); err == nil || !strings.Contains(err.Error(), away.Error()) {
				t.Errorf("error %v", err)
			}
			var did []string
			if len(m.store.Versions(hidden)) > 0 {
				did = append(did, "unhidden")
			}
			if now, err := m.ledger.Row(t.Context(), edited.Partition, edited.Start); err != nil || now != edited {
				did = append(did, "row deleted")
			}
			if m.progress("orders", 1).Generation != generation {
				did = append(did, "anew")
			}
			if got := strings.Join(did, " "); got != done {
				t.Errorf("done was %q, want %q", got, done)
			}
			clear(m.tables.broken)
			clear(m.history.broken)
			found, _ = m.verify(verify.Options{})
			if plan, err = m.fixer().Plan(t.Context(), found); err != nil {
				t.Fatal(err)
			}
			if err := m.fixer().Apply(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			m.sound(verify.Options{})
		})
	}
}

// unlisted is a bucket that does not list a partition.
type unlisted struct {
	*bifrosttest.Store
	what string
	err  error
}

func (u unlisted) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	if strings.HasPrefix(u.what, "List") && prefix == bifrost.PartitionPrefix(testGroup, bifrost.Partition{Name: "orders"}) {
		return nil, u.err
	}
	return u.Store.List(ctx, prefix, after, limit)
}
