package s3store_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
)

// A read that breaks off goes on where it broke: what has arrived is not paid for
// twice.
func TestBrokenReadGoesOnWhereItBroke(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	content := noise(1 << 20)
	_, err := f.put(content)
	f.must(err)
	object, err := f.Open(f.Context(), key)
	f.must(err)
	var asked []string
	asking := func(fault httpfault.Fault) httpfault.Fault {
		return func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			asked = append(asked, r.Header.Get("Range"))
			return fault(next, r)
		}
	}
	f.faults.Next(isGet, asking(httpfault.Cut(1000)), asking(httpfault.Cut(0)), asking(httpfault.Cut(1)), asking(httpfault.Pass))
	got := make([]byte, 900_000)
	n, err := object.ReadAt(got, 7)
	if err != nil || n != len(got) || !bytes.Equal(got, content[7:7+len(got)]) {
		t.Errorf("%d of %d bytes, error %v, or the wrong ones", n, len(got), err)
	}
	want := []string{"bytes=7-900006", "bytes=1007-900006", "bytes=1007-900006", "bytes=1008-900006"}
	if !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

// A read that breaks off again and again fails, and says what was read of what.
func TestReadThatNeverEnds(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	_, err := f.put(noise(1 << 20))
	f.must(err)
	object, err := f.Open(f.Context(), key)
	f.must(err)
	before := f.faults.Count(isGet)
	f.faults.Next(isGet, slices.Repeat([]httpfault.Fault{httpfault.Cut(10)}, 100)...)
	n, err := object.ReadAt(make([]byte, 1000), 0)
	if sent := f.faults.Count(isGet) - before; n != 10*sent || sent < 2 || sent > 20 {
		t.Errorf("%d bytes after %d requests, want ten for each, and a handful of requests", n, sent)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), key) {
		t.Errorf("error %v, want io.ErrUnexpectedEOF and the key", err)
	}
	_, err = f.Open(f.Context(), key)
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, bifrost.ErrNotFound) {
		t.Errorf("open with a tail that breaks off: %v, want io.ErrUnexpectedEOF", err)
	}
}
