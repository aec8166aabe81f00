package s3store_test

import (
	"bytes"
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// An upload is aborted behind the last of its parts, or one that comes later would stay; unless the
// time of the abort ends, which ends them, too.
func TestAbortComesAfterTheParts(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{false, true} {
		f := newFaulty(t)
		upload, err := f.Create(f.Context(), key)
		f.must(err)
		ctx, cancel := context.WithCancel(f.Context())
		var flying atomic.Int64
		begun, aborted := make(chan struct{}), make(chan struct{})
		f.faults.Next(isPart, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			flying.Add(1)
			defer flying.Add(-1)
			close(begun)
			late := 20 * time.Millisecond
			if ends {
				late = 30 * time.Second
			}
			select {
			case <-r.Context().Done():
				return nil, r.Context().Err()
			case <-aborted:
			case <-time.After(late):
				if ends {
					t.Error("nobody ended the part")
				}
			}
			return next.RoundTrip(r)
		})
		f.faults.Next(isAbort, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			if n := flying.Load(); n > 0 {
				t.Errorf("aborted with %d parts in flight", n)
			}
			close(aborted)
			return next.RoundTrip(r)
		})
		_, err = upload.Write(noise(9 << 20))
		f.must(err)
		<-begun
		if ends {
			cancel()
		}
		if err := upload.Abort(ctx); (err == nil) == ends {
			t.Errorf("abort: %v", err)
		}
		cancel()
	}
}

// An upload that is over takes nothing more, and gives back once what it had.
func TestUploadsThatAreOver(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	for _, end := range []func() bifrost.Upload{
		func() bifrost.Upload {
			upload, err := f.Create(f.Context(), key+"-complete")
			f.must(err)
			_, err = upload.Write(noise(100))
			f.must(err)
			_, err = upload.Complete(f.Context())
			f.must(err)
			return upload
		},
		func() bifrost.Upload {
			upload, err := f.Create(f.Context(), key+"-aborted")
			f.must(err)
			_, err = upload.Write(noise(100))
			f.must(err)
			f.must(upload.Abort(f.Context()))
			_ = upload.Abort(f.Context()) // as after a lost answer
			return upload
		},
	} {
		upload := end()
		_, err := upload.Write(noise(9 << 20)) // which may be on its way
		if _, completed := upload.Complete(f.Context()); err == nil && completed == nil {
			t.Error("what is over was written to, and completed")
		}
	}
	one, err := f.Create(f.Context(), key+"-one")
	f.must(err)
	two, err := f.Create(f.Context(), key+"-two")
	f.must(err)
	_, err = one.Write(bytes.Repeat([]byte("1"), 1000))
	f.must(err)
	_, err = two.Write(bytes.Repeat([]byte("2"), 1000))
	f.must(err)
	_, err = one.Complete(f.Context())
	f.must(err)
	object, err := f.Open(f.Context(), key+"-one")
	f.must(err)
	got := make([]byte, 1000)
	if _, err := object.ReadAt(got, 0); err != nil || !bytes.Equal(got, bytes.Repeat([]byte("1"), 1000)) {
		t.Errorf("one upload has what was written to another; error %v", err)
	}
}
