// Package s3fake speaks as much of S3's protocol as the archive uses, in the
// process: multipart uploads, conditional writes, lists in pages, ranged reads, and
// checksums of whole objects. It is for tests that "go test" runs without anything
// installed; the same tests run against real servers too, so it may be kinder than
// those in nothing.
//
// What it does by intention as S3 does, where other servers differ: an upload that
// is complete or aborted is unknown, a checksum comes with every completion and with
// no ranged read, and parts below 5 MiB are refused unless they are the last.
//
// Faults are ordered from outside, by package httpfault.
package s3fake

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

// Server is all buckets. It implements http.Handler; buckets are in the path.
type Server struct {
	// PageSize is how many keys or uploads one answer lists at most, a thousand for
	// S3. Tests make it tiny.
	PageSize int

	mutex   sync.Mutex
	buckets map[string]*bucket
	began   int // uploads so far
}

// New returns a server without buckets, with pages as long as those of S3.
func New() *Server { return &Server{PageSize: 1000, buckets: map[string]*bucket{}} }

type bucket struct {
	objects map[string]object
	uploads []*upload // open ones, in order of their creation

	versioned bool
	covered   map[string][]version // by key, the oldest first
	versions  int                  // so far
}

type object struct {
	content []byte
	etag    string // with its quotes
	version string
}

type upload struct {
	key, id string
	parts   map[int]object
}

// Put makes an object or replaces it, as no rule of the archive would.
func (s *Server) Put(bucket, key string, content []byte) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.buckets[bucket].replace(key, object{content: bytes.Clone(content), etag: etagOf(content)})
}

// OpenUploads is how many uploads of the bucket are neither complete nor aborted.
func (s *Server) OpenUploads(bucket string) int {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return len(s.buckets[bucket].uploads)
}

// A refusal is an answer of S3 that is not a success (API reference, Error responses).
type refusal struct {
	status  int
	code    string
	message string
}

func (r *refusal) Error() string { return r.code }

var (
	alreadyOwned = &refusal{409, "BucketAlreadyOwnedByYou", "The bucket exists, and you own it."}
	noSuchBucket = &refusal{404, "NoSuchBucket", "The specified bucket does not exist"}
	noSuchKey    = &refusal{404, "NoSuchKey", "The specified key does not exist."}
	noSuchUpload = &refusal{404, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, " +
		"or the upload may have been aborted or completed."}
	precondition = &refusal{412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	noSuchRange  = &refusal{416, "InvalidRange", "The requested range is not satisfiable"}
	badDigest    = &refusal{400, "BadDigest", "The CRC64NVME you specified did not match the calculated checksum."}
	tooSmall     = &refusal{400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"}
	invalidPart  = &refusal{400, "InvalidPart", "One or more of the specified parts could not be found."}
	otherSize    = &refusal{400, "InvalidRequest", "The x-amz-mp-object-size is not the size of the parts."}
	notThere     = &refusal{501, "NotImplemented", "s3fake does not know this request"}
)

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // whoever asked has gone
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	err = s.serve(w, r, body)
	if refused, ok := err.(*refusal); ok {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(refused.status)
		if r.Method != http.MethodHead {
			fmt.Fprintf(w, `%s<Error><Code>%s</Code><Message>%s</Message></Error>`,
				xml.Header, refused.code, refused.message)
		}
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, body []byte) error {
	name, key, inBucket := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query, b := r.URL.Query(), s.buckets[name]
	if !inBucket || key == "" {
		switch {
		case r.Method == http.MethodPut && len(query) == 0:
			if b != nil {
				return alreadyOwned
			}
			s.buckets[name] = &bucket{objects: map[string]object{}, covered: map[string][]version{}}
			return nil
		case b == nil:
			return noSuchBucket
		case r.Method == http.MethodHead:
			return nil
		case r.Method == http.MethodPut && query.Has("versioning"):
			return b.setVersioning(body)
		case r.Method == http.MethodGet && query.Has("versioning"):
			return b.getVersioning(w)
		case r.Method == http.MethodGet && query.Has("versions"):
			return s.listVersions(w, b, query.Get("prefix"))
		case r.Method == http.MethodGet && query.Has("uploads"):
			return s.listUploads(w, b, query.Get("prefix"))
		case r.Method == http.MethodGet && query.Get("list-type") == "2":
			return s.listObjects(w, b, query)
		}
		return notThere
	}
	if b == nil {
		return noSuchBucket
	}
	switch {
	case r.Method == http.MethodPost && query.Has("uploads"):
		s.began++
		u := &upload{key: key, id: fmt.Sprintf("upload-%d", s.began), parts: map[int]object{}}
		b.uploads = append(b.uploads, u)
		return answer(w, initiated{Key: key, UploadID: u.id})
	case r.Method == http.MethodPut && query.Has("uploadId"):
		return b.uploadPart(w, r, key, body)
	case r.Method == http.MethodPost && query.Has("uploadId"):
		return b.complete(w, r, key, body)
	case r.Method == http.MethodDelete && query.Has("uploadId"):
		if _, err := b.find(r, key); err != nil {
			return err
		}
		b.forget(query.Get("uploadId"))
		w.WriteHeader(http.StatusNoContent)
		return nil
	case r.Method == http.MethodDelete:
		if id := query.Get("versionId"); id != "" {
			b.removeVersion(key, id)
		} else {
			b.remove(key) // also what is not there
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	case r.Method == http.MethodPut:
		return b.put(w, r, key, body)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		return b.get(w, r, key)
	}
	return notThere
}

func etagOf(content []byte) string {
	sum := md5.Sum(content)
	return `"` + hex.EncodeToString(sum[:]) + `"`
}

const checksumHeader = "x-amz-checksum-crc64nvme"

// intact reports whether the content is what its checksum says, if it has one.
func intact(r *http.Request, content []byte) bool {
	sum := r.Header.Get(checksumHeader)
	return sum == "" || sum == bifrosttest.Checksum(content)
}

func (b *bucket) put(w http.ResponseWriter, r *http.Request, key string, body []byte) error {
	if !intact(r, body) {
		return badDigest
	}
	if _, exists := b.objects[key]; exists && r.Header.Get("If-None-Match") == "*" {
		return precondition
	}
	b.replace(key, object{content: body, etag: etagOf(body)})
	w.Header().Set("ETag", etagOf(body))
	return nil
}

func (b *bucket) find(r *http.Request, key string) (*upload, error) {
	id := r.URL.Query().Get("uploadId")
	for _, u := range b.uploads {
		if u.id == id && u.key == key {
			return u, nil
		}
	}
	return nil, noSuchUpload
}

func (b *bucket) forget(id string) {
	b.uploads = slices.DeleteFunc(b.uploads, func(u *upload) bool { return u.id == id })
}

func answer(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/xml")
	_, _ = io.WriteString(w, xml.Header) // whoever asked may have gone
	_ = xml.NewEncoder(w).Encode(v)
	return nil
}

// sorted are the keys of a bucket in the order of their bytes.
func (b *bucket) sorted() []string { return slices.Sorted(maps.Keys(b.objects)) }
