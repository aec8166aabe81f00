// How tables that are older than the bucket are recognized.

package bifrost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
)

// TablesMark is what the tables say of themselves, in a row of its own. Every tick
// that plans counts it up, and then puts a mark of that number into the bucket. So
// where the bucket has a mark of a higher number than the row, the tables are a
// backup of before that mark: what was planned since is in the bucket and not in
// them.
type TablesMark struct {
	Series  string    // of these tables: fresh when they are new, and when they have been rebuilt
	Number  int64     // of the last tick that planned; 0 none yet
	Planned bool      // something was planned under the number; false when it only closes what was before
	At      time.Time // when Number was counted up
	Next    string    // the series that follows when the rebuild that goes on is through; empty when none goes on
}

// ErrTablesOlder says that the tables are older than the bucket.
var ErrTablesOlder = errors.New("the tables are older than the bucket")

// MarksPrefix is what the keys of all marks start with. A topic's name has no '@'.
func MarksPrefix(group string) string { return group + "/@marks/" }

// MarkKey is where the mark of a number lives. It is named like the marker of a
// topic, so that the role that may write one may write the other.
func MarkKey(group, series string, number int64) string {
	return fmt.Sprintf("%s%s/%020d/%s", MarksPrefix(group), series, number, markerName)
}

// markBucket is what marks need of the bucket.
type markBucket interface {
	ObjectOpener
	KeyLister
	CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error)
}

// markLedger is what marks need of the tables.
type markLedger interface {
	MarkKeeper
	Overview
}

// bucketOf is both halves of the bucket as one.
type bucketOf struct {
	Store
	Bucket
}

// Marks compares the tables with the bucket and counts them up, once for a tick or
// a rebuild.
type Marks struct {
	ledger    markLedger
	bucket    markBucket
	group     string
	now       func() time.Time
	newSeries func() string

	stopped bool // ticks plan nothing before the rebuild of all is through, and it need not count
	mutex   sync.Mutex
	at      time.Time // when it counted up last; zero: not yet
	err     error     // why it could not
}

// NewMarks makes the marks of a group. newSeries gives a value never given before.
func NewMarks(group string, ledger Ledger, store Store, bucket Bucket, now func() time.Time,
	newSeries func() string) *Marks {
	return &Marks{ledger: ledger, bucket: bucketOf{store, bucket}, group: group, now: now, newSeries: newSeries}
}

// sealAfter is when a tick closes what an earlier one planned: by then no tick of
// before can still be planning (AWS Lambda ends a function after 15 minutes).
const sealAfter = 15 * time.Minute

// countAgain is when whoever still plans counts up once more: well before a tick may
// close what was planned under the last number.
const countAgain = sealAfter / 3

// maxMarkTries bounds the tries against other ticks that count up.
const maxMarkTries = 10

// Read reads the row and compares it with the bucket. ErrTablesOlder: the tables are
// from before. The row is read again when the bucket has the next mark: another
// tick may have counted up, which it does in the tables first.
func (m *Marks) Read(ctx context.Context) (TablesMark, error) {
	for range maxMarkTries {
		mark, err := m.ledger.Mark(ctx)
		if errors.Is(err, ErrNotFound) {
			if err := m.beginSeries(ctx); err != nil {
				return TablesMark{}, err
			}
			continue
		}
		if err != nil {
			return TablesMark{}, fmt.Errorf("read the mark of the tables: %w", err)
		}
		if mark.Next != "" {
			return mark, m.olderError(mark)
		}
		newer, err := m.markExists(ctx, mark.Series, mark.Number+1)
		if err != nil {
			return mark, err
		}
		if !newer {
			return mark, nil
		}
		again, err := m.ledger.Mark(ctx)
		if err == nil && again.Series == mark.Series && again.Number == mark.Number {
			return mark, m.olderError(mark)
		}
		if err = ignoreNotFound(err); err != nil {
			return mark, fmt.Errorf("read the mark of the tables again: %w", err)
		}
	}
	return TablesMark{}, fmt.Errorf("the mark of the tables changed %d times meanwhile: %w", maxMarkTries, ErrConflict)
}

func (m *Marks) olderError(mark TablesMark) error {
	if mark.Next != "" {
		return fmt.Errorf("%w, or were taken to be: bifrost rebuild has begun to make all of them anew and is not "+
			"through; "+
			"nothing is planned until a run for all topics is", ErrTablesOlder)
	}
	return fmt.Errorf("%w: %s was put after what they say; nothing is planned. If the names of tables, bucket and "+
		"group are right, "+
		"and no other stack archives under this group, a backup was restored: run bifrost rebuild, for all topics, "+
		"until it is through",
		ErrTablesOlder, MarkKey(m.group, mark.Series, mark.Number+1))
}

// beginSeries makes the row of tables that have none. New tables have no progress row by
// which anything was planned: theirs is a series of its own, and those of before are
// closed, so that a backup of the tables that were lost is older when it comes
// back. Tables of before there were marks, in a bucket without marks, get their
// first. Otherwise a backup of that time was restored, or the row was lost alone.
func (m *Marks) beginSeries(ctx context.Context) error {
	planned, err := m.anyPlanned(ctx)
	if err != nil {
		return err
	}
	all, err := m.listSeries(ctx)
	if err != nil {
		return err
	}
	if planned && len(all) > 0 {
		return fmt.Errorf("%w: they have no mark, and the bucket has those of series %s; nothing is planned. If the "+
			"names of tables, "+
			"bucket and group are right, an old backup was restored: run bifrost rebuild, for all topics, until it "+
			"is through", ErrTablesOlder, all[0])
	}
	first := TablesMark{Series: m.newSeries(), Planned: planned, At: m.now()}
	if err := m.closeSeries(ctx, all, TablesMark{}); err != nil {
		return ignoreConflict(err)
	}
	return ignoreConflict(m.ledger.SetMark(ctx, TablesMark{}, first))
}

// anyPlanned reports whether anything was planned by the tables before this moment.
func (m *Marks) anyPlanned(ctx context.Context) (bool, error) {
	progress, err := m.ledger.ListProgress(ctx)
	if err != nil {
		return false, fmt.Errorf("read the progress table: %w", err)
	}
	return AnyPlanned(progress), nil
}

// AnyPlanned reports whether anything was planned by the rows. One at 0 may have been
// made just now, by a tick that still knew the mark that was lost.
func AnyPlanned(progress []Progress) bool {
	return slices.ContainsFunc(progress, func(p Progress) bool { return p.PlannedOffset > 0 })
}

// enterPlan counts up before the first plan of a tick, and again when planning takes
// long: only then may it plan.
func (m *Marks) enterPlan(ctx context.Context) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if now := m.now(); m.err == nil && !m.stopped && (m.at.IsZero() || now.Sub(m.at) >= countAgain) {
		m.at = now
		m.err = m.countUp(ctx, true)
	}
	return m.err
}

// sealPlan counts up once more when nothing has been planned for a while: a backup that
// was made while the last tick planned is then older, too.
func (m *Marks) sealPlan(ctx context.Context, mark TablesMark) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if !m.at.IsZero() || !mark.Planned || m.now().Sub(mark.At) < sealAfter {
		return nil
	}
	return m.countUp(ctx, false)
}

// countUp counts up in the tables first and in the bucket second, so that no mark is
// there which the tables of that moment do not know.
func (m *Marks) countUp(ctx context.Context, planned bool) error {
	for range maxMarkTries {
		mark, err := m.Read(ctx)
		if err != nil {
			return err
		}
		if err := m.fillHole(ctx, mark); err != nil {
			return err
		}
		next := mark
		next.Number, next.Planned, next.At = mark.Number+1, planned, m.now()
		err = m.ledger.SetMark(ctx, mark, next)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return fmt.Errorf("count up the mark of the tables: %w", err)
		}
		return m.putMark(ctx, next.Series, next.Number)
	}
	return fmt.Errorf("the mark of the tables changed %d times meanwhile: %w", maxMarkTries, ErrConflict)
}

// fillHole puts the mark of the row's own number, if whoever counted up did not get so
// far: a series has no holes.
func (m *Marks) fillHole(ctx context.Context, mark TablesMark) error {
	if mark.Number == 0 {
		return nil
	}
	there, err := m.markExists(ctx, mark.Series, mark.Number)
	if there || err != nil {
		return err
	}
	return m.putMark(ctx, mark.Series, mark.Number)
}

// putMark puts a mark. Who puts it does not matter, so all put the same.
func (m *Marks) putMark(ctx context.Context, series string, number int64) error {
	content, err := json.Marshal(map[string]any{"series": series, "mark": number})
	if err != nil {
		return err
	}
	key := MarkKey(m.group, series, number)
	if _, err := m.bucket.CreateOnce(ctx, key, content); err != nil {
		return fmt.Errorf("put the mark %s: %w", key, err)
	}
	return nil
}

func (m *Marks) markExists(ctx context.Context, series string, number int64) (bool, error) {
	key := MarkKey(m.group, series, number)
	_, err := m.bucket.Open(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the mark %s: %w", key, err)
	}
	return true, nil
}

// listSeries is every series that has a mark in the bucket.
func (m *Marks) listSeries(ctx context.Context) (all []string, err error) {
	prefix := MarksPrefix(m.group)
	for after := ""; ; {
		keys, err := m.bucket.List(ctx, prefix, after, 1)
		if err != nil {
			return nil, fmt.Errorf("list the marks after %q: %w", after, err)
		}
		if len(keys) == 0 {
			return all, nil
		}
		series, _, _ := strings.Cut(strings.TrimPrefix(keys[0], prefix), "/")
		all = append(all, series)
		after = prefix + series + "/" + afterAll
	}
}

// closeSeries puts so many marks after the last of each series that no tables can
// know all of them: a row is one ahead of the last mark at most. The series were
// listed before the row is read here: one that has begun since is not among them.
// ErrConflict when the row is not the one of which the caller knew.
func (m *Marks) closeSeries(ctx context.Context, all []string, of TablesMark) error {
	now, err := m.ledger.Mark(ctx)
	if err = ignoreNotFound(err); err != nil {
		return fmt.Errorf("read the mark of the tables again: %w", err)
	}
	if now.Series != of.Series || now.Next != of.Next {
		return fmt.Errorf("the mark of the tables has changed: %w", ErrConflict)
	}
	for _, series := range all {
		if series == of.Next {
			continue
		}
		last, err := m.lastNumber(ctx, series)
		if err != nil {
			return err
		}
		for number := last + 1; number <= last+2; number++ {
			if err := m.putMark(ctx, series, number); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastNumber is the number of the last mark of a series, 0 when there is none. It asks for
// what comes after a number, so marks that somebody deleted do not mislead it.
func (m *Marks) lastNumber(ctx context.Context, series string) (int64, error) {
	var failed error
	isLast := func(number int64) bool {
		if failed != nil {
			return true
		}
		keys, err := m.bucket.List(ctx, MarksPrefix(m.group)+series+"/", MarkKey(m.group, series, number), 1)
		if err != nil {
			failed = fmt.Errorf("list the marks of series %s: %w", series, err)
		}
		return err != nil || len(keys) == 0
	}
	high := 1
	for !isLast(int64(high)) {
		high *= 2
	}
	last := sort.Search(high, func(number int) bool { return isLast(int64(number)) })
	return int64(last), failed
}

// BeginRebuild begins a rebuild of all tables, or goes on with one: from then on no tick
// plans until it is through, and every series of before is closed. It answers the row.
func (m *Marks) BeginRebuild(ctx context.Context) (TablesMark, error) {
	m.stopped = true
	for range maxMarkTries {
		mark, err := m.ledger.Mark(ctx)
		if err = ignoreNotFound(err); err != nil {
			return mark, fmt.Errorf("read the mark of the tables: %w", err)
		}
		used := mark.Next == ""
		if !used { // a backup of tables that were being rebuilt: that rebuild is over
			if used, err = m.markExists(ctx, mark.Next, 1); err != nil {
				return mark, err
			}
		}
		if used {
			err = m.announceSeries(ctx, mark)
		} else {
			err = m.closeAllSeries(ctx, mark)
		}
		if err == nil && !used {
			return mark, nil
		}
		if err = ignoreConflict(err); err != nil {
			return mark, err
		}
	}
	return TablesMark{}, fmt.Errorf("the mark of the tables changed %d times meanwhile: %w", maxMarkTries, ErrConflict)
}

// announceSeries writes into the row which series follows.
func (m *Marks) announceSeries(ctx context.Context, mark TablesMark) error {
	next := mark
	next.Next, next.At = m.newSeries(), m.now()
	if next.Series == "" {
		next.Series = m.newSeries()
	}
	if err := m.ledger.SetMark(ctx, mark, next); err != nil {
		return fmt.Errorf("write into the mark of the tables that they are made anew: %w", err)
	}
	return nil
}

func (m *Marks) closeAllSeries(ctx context.Context, mark TablesMark) error {
	all, err := m.listSeries(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(all, mark.Series) {
		all = append(all, mark.Series)
	}
	return m.closeSeries(ctx, all, mark)
}

// EndRebuild ends it: the tables are as new as the bucket, under a series of their
// own. Its first mark says so before the row does, so that a backup which was made
// on the way is not gone on with.
func (m *Marks) EndRebuild(ctx context.Context, mark TablesMark) error {
	if err := m.putMark(ctx, mark.Next, 1); err != nil {
		return err
	}
	err := m.ledger.SetMark(ctx, mark, TablesMark{Series: mark.Next, Number: 1, At: m.now()})
	if errors.Is(err, ErrConflict) {
		if now, readErr := m.ledger.Mark(ctx); readErr == nil && now.Series == mark.Next {
			return nil // an answer was lost, or two rebuilds ran
		}
	}
	if err != nil {
		return fmt.Errorf("write into the mark of the tables that they are rebuilt: %w", err)
	}
	return nil
}
