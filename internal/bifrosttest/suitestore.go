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
	bifrost.Shelf
}

// TestStore checks the contracts of bifrost.Store and bifrost.Shelf. newStore
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
		s.Errorf("checksums of equal content: %q at completion, %q at open, %q of another object", a.Checksum, object.Stored().Checksum, b.Checksum)
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
			s.Errorf("ReadAt %d bytes at %d: %d bytes, want %d, or the wrong ones; error %v", r.length, r.off, n, r.want, err)
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

func (s storeSuite) list() {
	var keys []string
	for _, start := range []int64{1000, 0, 99, 5, 20} {
		s.put(s.key(1, start), []byte("x"))
		keys = append(keys, s.key(1, start))
	}
	beside := bifrost.ObjectKey(s.prefix+"archive", bifrost.Partition{Name: "orders", Number: 1}, 5, 1)
	s.put(beside, []byte("x"))
	keys = append(keys, beside)
	slices.Sort(keys)
	prefix := s.prefix + "archive/orders/partition=1/"
	s.listed(prefix, "", 100, keys...)
	s.listed(prefix, "", 6, keys...)
	s.listed(prefix, "", 2, keys[:2]...)
	s.listed(prefix, keys[1], 2, keys[2:4]...)
	s.listed(prefix, keys[1]+"x", 100, keys[2:]...)
	s.listed(prefix, s.key(1, 999), 100, keys[5:]...)
	s.listed(prefix, keys[5], 100)
	s.listed(s.prefix+"archive/orders/partition=2/", "", 100)
}

func (s storeSuite) namesakes() {
	one, ten := s.key(1, 0), s.key(10, 0)
	s.put(one, []byte("x"))
	s.put(ten, []byte("x"))
	s.listed(s.prefix+"archive/orders/partition=1/", "", 100, one)
	s.listed(s.prefix+"archive/orders/partition=10/", "", 100, ten)
	s.listed(s.prefix+"archive/orders/partition=1", "", 100, one, ten) // '/' sorts before '0'
}

// listOrder: the order is that of the whole key's bytes, in which '-' and '.'
// come before '/', and '@' after it.
func (s storeSuite) listOrder() {
	var keys []string
	for _, name := range []string{"orders", "orders-eu", "orders.v2", "orders@AAAAAAAAAAAAAAAAAAAABg", "orders2"} {
		key := bifrost.ObjectKey(s.prefix+"archive", bifrost.Partition{Name: name, Number: 0}, 0, 0)
		s.put(key, []byte("x"))
		keys = append(keys, key)
	}
	slices.Sort(keys)
	s.listed(s.prefix, "", 100, keys...)
	for i, after := range keys[:len(keys)-1] {
		s.listed(s.prefix, after, 1, keys[i+1])
	}
}

// listMany makes more objects than S3 lists in one page.
func (s storeSuite) listMany() {
	keys := make([]string, 1010)
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			for i := worker; i < len(keys); i += 8 {
				keys[i] = s.key(1, int64(i))
				if _, err := s.CreateOnce(s.Context(), keys[i], []byte("x")); err != nil {
					s.Errorf("create %s: %v", keys[i], err)
				}
			}
		})
	}
	group.Wait()
	s.listed(s.prefix, "", 5000, keys...)
	s.listed(s.prefix, "", 1005, keys[:1005]...)
	s.listed(s.prefix, keys[2], 1005, keys[3:1008]...)
}

func (s storeSuite) abortUploads() {
	var uploads []bifrost.Upload
	for i := range 25 {
		uploads = append(uploads, s.begin(s.key(1, int64(i/2)), []byte("hello"))) // two to a key
	}
	s.must(s.AbortUploads(s.Context(), s.prefix+"archive/orders/partition=1/"))
	for _, upload := range uploads {
		_, err := upload.Complete(s.Context())
		s.is("complete after AbortUploads", err, bifrost.ErrUploadGone)
	}
	s.listed(s.prefix, "", 10)
	s.must(s.AbortUploads(s.Context(), s.prefix+"archive/orders/partition=1/"))
	s.put(s.key(1, 0), []byte("begun afterwards"))
}

// abortUploadsParts: an upload that has sent parts already and sends more.
func (s storeSuite) abortUploadsParts() {
	key, content := s.key(1, 0), noise(9<<20)
	upload := s.begin(key, content)
	s.must(s.AbortUploads(s.Context(), s.prefix))
	_, _ = upload.Write(content) // it may notice here or in Complete
	_, err := upload.Complete(s.Context())
	s.is("complete after AbortUploads", err, bifrost.ErrUploadGone)
	s.missing(key)
}

func (s storeSuite) abortUploadsPrefix() {
	one, ten := s.key(1, 0), s.key(10, 0)
	first, second := s.begin(one, []byte("one")), s.begin(ten, []byte("ten"))
	s.must(s.AbortUploads(s.Context(), s.prefix+"archive/orders/partition=1/"))
	_, err := second.Complete(s.Context())
	s.must(err)
	s.holds(ten, []byte("ten"))
	_, err = first.Complete(s.Context())
	s.is("complete after AbortUploads", err, bifrost.ErrUploadGone)
}

func (s storeSuite) abortUploadsObjects() {
	key := s.key(1, 0)
	s.put(key, []byte("hello"))
	s.must(s.AbortUploads(s.Context(), s.prefix))
	s.holds(key, []byte("hello"))
	s.listed(s.prefix, "", 10, key)
}
