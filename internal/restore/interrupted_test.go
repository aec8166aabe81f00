package restore

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

var errAway = errors.New("the archive is away")

// unsteady is an archive of which one call fails: the nth of tables and bucket together.
type unsteady struct {
	readback.Catalogue
	readback.Objects
	calls, fails atomic.Int64
}

func (u *unsteady) next() error {
	if u.calls.Add(1) == u.fails.Load() {
		return errAway
	}
	return nil
}

func (u *unsteady) ListProgress(ctx context.Context) ([]bifrost.Progress, error) {
	if err := u.next(); err != nil {
		return nil, err
	}
	return u.Catalogue.ListProgress(ctx)
}

func (u *unsteady) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	if err := u.next(); err != nil {
		return nil, err
	}
	return u.Catalogue.Rows(ctx, p, from, limit)
}

func (u *unsteady) RowsBelow(ctx context.Context, p bifrost.Partition, below int64, limit int) ([]bifrost.Row, error) {
	if err := u.next(); err != nil {
		return nil, err
	}
	return u.Catalogue.RowsBelow(ctx, p, below, limit)
}

func (u *unsteady) Open(ctx context.Context, key string) (bifrost.Object, error) {
	if err := u.next(); err != nil {
		return nil, err
	}
	return u.Objects.Open(ctx, key)
}

// Whichever call of the archive fails, of whatever step, the step says so; the next run
// goes on from there, and in the end all is there once.
func TestAnArchiveThatFailsOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do    func(*whole) error
		after func(*whole)
	}{
		"look": {do: func(w *whole) error { _, err := w.Look(w.Context(), true); return err }},
		"plan": {do: func(w *whole) error {
			plan, err := w.Look(w.Context(), true)
			if err == nil {
				_, err = w.Planned(w.Context(), plan)
			}
			return err
		}},
		"restore": {do: func(w *whole) error {
			plan, err := w.Look(w.Context(), true)
			if err == nil {
				_, err = w.Restorer.Run(w.Context(), plan)
			}
			return err
		}, after: func(w *whole) { w.mustHoldAll() }},
		"finish": {do: func(w *whole) error {
			plan, err := w.Look(w.Context(), true)
			if err == nil {
				_, err = w.Finish(w.Context(), plan)
			}
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWhole(t)
			archive := &unsteady{Catalogue: w.archived, Objects: w.store}
			w.Archive = &readback.Reader{Catalogue: archive, Objects: archive}
			for n := int64(1); ; n++ {
				archive.calls.Store(0)
				archive.fails.Store(n)
				err := c.do(w)
				failed := archive.calls.Load() >= n
				if failed && !errors.Is(err, errAway) || !failed && err != nil {
					t.Errorf("call %d failed %v: %v", n, failed, err)
				}
				if !failed {
					break
				}
			}
			if c.after != nil {
				c.after(w)
			}
		})
	}
}

// A drill whose archive fails has compared nothing, whichever call it is. Each begins with
// an empty target.
func TestADrillOfAnArchiveThatFailsOnce(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	archive := &unsteady{Catalogue: w.archived, Objects: w.store}
	w.Archive = &readback.Reader{Catalogue: archive, Objects: archive}
	if _, err := w.Drill(t.Context(), 1<<20); err != nil {
		t.Fatal(err)
	}
	all := archive.calls.Load()
	for _, n := range []int64{1, 2, all / 2, all - 1, all} { // of the tables, of the first object, of what is compared
		t.Run("", func(t *testing.T) {
			t.Parallel()
			w := newWhole(t)
			archive := &unsteady{Catalogue: w.archived, Objects: w.store}
			w.Archive = &readback.Reader{Catalogue: archive, Objects: archive}
			archive.fails.Store(n)
			if drill, err := w.Drill(t.Context(), 1<<20); !errors.Is(err, errAway) {
				t.Errorf("call %d of %d failed: %+v, %v", n, all, drill, err)
			}
		})
	}
}
