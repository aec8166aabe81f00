package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// faulty is a bucket of its own behind a transport that takes orders.
type faulty struct {
	*s3store.Store
	*testing.T
	faults *httpfault.Transport
}

func newFaulty(t *testing.T) faulty {
	t.Helper()
	cfg := service(t)
	bucket := newBucket(t, cfg)
	faults := httpfault.New(http.DefaultTransport)
	cfg.HTTPClient = &http.Client{Transport: faults}
	return faulty{s3store.New(cfg, bucket), t, faults}
}

// The requests that Store sends, by method and query.
func isCreate(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploads")
}

func isPart(r *http.Request) bool {
	return r.Method == http.MethodPut && r.URL.Query().Has("partNumber")
}

func isComplete(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

func isPut(r *http.Request) bool { return r.Method == http.MethodPut && !isPart(r) }

func isGet(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Query().Get("x-id") == "GetObject"
}

func isHead(r *http.Request) bool  { return r.Method == http.MethodHead }
func isAbort(r *http.Request) bool { return r.Method == http.MethodDelete }
func isList(r *http.Request) bool  { return r.Method == http.MethodGet && !isGet(r) }

func xml(code string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>ordered by a test</Message></Error>`
}

var (
	slowDown      = httpfault.Answer(503, nil, xml("SlowDown"))
	internalError = httpfault.Answer(500, nil, xml("InternalError"))
	appliedBut500 = httpfault.AnswerAfter(500, nil, xml("InternalError"))
)

const key = "archive/orders/partition=0/00000000000000000000.baldr.gz"

func (f faulty) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func noise(n int) []byte {
	content := make([]byte, n)
	seed := rand.NewChaCha8([32]byte{1})
	_, _ = seed.Read(content) // never fails
	return content
}

// put uploads the content in one write.
func (f faulty) put(content []byte) (bifrost.Stored, error) {
	f.Helper()
	upload, err := f.Create(f.Context(), key)
	f.must(err)
	if _, err := upload.Write(content); err != nil {
		return bifrost.Stored{}, err
	}
	return upload.Complete(f.Context())
}

func (f faulty) holds(content []byte) {
	f.Helper()
	object, err := f.Open(f.Context(), key)
	f.must(err)
	got, err := io.ReadAll(io.NewSectionReader(object, 0, object.Stored().Size))
	f.must(err)
	if !bytes.Equal(got, content) {
		f.Errorf("the object has %d bytes, and they are not the %d that were written", len(got), len(content))
	}
	if want := bifrosttest.Checksum(content); object.Stored().Checksum != want {
		f.Errorf("checksum %q, want %q", object.Stored().Checksum, want)
	}
	if left := f.faults.Left(); left > 0 {
		f.Errorf("%d faults met no request", left)
	}
}

// What fails and can be repeated is repeated, and the content is right.
func TestUploadOnBadDays(t *testing.T) {
	t.Parallel()
	for name, order := range map[string]func(*httpfault.Transport){
		"slow down everywhere": func(f *httpfault.Transport) {
			for _, match := range []httpfault.Match{isPart, isGet, isHead} {
				f.Next(match, slowDown, slowDown)
			}
		},
		"begin answered 500":            func(f *httpfault.Transport) { f.Next(isCreate, internalError, appliedBut500) },
		"begin lost":                    func(f *httpfault.Transport) { f.Next(isCreate, httpfault.LoseRequest, httpfault.LoseAnswer) },
		"part lost":                     func(f *httpfault.Transport) { f.Next(isPart, httpfault.LoseRequest, httpfault.LoseRequest) },
		"answer to a part lost":         func(f *httpfault.Transport) { f.Next(isPart, httpfault.LoseAnswer, httpfault.LoseAnswer) },
		"part applied and answered 500": func(f *httpfault.Transport) { f.Next(isPart, appliedBut500) },
		"reads broken off": func(f *httpfault.Transport) {
			f.Next(isGet, httpfault.Cut(100), httpfault.LoseAnswer, httpfault.Pass, httpfault.Cut(1<<20), httpfault.Cut(0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			order(f.faults)
			content := noise(17<<20 + 5)
			stored, err := f.put(content)
			f.must(err)
			if stored.Size != int64(len(content)) || stored.Checksum != bifrosttest.Checksum(content) {
				t.Errorf("completed with %+v", stored)
			}
			f.holds(content)
		})
	}
}

// A completion is sent once, whatever becomes of it. If it is applied and its
// answer is not a success, that is an error: the caller looks what is there.
func TestCompletionAppliedButNotHeard(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]httpfault.Fault{
		"answer lost":       httpfault.LoseAnswer,
		"500":               appliedBut500,
		"200 with an error": httpfault.AnswerAfter(200, nil, xml("InternalError")),
		"answer cut":        httpfault.Cut(60),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			f.faults.Next(isComplete, fault)
			content := noise(100)
			if _, err := f.put(content); err == nil {
				t.Error("success, of which nothing was heard")
			}
			if n := f.faults.Count(isComplete); n != 1 {
				t.Errorf("the completion was sent %d times", n)
			}
			f.holds(content)
		})
	}
}

func TestCompletionNotApplied(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]httpfault.Fault{
		"request lost": httpfault.LoseRequest, "500": internalError, "503": slowDown,
		"200 with an error": httpfault.Answer(200, nil, xml("InternalError")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			f.faults.Next(isComplete, fault)
			if _, err := f.put(noise(100)); err == nil {
				t.Error("success, and nothing was completed")
			}
			if n := f.faults.Count(isComplete); n != 1 {
				t.Errorf("the completion was sent %d times", n)
			}
			if _, err := f.Open(f.Context(), key); !errors.Is(err, bifrost.ErrNotFound) {
				t.Errorf("open after it: %v, want ErrNotFound", err)
			}
		})
	}
}

func TestCompletionRefused(t *testing.T) {
	t.Parallel()
	for code, c := range map[string]struct {
		status int
		is     error
		says   string
	}{
		"PreconditionFailed":         {412, bifrost.ErrExists, "already"},
		"NoSuchUpload":               {404, bifrost.ErrUploadGone, "gone"},
		"ConditionalRequestConflict": {409, nil, "begin a new upload"},
		"AccessDenied":               {403, nil, "AccessDenied"},
		"BadDigest":                  {400, nil, "BadDigest"},
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			f.faults.Next(isComplete, httpfault.Answer(c.status, nil, xml(code)))
			_, err := f.put(noise(100))
			for _, known := range []error{bifrost.ErrExists, bifrost.ErrUploadGone, bifrost.ErrNotFound} {
				if errors.Is(err, known) != (known == c.is) {
					t.Errorf("error %v: is it %q? %v", err, known, errors.Is(err, known))
				}
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), key) {
				t.Errorf("error %v, want one that names the key and says %q", err, c.says)
			}
			if _, err := f.Open(f.Context(), key); !errors.Is(err, bifrost.ErrNotFound) {
				t.Errorf("open after a refused completion: %v, want ErrNotFound", err)
			}
		})
	}
}

// A part that fails in the background ends the upload: nothing becomes visible.
func TestPartRefused(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.faults.Next(isPart, httpfault.Answer(404, nil, xml("NoSuchUpload")))
	upload, err := f.Create(f.Context(), key)
	f.must(err)
	content := noise(9 << 20)
	var writing error
	for range 10 {
		if _, writing = upload.Write(content); writing != nil {
			break
		}
	}
	if !errors.Is(writing, bifrost.ErrUploadGone) {
		t.Errorf("90 MiB after the part failed Write says %v, want ErrUploadGone", writing)
	}
	if _, err := upload.Complete(f.Context()); !errors.Is(err, bifrost.ErrUploadGone) {
		t.Errorf("Complete says %v, want ErrUploadGone", err)
	}
	f.must(upload.Abort(f.Context()))
	if n := f.faults.Count(isComplete); n != 0 {
		t.Errorf("%d requests to complete what is not whole", n)
	}
}

// A bit that turns over on its way is noticed by the service as soon as it is there.
func TestPartDamagedOnItsWay(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.faults.Next(isPart, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		content, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		content[len(content)/2] ^= 1
		r.Body = io.NopCloser(bytes.NewReader(content))
		return next.RoundTrip(r)
	})
	if _, err := f.put(noise(1000)); err == nil {
		t.Error("a damaged part was taken")
	}
	if n := f.faults.Count(isComplete); n != 0 {
		t.Errorf("%d completions after a damaged part: it was taken in, to be found out at the end", n)
	}
	if _, err := f.Open(f.Context(), key); !errors.Is(err, bifrost.ErrNotFound) {
		t.Errorf("open: %v, want ErrNotFound", err)
	}
}

// Abort while parts are in flight leaves nothing behind that costs money.
func TestAbortInFlight(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	upload, err := f.Create(f.Context(), key)
	f.must(err)
	_, err = upload.Write(noise(20 << 20))
	f.must(err)
	f.must(upload.Abort(f.Context()))
	f.must(f.AbortUploads(f.Context(), "archive/"))
	if n := f.faults.Count(isAbort); n != 1 {
		t.Errorf("%d aborts, want 1: Abort left an upload behind", n)
	}
}

// A worker whose time is over can still abort.
func TestAbortAfterTheDeadline(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	ctx, cancel := context.WithCancel(f.Context())
	upload, err := f.Create(ctx, key)
	f.must(err)
	f.faults.Next(isPart, func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
		cancel()
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	_, err = upload.Write(noise(9 << 20))
	f.must(err)
	if _, err := upload.Complete(f.Context()); !errors.Is(err, context.Canceled) {
		t.Errorf("complete: %v, want context.Canceled", err)
	}
	f.must(upload.Abort(f.Context()))
	if n := f.faults.Count(isAbort); n != 1 {
		t.Errorf("%d aborts, want 1", n)
	}
}

// No more parts are on their way at once than memory is meant for.
func TestPartsInFlight(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	var flying, most atomic.Int64
	count := func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		most.Store(max(most.Load(), flying.Add(1)))
		defer flying.Add(-1)
		return next.RoundTrip(r)
	}
	f.faults.Next(isPart, slices.Repeat([]httpfault.Fault{count}, 10)...)
	content := noise(10 * 8 << 20)
	_, err := f.put(content)
	f.must(err)
	if most.Load() > 2 {
		t.Errorf("%d parts were in flight at once, want at most 2", most.Load())
	}
	f.holds(content)
}

// What Open and reads of the tail cost is one GET.
func TestRequestsOfAReader(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	content := noise(1 << 20)
	_, err := f.put(content)
	f.must(err)
	object, err := f.Open(f.Context(), key)
	f.must(err)
	size := object.Stored().Size
	read := func(off, n int64, gets int) {
		t.Helper()
		got := make([]byte, n)
		_, err := object.ReadAt(got, off)
		f.must(err)
		if !bytes.Equal(got, content[off:off+n]) {
			t.Errorf("wrong bytes at %d", off)
		}
		if sent := f.faults.Count(isGet); sent != gets {
			t.Errorf("%d GETs after reading %d bytes at %d, want %d", sent, n, off, gets)
		}
	}
	read(size-64, 64, 1)
	read(size-64<<10, 64<<10, 1)
	read(size-64<<10-1, 10, 2) // one byte before the tail
	read(0, size, 3)
	if n := f.faults.Count(isHead); n != 1 {
		t.Errorf("%d HEADs, want 1", n)
	}
}

func TestEmptyObject(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	stored, err := f.put(nil)
	f.must(err)
	if stored.Size != 0 {
		t.Errorf("size %d, want 0", stored.Size)
	}
	f.holds(nil)
}

func TestReplacedWhileRead(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	_, err := f.put(noise(1 << 20))
	f.must(err)
	object, err := f.Open(f.Context(), key)
	f.must(err)
	f.faults.Next(isGet, httpfault.Answer(412, nil, xml("PreconditionFailed")))
	_, err = object.ReadAt(make([]byte, 10), 0)
	if err == nil || errors.Is(err, bifrost.ErrExists) || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("error %v, want one that says that the object was replaced", err)
	}
}

func TestCreateOnceOnBadDays(t *testing.T) {
	t.Parallel()
	conflict := httpfault.Answer(409, nil, xml("ConditionalRequestConflict"))
	for name, faults := range map[string][]httpfault.Fault{
		"answer lost":     {httpfault.LoseAnswer},
		"request lost":    {httpfault.LoseRequest},
		"500 and applied": {appliedBut500},
		"slow down":       {slowDown, slowDown},
		"another write":   {conflict, conflict},
		"412 by itself":   {httpfault.AnswerAfter(412, nil, xml("PreconditionFailed"))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			f.faults.Next(isPut, faults...)
			got, err := f.CreateOnce(f.Context(), key, []byte("marker"))
			f.must(err)
			if string(got) != "marker" {
				t.Errorf("answers %q", got)
			}
			f.holds([]byte("marker"))
		})
	}
}

func TestListsOnBadDays(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	_, err := f.put(noise(10))
	f.must(err)
	_, err = f.Create(f.Context(), key+"2")
	f.must(err)
	f.faults.Next(isList, slowDown, httpfault.LoseAnswer)
	keys, err := f.List(f.Context(), "archive/", "", 10)
	f.must(err)
	if !slices.Equal(keys, []string{key}) {
		t.Errorf("keys %q", keys)
	}
	f.faults.Next(isList, slowDown)
	f.faults.Next(isAbort, slowDown, httpfault.LoseAnswer)
	f.must(f.AbortUploads(f.Context(), "archive/"))
	if left := f.faults.Left(); left > 0 {
		t.Errorf("%d faults met no request", left)
	}
}

// More uploads than S3 lists in one page, most of them at one key.
func TestAbortManyUploads(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	uploads := make([]bifrost.Upload, 1005)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := worker; i < len(uploads); i += 8 {
				at := fmt.Sprintf("archive/orders/partition=1/%d", max(0, i-995))
				var err error
				if uploads[i], err = f.Create(f.Context(), at); err != nil {
					f.Error(err)
				}
			}
		})
	}
	group.Wait()
	spared, err := f.Create(f.Context(), "archive/orders/partition=10/0")
	f.must(err)
	f.must(f.AbortUploads(f.Context(), "archive/orders/partition=1/"))
	if n := f.faults.Count(isAbort); n != len(uploads) {
		t.Errorf("%d aborts, want %d", n, len(uploads))
	}
	for _, upload := range []bifrost.Upload{uploads[0], uploads[999], uploads[1004]} {
		if _, err := upload.Complete(f.Context()); !errors.Is(err, bifrost.ErrUploadGone) {
			t.Errorf("complete: %v, want ErrUploadGone", err)
		}
	}
	_, err = spared.Complete(f.Context())
	f.must(err)
}

// Absent only if S3 says so for certain.
func TestNotFoundForCertain(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.faults.Next(isGet, httpfault.Answer(403, nil, xml("AccessDenied")))
	_, err := f.Open(f.Context(), key)
	if err == nil || errors.Is(err, bifrost.ErrNotFound) || !strings.Contains(err.Error(), "s3:ListBucket") {
		t.Errorf("open where access is denied: %v, want an error that names s3:ListBucket", err)
	}
	cfg := service(t)
	_, err = s3store.New(cfg, "no-such-bucket").Open(t.Context(), key)
	if err == nil || errors.Is(err, bifrost.ErrNotFound) || !strings.Contains(err.Error(), "BIFROST_BUCKET") {
		t.Errorf("open in an absent bucket: %v, want an error that names BIFROST_BUCKET", err)
	}
	_, err = s3store.New(cfg, "no-such-bucket").Create(t.Context(), key)
	if err == nil || !strings.Contains(err.Error(), "no-such-bucket") || !strings.Contains(err.Error(), "BIFROST_BUCKET") {
		t.Errorf("upload to an absent bucket: %v, want an error that names BIFROST_BUCKET", err)
	}
}
