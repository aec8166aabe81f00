package bifrosttest

import (
	"errors"
	"slices"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// TestCompletionOnItsWay: what the twin does with a completion that is not decided
// is what versitygw was seen to do, and nothing that S3 documents is against it.
func TestCompletionOnItsWay(t *testing.T) {
	t.Parallel()
	begin := func(s *Store, content string) bifrost.Upload {
		u, err := s.Create(t.Context(), "a/b")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = u.Write([]byte(content))
		return u
	}
	s := NewStore()
	first := begin(s, "first")
	s.BeginCompletion(first)
	if err := s.AbortUploads(t.Context(), "a/"); err != nil || len(s.OpenUploads()) > 0 || s.Completing() != 1 {
		t.Errorf("error %v, open %q, %d completing: want it neither listed nor aborted", err, s.OpenUploads(), s.Completing())
	}
	if _, err := first.Complete(t.Context()); err != nil || len(s.Keys()) > 0 {
		t.Errorf("a second completion: %v, keys %q: want success, and nothing decided", err, s.Keys())
	}
	s.EndCompletion(true)
	if open := s.OpenUploads(); !slices.Equal(open, []string{"a/b"}) {
		t.Errorf("open after a failure: %q", open)
	}
	s.BeginCompletion(first)
	second := begin(s, "second")
	s.BeginCompletion(second)
	s.EndCompletion(false)
	s.EndCompletion(false)
	if versions := s.Versions("a/b"); len(versions) != 1 || string(versions[0]) != "first" || len(s.OpenUploads()) != 1 {
		t.Errorf("versions %q, open %q: want the first, and the second open again", versions, s.OpenUploads())
	}
	if _, err := second.Complete(t.Context()); !errors.Is(err, bifrost.ErrExists) {
		t.Errorf("the loser's completion: %v", err)
	}
}
