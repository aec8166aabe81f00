// The suite that every bucket passes: single objects.

package bifrosttest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Bucket is all that the rules ask of an object store.
type Bucket interface {
	bifrost.Store
	bifrost.Bucket
}

// TestStore checks the contracts of bifrost.Store and bifrost.Bucket. newStore
// is called once a subtest, and subtests run in parallel. They may share a
// bucket: each works under a prefix of its own.
func TestStore(t *testing.T, newStore func(t *testing.T) Bucket) {
	t.Helper()
	for _, check := range storeChecks {
		t.Run(check.name, func(t *testing.T) {
			t.Parallel()
			check.run(storeSuite{t, newStore(t), fmt.Sprintf("suite-%016x/", rand.Uint64())})
		})
	}
}

var storeChecks = []struct {
	name string
	run  func(storeSuite)
}{
	{"open: an absent object is not found", storeSuite.absent},
	{"upload: visible when complete, not before", storeSuite.visible},
	{"upload: many parts, odd writes", storeSuite.parts},
	{"upload: equal content, equal checksum", storeSuite.checksum},
	{"upload: aborted is gone", storeSuite.aborted},
	{"upload: an abort after completion takes nothing away", storeSuite.abortedLate},
	{"upload: completes once", storeSuite.completedTwice},
	{"upload: overwrites nothing", storeSuite.exists},
	{"upload: of many at once one wins", storeSuite.race},
	{"object: ranges at its ends", storeSuite.ranges},
	{"once: the first content stays", storeSuite.once},
	{"once: of many at once one wins", storeSuite.onceRace},
	{"once and upload: neither overwrites the other", storeSuite.onceAndUpload},
	{"list: order, after and limit", storeSuite.list},
	{"list: a partition is not its namesake", storeSuite.namesakes},
	{"list: order between names that begin alike", storeSuite.listOrder},
	{"list: more than one page", storeSuite.listMany},
	{"abort uploads: none can complete", storeSuite.abortUploads},
	{"abort uploads: also after parts", storeSuite.abortUploadsParts},
	{"abort uploads: of the prefix only", storeSuite.abortUploadsPrefix},
	{"abort uploads: objects stay", storeSuite.abortUploadsObjects},
	{"context: nothing is done under one that has ended", storeSuite.ended},
	{"context: parts and reads live as long as that of their beginning", storeSuite.endedMeanwhile},
}

type storeSuite struct {
	*testing.T
	Bucket
	prefix string
}

func (s storeSuite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("unexpected error: %v", err)
	}
}

// is checks an error of a contract.
func (s storeSuite) is(what string, err error, wants ...error) {
	s.Helper()
	for _, want := range wants {
		if errors.Is(err, want) {
			return
		}
	}
	s.Errorf("%s: error %v, want %v", what, err, wants)
}

// begin begins an upload of the content.
func (s storeSuite) begin(key string, content []byte) bifrost.Upload {
	s.Helper()
	upload, err := s.Create(s.Context(), key)
	s.must(err)
	_, err = upload.Write(content)
	s.must(err)
	return upload
}

// put uploads an object.
func (s storeSuite) put(key string, content []byte) bifrost.Stored {
	s.Helper()
	stored, err := s.begin(key, content).Complete(s.Context())
	s.must(err)
	return stored
}

func (s storeSuite) read(key string) []byte {
	s.Helper()
	object, err := s.Open(s.Context(), key)
	s.must(err)
	content := make([]byte, object.Stored().Size)
	if n, err := object.ReadAt(content, 0); n != len(content) || (err != nil && err != io.EOF) {
		s.Fatalf("read all of %s: %d of %d bytes, error %v", key, n, len(content), err)
	}
	return content
}

func (s storeSuite) holds(key string, want []byte) {
	s.Helper()
	if got := s.read(key); !bytes.Equal(got, want) {
		s.Errorf("%s holds %d bytes %.40q, want %d bytes %.40q", key, len(got), got, len(want), want)
	}
}

func (s storeSuite) missing(key string) {
	s.Helper()
	_, err := s.Open(s.Context(), key)
	s.is("open "+key, err, bifrost.ErrNotFound)
}

func (s storeSuite) listed(prefix, after string, limit int, want ...string) {
	s.Helper()
	got, err := s.List(s.Context(), prefix, after, limit)
	s.must(err)
	if !slices.Equal(got, want) {
		s.Errorf("list %q after %q at most %d:\n got %q\nwant %q", prefix, after, limit, got, want)
	}
}

// key is an object's key as the rules make them.
func (s storeSuite) key(number int32, start int64) string {
	return bifrost.ObjectKey(s.prefix+"archive", bifrost.Partition{Name: "orders", Number: number}, start, 0)
}

// noise is content that does not compress and is the same in every run.
func noise(n int) []byte {
	content := make([]byte, n)
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(content)
	return content
}

func (s storeSuite) ranges() {
	key, content := s.key(1, 0), noise(1000)
	s.put(key, content)
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	object, err := s.Open(ctx, key)
	s.must(err)
	for _, r := range []struct{ off, length, want int }{
		{0, 1000, 1000}, {0, 1, 1}, {999, 1, 1}, {1, 998, 998}, {500, 500, 500}, {0, 0, 0}, {500, 0, 0}, // inside
		{0, 1001, 1000}, {999, 2, 1}, {1000, 1, 0}, {1001, 1, 0}, {5000, 100, 0}, // beyond
	} {
		got := make([]byte, r.length)
		n, err := object.ReadAt(got, int64(r.off))
		end := min(r.off+r.want, len(content))
		switch {
		case n != r.want || !bytes.Equal(got[:n], content[end-n:end]):
			s.Errorf("ReadAt %d bytes at %d: %d bytes, want %d, or the wrong ones; error %v",
				r.length, r.off, n, r.want, err)
		case r.want < r.length && err != io.EOF:
			s.Errorf("ReadAt %d bytes at %d: error %v, want io.EOF", r.length, r.off, err)
		case r.want == r.length && err != nil && !(err == io.EOF && r.off+r.length == len(content)):
			s.Errorf("ReadAt %d bytes at %d: error %v", r.length, r.off, err)
		}
	}
	if _, err := object.ReadAt(make([]byte, 1), -1); err == nil || err == io.EOF {
		s.Errorf("ReadAt a negative offset: error %v, want one that is not io.EOF", err)
	}
	s.readersAtOnce(object, content)
}

func (s storeSuite) readersAtOnce(object bifrost.Object, content []byte) {
	s.Helper()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			got := make([]byte, 100)
			if _, err := object.ReadAt(got, int64(i*100)); err != nil || !bytes.Equal(got, content[i*100:i*100+100]) {
				s.Errorf("one of 8 readers at once: wrong bytes or error %v", err)
			}
		})
	}
	group.Wait()
}

func (s storeSuite) once() {
	key := bifrost.MarkerKey(s.prefix+"archive", "orders")
	first, second := []byte(`{"topic_id":"first"}`), []byte(`{"topic_id":"second, and longer"}`)
	for i, content := range [][]byte{first, second, first} {
		got, err := s.CreateOnce(s.Context(), key, content)
		s.must(err)
		if !bytes.Equal(got, first) {
			s.Errorf("CreateOnce number %d answers %q, want the first content %q", i+1, got, first)
		}
	}
	s.holds(key, first)
	s.listed(s.prefix, "", 10, key)
}

func (s storeSuite) onceRace() {
	key := bifrost.MarkerKey(s.prefix+"archive", "orders")
	answers, results := make([][]byte, 6), make([]error, 6)
	var group sync.WaitGroup
	for i := range answers {
		group.Go(func() { answers[i], results[i] = s.CreateOnce(s.Context(), key, []byte{'0' + byte(i)}) })
	}
	group.Wait()
	winner, err := s.CreateOnce(s.Context(), key, []byte("too late"))
	s.must(err)
	for i, answer := range answers {
		if results[i] == nil && !bytes.Equal(answer, winner) {
			s.Errorf("one of 6 at once heard %q, the object holds %q", answer, winner)
		}
	}
}

func (s storeSuite) onceAndUpload() {
	marker := bifrost.MarkerKey(s.prefix+"archive", "orders")
	_, err := s.CreateOnce(s.Context(), marker, []byte("marker"))
	s.must(err)
	_, err = s.begin(marker, []byte("upload")).Complete(s.Context())
	s.is("complete over a marker", err, bifrost.ErrExists)
	s.holds(marker, []byte("marker"))

	key := s.key(1, 0)
	s.put(key, []byte("upload"))
	got, err := s.CreateOnce(s.Context(), key, []byte("marker"))
	s.must(err)
	if string(got) != "upload" {
		s.Errorf("CreateOnce over an object answers %q, want its content", got)
	}
	s.holds(key, []byte("upload"))
}
