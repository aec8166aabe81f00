// What every adapter has to answer when its caller's time is over.

package bifrosttest

import (
	"context"
	"errors"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// dead is a context that has ended, as that of a function whose time is over.
func dead(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// canceled wants the word of the context, and no verdict about what was asked for.
func canceled(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, context.Canceled) || errors.Is(err, bifrost.ErrNotFound) || errors.Is(err, bifrost.ErrExists) ||
		errors.Is(err, bifrost.ErrConflict) || errors.Is(err, bifrost.ErrUploadGone) {
		t.Errorf("%s under a context that has ended: error %v, want context.Canceled and no other", what, err)
	}
}

func (s storeSuite) ended() {
	key, ctx := s.key(1, 0), dead(s.T)
	_, err := s.Create(ctx, key)
	canceled(s.T, "Create", err)
	_, err = s.CreateOnce(ctx, key, []byte("marker"))
	canceled(s.T, "CreateOnce", err)
	_, err = s.Open(ctx, key)
	canceled(s.T, "Open", err)
	_, err = s.List(ctx, s.prefix, "", 10)
	canceled(s.T, "List", err)
	upload := s.begin(key, []byte("hello"))
	canceled(s.T, "AbortUploads", s.AbortUploads(ctx, s.prefix))
	_, err = upload.Complete(ctx)
	canceled(s.T, "Complete", err)
	s.missing(key)
	canceled(s.T, "Abort", upload.Abort(ctx))
	s.must(s.AbortUploads(s.Context(), s.prefix))
	s.listed(s.prefix, "", 10)
}

// endedMeanwhile: what was begun under a context that has ended since does not go
// on, and can still be aborted under another.
func (s storeSuite) endedMeanwhile() {
	key, other := s.key(1, 0), s.key(1, 9)
	s.put(other, noise(200<<10))
	ctx, cancel := context.WithCancel(s.Context())
	upload, err := s.Create(ctx, key)
	s.must(err)
	_, err = upload.Write([]byte("hello"))
	s.must(err)
	object, err := s.Open(ctx, other)
	s.must(err)
	cancel()
	_, err = object.ReadAt(make([]byte, 10), 0)
	canceled(s.T, "ReadAt", err)
	_, err = upload.Complete(s.Context())
	canceled(s.T, "Complete", err)
	s.must(upload.Abort(s.Context()))
	s.missing(key)
}

func (s ledgerSuite) ended() {
	ctx, p := dead(s.T), s.opened(orders)
	planned := row(orders, 0, 10)
	s.must(s.Plan(s.Context(), write(p, planned, row(orders, 10, 20))))
	p = s.progress(orders)
	before := []bifrost.Row{s.row(orders, 0), s.row(orders, 10)}
	settled := bifrost.Facts{Key: "key", Range: bifrost.Range{Start: 0, End: 10}, Records: 10}
	for what, call := range map[string]func() error{
		"ListProgress":   func() error { _, err := s.ListProgress(ctx); return err },
		"ListPlanned":    func() error { _, err := s.ListPlanned(ctx); return err },
		"SomePlanned":    func() error { _, err := s.SomePlanned(ctx, noon, 5); return err },
		"Rows":           func() error { _, err := s.Rows(ctx, orders, 0, 5); return err },
		"Row":            func() error { _, err := s.Row(ctx, orders, 0); return err },
		"no Row":         func() error { _, err := s.Row(ctx, orders10, 0); return err },
		"Progress":       func() error { _, err := s.Progress(ctx, orders); return err },
		"CreateProgress": func() error { return s.CreateProgress(ctx, fencing(orders10)) },
		"OpenProgress":   func() error { return s.OpenProgress(ctx, p) },
		"DeleteProgress": func() error { return s.DeleteProgress(ctx, p) },
		"Plan":           func() error { return s.Plan(ctx, write(p, row(orders, 20, 30))) },
		"ChangeStatus": func() error {
			return s.ChangeStatus(ctx, bifrost.StatusWrite{Progress: p, Status: bifrost.StatusDiverged})
		},
		"DropPlanned": func() error { return s.DropPlanned(ctx, p, before[0]) },
		"MarkGap":     func() error { return s.MarkGap(ctx, p, before[0], bifrost.ReasonTopicDeleted) },
		"Lease": func() error {
			_, err := s.Lease(ctx, before[0], "0.one", before[0].Attempts+1, noon)
			return err
		},
		"Release": func() error { return s.Release(ctx, before[0], "failed", noon) },
		"Commit": func() error {
			return s.Commit(ctx, bifrost.CommitWrite{Row: before[0], Facts: settled, ArchivedAt: noon})
		},
		"Advance": func() error {
			return s.Advance(ctx, bifrost.AdvanceWrite{
				Partition:  orders,
				Generation: p.Generation,
				From:       0,
				To:         10,
				Row:        before[0],
			})
		},
		"PutInvocation":   func() error { return s.PutInvocation(ctx, bifrost.Invocation{ID: "0.one"}, noon) },
		"RenewInvocation": func() error { _, err := s.RenewInvocation(ctx, "0.one", noon); return err },
		"EndInvocation":   func() error { return s.EndInvocation(ctx, "0.one") },
		"ListInvocations": func() error { _, err := s.ListInvocations(ctx); return err },
	} {
		canceled(s.T, what, call())
	}
	s.listed()
	if now := s.progress(orders); now != p {
		s.Errorf("progress %+v, want it as it was: %+v", now, p)
	}
	if now := []bifrost.Row{s.row(orders, 0), s.row(orders, 10)}; now[0] != before[0] || now[1] != before[1] {
		s.Errorf("rows %+v, want them as they were: %+v", now, before)
	}
}
