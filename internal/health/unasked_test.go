package health_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/health"
)

var errAway = errors.New("away")

// unsteady are tables and a bucket of which one call fails: the nth.
type unsteady struct {
	namedTables
	keys
	calls, fails int
}

func (u *unsteady) next() error {
	if u.calls++; u.calls == u.fails {
		return errAway
	}
	return nil
}

func (u *unsteady) ObjectKeys(ctx context.Context) (progress, objects string, err error) {
	if err := u.next(); err != nil {
		return "", "", err
	}
	return u.namedTables.ObjectKeys(ctx)
}

func (u *unsteady) Mark(ctx context.Context) (bifrost.TablesMark, error) {
	if err := u.next(); err != nil {
		return bifrost.TablesMark{}, err
	}
	return u.namedTables.Mark(ctx)
}

func (u *unsteady) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	if err := u.next(); err != nil {
		return nil, err
	}
	return u.keys.List(ctx, prefix, after, limit)
}

func (u *unsteady) Open(ctx context.Context, key string) (bifrost.Object, error) {
	if err := u.next(); err != nil {
		return nil, err
	}
	return u.keys.Open(ctx, key)
}

// What cannot be asked is an error that says what was looked for, whichever call it is: it
// is never a yes, and never a no.
func TestWhatCannotBeAskedIsAnError(t *testing.T) {
	t.Parallel()
	mark := bifrost.TablesMark{Series: "S", Number: 2}
	for name, c := range map[string]struct {
		tables namedTables
		bucket keys
		check  func(context.Context, health.Belonging) error
		calls  int // at least
	}{
		"group, by marks of another": {namedTables{mark: mark}, keys{"a-file", bifrost.MarkKey("else", "S", 1), "other/x"},
			func(ctx context.Context, b health.Belonging) error { return b.CheckGroup(ctx) }, 6},
		"group, by objects": {namedTables{object, object, mark}, nil,
			func(ctx context.Context, b health.Belonging) error { return b.CheckGroup(ctx) }, 1},
		"bucket": {namedTables{object, object + "2", mark}, keys{object + "2"},
			func(ctx context.Context, b health.Belonging) error { return b.CheckBucket(ctx) }, 5},
		"lost tables": {namedTables{}, keys{"else/x/y", bifrost.MarkKey("mine", "S", 1), "mine/~x/y"},
			func(ctx context.Context, b health.Belonging) error { _, err := b.LostTables(ctx); return err }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				u := &unsteady{namedTables: c.tables, keys: c.bucket, fails: n}
				err := c.check(t.Context(), health.Belonging{Group: "mine", BucketName: "bucket", Tables: u, Bucket: u})
				if u.calls < n {
					if n <= c.calls {
						t.Errorf("%d calls, want %d at least", n-1, c.calls)
					}
					return
				}
				if !errors.Is(err, errAway) || errors.Is(err, health.ErrOtherArchive) {
					t.Errorf("call %d failed: %v", n, err)
				}
			}
		})
	}
}

// Groups of a bucket are all looked at, one beside which keys without a group lie as well, and each
// is named once, if it has an object.
func TestEveryGroupOfABucketIsNamed(t *testing.T) {
	t.Parallel()
	bucket := keys{"a-file", "b/1", "b/2/3", "b0/x", "c", bifrost.MarkKey("d", "S", 1)}
	b := health.Belonging{Group: "mine", BucketName: "bucket", Tables: namedTables{}, Bucket: bucket}
	problem, err := b.LostTables(t.Context())
	if err != nil || !strings.Contains(problem, "has objects of b, b0 and none of group mine: unless") {
		t.Errorf("%q, %v", problem, err)
	}
}
