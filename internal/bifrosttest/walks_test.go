package bifrosttest_test

import (
	"context"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

// The same page is not given for ever; a walk that moves on, or a page that is asked for again
// later, is answered.
func TestTheSamePageIsNotGivenForEver(t *testing.T) {
	t.Parallel()
	s, l, p := bifrosttest.NewStore(), bifrosttest.NewLedger(), bifrost.Partition{Name: "orders"}
	for name, ask := range map[string]func(ctx context.Context, at int64) error{
		"keys":             func(ctx context.Context, at int64) error { _, err := s.List(ctx, "g", string(rune(at)), 2); return err },
		"rows":             func(ctx context.Context, at int64) error { _, err := l.Rows(ctx, p, at, 2); return err },
		"rows from behind": func(ctx context.Context, at int64) error { _, err := l.RowsBelow(ctx, p, at, 2); return err },
	} {
		for n := range int64(10_000) {
			if err := ask(t.Context(), n/1000); err != nil {
				t.Fatalf("%s, question %d: %v", name, n, err)
			}
		}
		var err error
		for n := 0; err == nil && n < 10_000; n++ {
			err = ask(t.Context(), 7)
		}
		if err == nil {
			t.Errorf("%s: the same question was answered ten thousand times", name)
		}
		if err := ask(t.Context(), 8); err != nil {
			t.Errorf("%s: another question after it: %v", name, err)
		}
	}
	for range 10_000 { // whoever comes back every minute
		if _, err := l.ListProgress(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Rows(t.Context(), p, 0, 2); err != nil {
			t.Fatal(err)
		}
	}
}
