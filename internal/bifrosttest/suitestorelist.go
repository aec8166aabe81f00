// What every bucket has to keep when keys are listed or uploads aborted.

package bifrosttest

import (
	"slices"
	"sync"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

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
