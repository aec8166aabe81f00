// What every ledger has to keep of functions at work.

package bifrosttest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// planLeases: a plan may give its rows to an invocation in the same write.
func (s ledgerSuite) planLeases() {
	s.planned(orders, 10)
	given := row(orders, 10, 20)
	given.PlannedAt, given.LossAt = noon, noon.Add(time.Hour)
	given.Attempts, given.Invocation, given.LeaseUntil, given.Expected = 1, "function-1", noon.Add(time.Minute), 1234
	s.must(s.Plan(s.Context(), bifrost.PlanWrite{
		Progress:      s.progress(orders),
		Rows:          []bifrost.Row{given},
		PlannedOffset: 20,
		Observation:   bifrost.Observation{At: noon},
	}))
	s.same("the row", s.row(orders, 10), given)
	free, err := s.SomePlanned(s.Context(), noon, 10)
	s.must(err)
	if slices.ContainsFunc(free, func(r bifrost.Row) bool { return r.Start == 10 }) {
		s.Error("a row that the plan has given away waits for somebody")
	}
	s.must(s.Commit(s.Context(), s.commitOf(given, facts(orders, 10, 15))))
	if settled := s.row(orders, 10); settled.Invocation != "" || settled.Expected != 0 {
		s.Errorf("the settled row still says who had it: %+v", settled)
	}
	rest := s.row(orders, 15)
	if rest.Attempts != 0 || rest.Invocation != "" || !rest.LeaseUntil.IsZero() || rest.Expected != 0 {
		s.Errorf("the remainder is in hand of somebody, or its size is known: %+v", rest)
	}
}

func (s ledgerSuite) invocation() {
	_, err := s.RenewInvocation(s.Context(), "0.one", noon)
	if !errors.Is(err, bifrost.ErrNotFound) {
		s.Fatalf("renewed without a row: %v", err)
	}
	s.listed()
	put := bifrost.Invocation{
		ID:         "0.one",
		Tasks:      []bifrost.Task{bifrost.NewTask(row(orders, 0, 10))},
		AliveUntil: noon.Add(time.Second),
	}
	s.must(s.PutInvocation(s.Context(), put, noon))
	s.must(s.PutInvocation(s.Context(), put, noon)) // as after a lost answer
	was, err := s.RenewInvocation(s.Context(), "0.one", noon.Add(time.Minute))
	s.must(err)
	s.same("the row before it was renewed", fmt.Sprint(was), fmt.Sprint(put))
	was, err = s.RenewInvocation(s.Context(), "0.one", noon.Add(2*time.Minute))
	s.must(err)
	put.Begun, put.AliveUntil = true, noon.Add(time.Minute)
	s.same("the row before it was renewed again", fmt.Sprint(was), fmt.Sprint(put))
	s.conflicts("a slot that is taken", s.PutInvocation(s.Context(), bifrost.Invocation{
		ID:         "0.two",
		AliveUntil: noon.Add(time.Hour),
	}, noon.Add(2*time.Minute-time.Millisecond)))
	s.must(s.PutInvocation(s.Context(), bifrost.Invocation{
		ID:         "12.two",
		Begun:      true,
		AliveUntil: noon.Add(time.Hour),
	}, noon))
	one := bifrost.Invocation{ID: "0.one", Begun: true, AliveUntil: noon.Add(2 * time.Minute)}
	two := bifrost.Invocation{ID: "12.two", Begun: true, AliveUntil: noon.Add(time.Hour)}
	s.listed(one, two)
	s.must(s.EndInvocation(s.Context(), "12.one")) // which has another slot
	s.listed(one, two)
	s.must(s.EndInvocation(s.Context(), "12.two"))
	s.must(s.EndInvocation(s.Context(), "12.two"))
	two.AliveUntil = time.Time{}
	s.listed(one, two)
	three := bifrost.Invocation{ID: "12.three", AliveUntil: noon.Add(time.Minute)}
	s.must(s.PutInvocation(s.Context(), three, noon))
	four := bifrost.Invocation{ID: "0.four", AliveUntil: noon.Add(time.Hour)}
	s.must(s.PutInvocation(s.Context(), four, noon.Add(2*time.Minute))) // one is dead by then
	s.listed(four, three)
	_, err = s.RenewInvocation(s.Context(), "0.one", noon.Add(time.Hour))
	if !errors.Is(err, bifrost.ErrNotFound) {
		s.Fatalf("renewed, and another has the slot: %v", err)
	}
	s.must(s.EndInvocation(s.Context(), "0.one"))
	s.listed(four, three)
}

// listed checks which invocations there are, but for their tasks.
func (s ledgerSuite) listed(want ...bifrost.Invocation) {
	s.Helper()
	all, err := s.ListInvocations(s.Context())
	s.must(err)
	slices.SortFunc(all, func(a, b bifrost.Invocation) int { return strings.Compare(a.ID, b.ID) })
	for i := range all {
		all[i].Tasks = nil
	}
	s.same("the invocations", fmt.Sprint(all), fmt.Sprint(want))
}

// listInvocations: a function is started for hundreds of ranges of topics with the
// longest names there are, and all of this fits into its row.
func (s ledgerSuite) listInvocations() {
	var tasks []bifrost.Task
	for n := range int32(1000) {
		p := bifrost.Partition{Name: strings.Repeat("x", 240) + fmt.Sprint(n), Number: n}
		tasks = append(tasks, bifrost.NewTask(row(p, int64(n)*1e12, int64(n)*1e12+15)))
	}
	for n := range 30 {
		s.must(s.PutInvocation(s.Context(), bifrost.Invocation{
			ID:         fmt.Sprintf("%d.function", n),
			Tasks:      tasks,
			AliveUntil: noon,
		}, noon))
	}
	all, err := s.ListInvocations(s.Context())
	s.must(err)
	if len(all) != 30 {
		s.Errorf("%d invocations, want 30", len(all))
	}
	was, err := s.RenewInvocation(s.Context(), "7.function", noon)
	s.must(err)
	if !slices.Equal(was.Tasks, tasks) {
		s.Errorf("%d tasks came back of %d, or others", len(was.Tasks), len(tasks))
	}
}
