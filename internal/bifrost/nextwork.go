package bifrost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
)

// searchWidth is how many waiting rows a worker looks at for its next range. Where
// none of them may be worked on, because their partitions are DIVERGED, suspected
// or have no progress row, it looks at searchGrowth times as many, up to
// widestSearch: what nobody can finish must not hide what anybody can.
const (
	searchWidth  = 32
	searchGrowth = 16
	widestSearch = searchWidth * searchGrowth * searchGrowth
)

// next leases waiting ranges, if there are any and time for them: of those it
// finds, one of a partition nearest to loss, or small ones to archive side by side.
func (s *work) next(ctx context.Context) ([]Task, error) {
	if s.deadline.IsZero() || !s.mayBegin() {
		return nil, nil
	}
	search := search{work: s, barred: map[barrier]bool{}}
	for width := searchWidth; width <= widestSearch; width *= searchGrowth {
		rows, err := s.Ledger.SomePlanned(ctx, s.Now(), width)
		if err != nil {
			return nil, fmt.Errorf("look for the next range: %w", err)
		}
		tasks, err := search.lease(ctx, rows)
		if len(tasks) > 0 || err != nil || len(rows) < width {
			return tasks, err
		}
	}
	return nil, nil
}

// search is the look for the next ranges. It keeps in barred which rows may not be
// worked on, so that each partition is looked at once.
type search struct {
	*work
	barred map[barrier]bool
	atWork atWork // read when a row first asks for it
}

// barrier names rows of which all or none may be worked on.
type barrier struct {
	Partition
	gap bool
}

// lease leases the first of the rows, by nearness to loss, that may be worked on,
// and if it is small others that are. One that a function had before goes alone: it
// may be what that function died of.
func (s *search) lease(ctx context.Context, rows []Row) ([]Task, error) {
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Compare(a.Nearness(s.Now()), b.Nearness(s.Now()))
	})
	var tasks []Task
	for _, row := range rows {
		if len(tasks) > 0 && !s.together(row) {
			continue
		}
		if free, err := s.free(ctx, row); err != nil || !free {
			if err != nil {
				return tasks, err
			}
			continue
		}
		if err := s.own(ctx); err != nil {
			return tasks, err
		}
		leased, err := s.Ledger.Lease(ctx, row, s.invocation, s.atWork.tries(row)+1, s.Now().Add(s.Lease))
		if err != nil && !errors.Is(err, ErrConflict) {
			return tasks, fmt.Errorf("lease the next range: %w", err)
		}
		if err != nil {
			continue
		}
		tasks = append(tasks, NewTask(leased))
		if !s.together(row) || len(tasks) >= s.Together {
			break
		}
	}
	return tasks, nil
}

// together reports whether the row may be taken among others.
func (s *search) together(row Row) bool { return row.small() && s.atWork.tries(row) == 0 }

// free reports whether nobody has the row in hand, and it may be worked on.
func (s *search) free(ctx context.Context, row Row) (bool, error) {
	if row.Invocation != "" && s.atWork == nil {
		all, err := s.Ledger.ListInvocations(ctx)
		if err != nil {
			return false, fmt.Errorf("read which functions are at work: %w", err)
		}
		s.atWork = newAtWork(all)
	}
	b := barrier{row.Partition, row.GapReason != ""}
	if s.atWork.held(row, s.Lease, s.Now()) || s.barred[b] {
		return false, nil
	}
	may, err := s.mayWork(ctx, row)
	s.barred[b] = err == nil && !may
	return may, err
}

// mayWork reports whether the row's partition is in a state to be worked on, as
// discover would judge it.
func (s *search) mayWork(ctx context.Context, row Row) (bool, error) {
	progress, err := s.Ledger.Progress(ctx, row.Partition)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at the partition of the next range: %w", err)
	}
	if row.GapReason != "" {
		return progress.Status.Workable() || progress.Status == StatusForked, nil
	}
	return progress.Status.Workable() && progress.Suspicion == "", nil
}
