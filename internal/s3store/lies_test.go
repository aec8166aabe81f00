package s3store_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// replaceable is a store, and a way to replace an object behind its back.
func replaceable(t *testing.T) (f faulty, replace func(content []byte)) {
	t.Helper()
	cfg := service(t)
	bucket := newBucket(t, cfg)
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	faults := httpfault.New(http.DefaultTransport)
	cfg.HTTPClient = &http.Client{Transport: faults}
	f = faulty{s3store.New(cfg, bucket), t, faults}
	return f, func(content []byte) {
		t.Helper()
		at := key
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &at, Body: bytes.NewReader(content)})
		f.must(err)
	}
}

// What was stored is not what was sent, by the word of the completion itself, or of
// the object when the completion says nothing.
func TestCompletionTellsAnotherChecksum(t *testing.T) {
	t.Parallel()
	content := noise(100)
	completed := func(etag, sum string) string {
		return fmt.Sprintf(`<CompleteMultipartUploadResult><Key>%s</Key><ETag>%s</ETag>%s</CompleteMultipartUploadResult>`, key, etag, sum)
	}
	other := bifrosttest.Checksum([]byte("something else"))
	head := func(sum string) httpfault.Fault {
		return httpfault.Answer(200, http.Header{"Etag": {`"e-1"`}, "Content-Length": {"100"}, "X-Amz-Checksum-Crc64nvme": {sum}}, "")
	}
	for name, order := range map[string]func(*httpfault.Transport){
		"in its answer": func(f *httpfault.Transport) {
			f.Next(isComplete, httpfault.AnswerAfter(200, nil, completed("e-1", "<ChecksumCRC64NVME>"+other+"</ChecksumCRC64NVME>")))
		},
		"by the object": func(f *httpfault.Transport) {
			f.Next(isComplete, httpfault.AnswerAfter(200, nil, completed("e-1", "")))
			f.Next(isHead, head(other))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			order(f.faults)
			stored, err := f.put(content)
			if err == nil || errors.Is(err, bifrost.ErrExists) || errors.Is(err, bifrost.ErrUploadGone) {
				t.Fatalf("stored %+v, error %v; want one that is no verdict of whose it is", stored, err)
			}
			for _, word := range []string{key, other, bifrosttest.Checksum(content), "bifrost verify"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("error %v does not say %s", err, word)
				}
			}
		})
	}
}

// A checksum of checksums, as for uploads without a checksum of the whole, says
// nothing about the bytes.
func TestChecksumOfChecksumsIsNone(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	_, err := f.put(noise(100))
	f.must(err)
	f.faults.Next(isHead, httpfault.Answer(200, http.Header{"Content-Length": {"100"}, "X-Amz-Checksum-Crc64nvme": {"AAAAAAAAAAA=-3"}}, ""))
	object, err := f.Open(f.Context(), key)
	f.must(err)
	if sum := object.Stored().Checksum; sum != "" {
		t.Errorf("checksum %q, want none", sum)
	}
}

// An object that is replaced while it is read is noticed, between its tail and its
// checksum and between two reads.
func TestObjectReplacedWhileItIsRead(t *testing.T) {
	t.Parallel()
	refused := func(t *testing.T, err error) {
		t.Helper()
		if err == nil || errors.Is(err, bifrost.ErrExists) || errors.Is(err, bifrost.ErrNotFound) || !strings.Contains(err.Error(), "replaced") {
			t.Errorf("error %v, want one that says that the object was replaced", err)
		}
	}
	first, second := noise(1<<20), bytes.Repeat([]byte("x"), 1<<20)
	t.Run("between two reads", func(t *testing.T) {
		t.Parallel()
		f, replace := replaceable(t)
		_, err := f.put(first)
		f.must(err)
		object, err := f.Open(f.Context(), key)
		f.must(err)
		got := make([]byte, 1000)
		_, err = object.ReadAt(got, 0)
		f.must(err)
		replace(second)
		_, err = object.ReadAt(got, 1000)
		refused(t, err)
	})
	t.Run("between its tail and its checksum", func(t *testing.T) {
		t.Parallel()
		f, replace := replaceable(t)
		_, err := f.put(first)
		f.must(err)
		f.faults.Next(isHead, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
			replace(second)
			return next.RoundTrip(r)
		})
		_, err = f.Open(f.Context(), key)
		refused(t, err)
	})
}

// Bytes of another stretch than was asked for are not taken for those.
func TestAnswersOfAnotherStretch(t *testing.T) {
	t.Parallel()
	content := noise(1 << 20)
	stretch := func(contentRange string, body []byte) httpfault.Fault {
		header := http.Header{}
		if contentRange != "" {
			header.Set("Content-Range", contentRange)
		}
		return httpfault.Answer(206, header, string(body))
	}
	for name, fault := range map[string]httpfault.Fault{
		"the whole object":   httpfault.Answer(200, nil, string(content)),
		"the next stretch":   stretch("bytes 200-299/1048576", content[200:300]),
		"no word about it":   stretch("", content[100:200]),
		"from the beginning": stretch("bytes 0-99/1048576", content[:100]),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			_, err := f.put(content)
			f.must(err)
			object, err := f.Open(f.Context(), key)
			f.must(err)
			f.faults.Next(isGet, fault)
			got := make([]byte, 100)
			if n, err := object.ReadAt(got, 100); err == nil && !bytes.Equal(got, content[100:200]) {
				t.Errorf("%d bytes of another stretch, and no error", n)
			} else if err == nil {
				t.Error("an answer that does not say what it is of was taken")
			}
		})
	}
	t.Run("a tail in the middle", func(t *testing.T) {
		t.Parallel()
		f := newFaulty(t)
		_, err := f.put(content)
		f.must(err)
		f.faults.Next(isGet, stretch("bytes 0-99/1048576", content[:100]))
		if _, err := f.Open(f.Context(), key); err == nil || !strings.Contains(err.Error(), "bytes 0-99/1048576") {
			t.Errorf("error %v, want one that says which stretch was told", err)
		}
	})
	t.Run("two sizes", func(t *testing.T) {
		t.Parallel()
		f := newFaulty(t)
		_, err := f.put(content)
		f.must(err)
		f.faults.Next(isHead, httpfault.Answer(200, http.Header{"Content-Length": {"1000"}}, ""))
		if _, err := f.Open(f.Context(), key); err == nil || !strings.Contains(err.Error(), "1000") {
			t.Errorf("error %v, want one that tells both sizes", err)
		}
	})
	t.Run("less than asked for, as if that were all", func(t *testing.T) {
		t.Parallel()
		f := newFaulty(t)
		_, err := f.put(content)
		f.must(err)
		object, err := f.Open(f.Context(), key)
		f.must(err)
		f.faults.Next(isGet, stretch("bytes 100-149/1048576", content[100:150]))
		got := make([]byte, 100)
		if n, err := object.ReadAt(got, 100); err != nil || n != 100 || !bytes.Equal(got, content[100:200]) {
			t.Errorf("%d bytes, error %v; want all, the rest with a second request", n, err)
		}
	})
}

// A list that ends in the middle is no list: objects that it leaves out would be
// written once more.
func TestListThatEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.faults.Next(isList, httpfault.Answer(200, nil, `<ListBucketResult><IsTruncated>true</IsTruncated><KeyCount>1</KeyCount><Contents><Key>archive/a</Key></Contents></ListBucketResult>`))
	if keys, err := f.List(f.Context(), "archive/", "", 10); err == nil {
		t.Errorf("keys %v without an error, want one: there is more", keys)
	}
}

// A worker that begins a great many uploads under one prefix is fenced off in the
// end, or the fence says that it is not through.
func TestAbortUploadsGoesOverAllPages(t *testing.T) {
	t.Parallel()
	fake, cfg := newFake(t, 2)
	bucket := newBucket(t, cfg)
	store := s3store.New(cfg, bucket)
	for i := range 9 {
		if _, err := store.Create(t.Context(), fmt.Sprintf("archive/orders/partition=0/%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.AbortUploads(t.Context(), "archive/"); err != nil || fake.OpenUploads(bucket) != 0 {
		t.Errorf("%d uploads are open, error %v", fake.OpenUploads(bucket), err)
	}
}
