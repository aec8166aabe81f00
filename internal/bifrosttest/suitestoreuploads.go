// What every bucket has to keep of uploads.

package bifrosttest

import (
	"sync"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

func (s storeSuite) absent() { s.missing(s.key(1, 0)) }

func (s storeSuite) visible() {
	key, content := s.key(1, 0), []byte("hello")
	upload := s.begin(key, content)
	s.missing(key)
	s.listed(s.prefix, "", 10)
	stored, err := upload.Complete(s.Context())
	s.must(err)
	if stored.Size != int64(len(content)) {
		s.Errorf("stored size %d, want %d", stored.Size, len(content))
	}
	s.holds(key, content)
	s.listed(s.prefix, "", 10, key)
}

// parts is larger than three parts of the least size that S3 takes, 5 MiB.
func (s storeSuite) parts() {
	key, content := s.key(1, 0), noise(17<<20+13)
	upload, err := s.Create(s.Context(), key)
	s.must(err)
	for rest, n := content, 1; len(rest) > 0; n = n*3 + 1 {
		piece := rest[:min(n, len(rest))]
		written, err := upload.Write(piece)
		s.must(err)
		if written != len(piece) {
			s.Fatalf("wrote %d of %d bytes without an error", written, len(piece))
		}
		rest = rest[len(piece):]
	}
	stored, err := upload.Complete(s.Context())
	s.must(err)
	s.holds(key, content)
	s.sums("a large object", stored, content)
}

// sums checks size and checksum.
func (s storeSuite) sums(what string, stored bifrost.Stored, content []byte) {
	s.Helper()
	if stored.Size != int64(len(content)) {
		s.Errorf("%s: size %d, want %d", what, stored.Size, len(content))
	}
	if want := Checksum(content); stored.Checksum != "" && stored.Checksum != want {
		s.Errorf("%s: checksum %q, want CRC64NVME %q or none", what, stored.Checksum, want)
	}
}

func (s storeSuite) checksum() {
	one, two := []byte("123456789"), []byte("123456780")
	a, b, c := s.put(s.key(1, 0), one), s.put(s.key(1, 9), one), s.put(s.key(1, 18), two)
	s.sums("completion", a, one)
	s.sums("completion of other content", c, two)
	object, err := s.Open(s.Context(), s.key(1, 0))
	s.must(err)
	s.sums("open", object.Stored(), one)
	if a.Checksum != object.Stored().Checksum || a.Checksum != b.Checksum {
		s.Errorf("checksums of equal content: %q at completion, %q at open, %q of another object",
			a.Checksum, object.Stored().Checksum, b.Checksum)
	}
	if a.Checksum != "" && a.Checksum == c.Checksum {
		s.Errorf("checksum %q of two contents", a.Checksum)
	}
}

func (s storeSuite) aborted() {
	key := s.key(1, 0)
	upload := s.begin(key, []byte("hello"))
	s.must(upload.Abort(s.Context()))
	_, err := upload.Complete(s.Context())
	s.is("complete an aborted upload", err, bifrost.ErrUploadGone)
	s.missing(key)
	s.listed(s.prefix, "", 10)
	s.put(key, []byte("next"))
	s.holds(key, []byte("next"))
}

func (s storeSuite) abortedLate() {
	key := s.key(1, 0)
	upload := s.begin(key, []byte("hello"))
	_, err := upload.Complete(s.Context())
	s.must(err)
	_ = upload.Abort(s.Context()) // an error or none: both are right
	s.holds(key, []byte("hello"))
}

func (s storeSuite) completedTwice() {
	key := s.key(1, 0)
	upload := s.begin(key, []byte("hello"))
	_, err := upload.Complete(s.Context())
	s.must(err)
	_, err = upload.Complete(s.Context())
	s.is("complete again", err, bifrost.ErrUploadGone, bifrost.ErrExists)
	s.holds(key, []byte("hello"))
}

func (s storeSuite) exists() {
	key := s.key(1, 0)
	early := s.begin(key, []byte("early, but slow"))
	s.put(key, []byte("winner"))
	late := s.begin(key, []byte("late"))
	_, err := late.Complete(s.Context())
	s.is("complete where an object is", err, bifrost.ErrExists)
	_, err = early.Complete(s.Context())
	s.is("complete what began before the object was there", err, bifrost.ErrExists)
	s.holds(key, []byte("winner"))
}

func (s storeSuite) race() {
	key := s.key(1, 0)
	uploads, results := make([]bifrost.Upload, 6), make([]error, 6)
	for i := range uploads {
		uploads[i] = s.begin(key, []byte{'0' + byte(i)})
	}
	var group sync.WaitGroup
	for i, upload := range uploads {
		group.Go(func() { _, results[i] = upload.Complete(s.Context()) })
	}
	group.Wait()
	winners := 0
	for i, err := range results {
		if err == nil {
			winners++
			s.holds(key, []byte{'0' + byte(i)})
		}
	}
	if winners > 1 {
		s.Errorf("%d uploads to one key said that they completed, want at most one", winners)
	}
}
