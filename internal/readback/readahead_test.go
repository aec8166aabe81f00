package readback

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
)

// A reader of an object, which counts what it is asked and may say io.EOF with the last byte.
type objectReader struct {
	content []byte
	calls   atomic.Int32
	eof     bool
	short   bool // there is less than was said
	stuck   chan struct{}
}

func (r *objectReader) ReadAt(p []byte, at int64) (int, error) {
	r.calls.Add(1)
	if r.stuck != nil {
		<-r.stuck
	}
	n := copy(p, r.content[at:])
	if r.short || r.eof && at+int64(n) == int64(len(r.content)) {
		return n - map[bool]int{true: 1}[r.short], io.EOF
	}
	return n, nil
}

func TestReadingAhead(t *testing.T) {
	t.Parallel()
	content := make([]byte, 205)
	for i := range content {
		content[i] = byte(i)
	}
	for _, eof := range []bool{false, true} {
		r := &objectReader{content: content, eof: eof}
		a := newReadAhead(t.Context(), r, int64(len(content)), 10, &sync.Pool{})
		a.beginReading()
		for at := range content { // each byte is in one read of a chunk, and the window is small
			p := make([]byte, min(10-at%10, len(content)-at))
			if n, err := a.ReadAt(p, int64(at)); err != nil || n != len(p) || !bytes.Equal(p, content[at:at+n]) {
				t.Fatalf("EOF %v: at %d: %d, %v", eof, at, n, err)
			}
			if kept := len(a.chunks); kept > readAheadDepth+2 {
				t.Fatalf("%d chunks are kept at %d", kept, at)
			}
			// One chunk behind is kept, for those who read side by side.
			if at >= 20 {
				if _, err := a.ReadAt(p[:1], int64(at-10)); err != nil || p[0] != content[at-10] {
					t.Fatalf("behind %d: %v", at, err)
				}
			}
		}
		if calls := r.calls.Load(); calls != 21 {
			t.Errorf("EOF %v: %d reads for 21 chunks", eof, calls)
		}
		whole := newReadAhead(t.Context(), r, int64(len(content)), 10, &sync.Pool{})
		whole.beginAt(0)
		p := make([]byte, len(content))
		if n, err := whole.ReadAt(p, 0); n != len(p) || err != nil || !bytes.Equal(p, content) {
			t.Errorf("EOF %v: at once: %d, %v", eof, n, err)
		}
		if n, err := a.ReadAt(make([]byte, 10), 200); n != 5 || err != io.EOF {
			t.Errorf("EOF %v: behind the end: %d, %v", eof, n, err)
		}
		a.closeChunks()
		if _, err := a.ReadAt(make([]byte, 5), 200); len(a.chunks) != 0 || err != nil && err != io.EOF || r.calls.Load() != 43 {
			t.Errorf("EOF %v: closed, %d chunks are kept, %d reads, %v", eof, len(a.chunks), r.calls.Load(), err)
		}
	}
}

// An object that is shorter than the store said is damage, and never an end.
func TestReadingAheadOfLessThanThereIs(t *testing.T) {
	t.Parallel()
	a := newReadAhead(t.Context(), &objectReader{content: make([]byte, 25), short: true}, 25, 10, &sync.Pool{})
	a.beginReading()
	if _, err := a.ReadAt(make([]byte, 5), 0); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
}

// A reader that is told to stop does not wait for the store.
func TestReadingAheadOfAStoreThatHangs(t *testing.T) {
	t.Parallel()
	r := &objectReader{content: make([]byte, 25), stuck: make(chan struct{})}
	defer close(r.stuck)
	ctx, cancel := context.WithCancelCause(t.Context())
	a := newReadAhead(ctx, r, 25, 10, &sync.Pool{})
	a.beginAt(0)
	why := errors.New("why")
	cancel(why)
	if _, err := a.ReadAt(make([]byte, 5), 0); !errors.Is(err, why) {
		t.Error(err)
	}
}
