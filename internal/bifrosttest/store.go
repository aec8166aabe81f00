// The twin of the bucket.

package bifrosttest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc64"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

var (
	_ bifrost.Store  = (*Store)(nil)
	_ bifrost.Bucket = (*Store)(nil)
)

// Store is a bucket in memory. It keeps every version of an object, so that an
// overwrite can be seen.
type Store struct {
	mu       sync.Mutex
	versions map[string][][]byte
	uploads  []*upload // open ones, in order of their creation

	completing []*upload // whose completion has begun and is not decided yet

	walks walks
}

// NewStore returns an empty bucket.
func NewStore() *Store { return &Store{versions: map[string][][]byte{}} }

// Versions returns all contents that an object had, the oldest first; none when
// there is no object at the key.
func (s *Store) Versions(key string) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.versions[key])
}

// Keys returns the keys of all objects in order.
func (s *Store) Keys() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.versions))
}

// OpenUploads returns the keys of the unfinished multipart uploads, the oldest first.
func (s *Store) OpenUploads() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for _, u := range s.uploads {
		keys = append(keys, u.key)
	}
	return keys
}

// Put writes an object as no rule would, over what is there.
func (s *Store) Put(key string, content []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.versions[key] = append(s.versions[key], bytes.Clone(content))
}

// Delete removes an object and all its versions, as no rule would.
func (s *Store) Delete(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.versions, key)
}

// Create implements bifrost.Store.
func (s *Store) Create(ctx context.Context, key string) (bifrost.Upload, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := &upload{store: s, key: key, ctx: ctx}
	s.uploads = append(s.uploads, u)
	return u, nil
}

// Open implements bifrost.Store.
func (s *Store) Open(ctx context.Context, key string) (bifrost.Object, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	versions := s.versions[key]
	if len(versions) == 0 {
		return nil, fmt.Errorf("object %s: %w", key, bifrost.ErrNotFound)
	}
	content := versions[len(versions)-1]
	return &object{ctx: ctx, content: bytes.NewReader(content), stored: stored(content)}, nil
}

// CreateOnce implements bifrost.Bucket.
func (s *Store) CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.versions[key]) == 0 {
		s.versions[key] = [][]byte{bytes.Clone(content)}
	}
	versions := s.versions[key]
	return bytes.Clone(versions[len(versions)-1]), nil
}

// List implements bifrost.Bucket.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	if err := s.walks.noteQuestion(prefix, " after ", after, limit); err != nil {
		return nil, err
	}
	var keys []string
	for _, key := range s.Keys() {
		if strings.HasPrefix(key, prefix) && key > after && len(keys) < limit {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

// AbortUploads implements bifrost.Bucket.
func (s *Store) AbortUploads(ctx context.Context, prefix string) error {
	if err := ended(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.uploads = slices.DeleteFunc(s.uploads, func(u *upload) bool { return strings.HasPrefix(u.key, prefix) })
	return nil
}

type upload struct {
	store   *Store
	key     string
	ctx     context.Context // of its parts
	content bytes.Buffer
}

// BeginCompletion begins to complete an upload of this store, and decides nothing
// yet, as S3 may while its answer is on its way or lost. From then on the upload is
// in no listing: AbortUploads and Abort do not reach it. EndCompletion decides.
func (s *Store) BeginCompletion(u bifrost.Upload) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := u.(*upload)
	if slices.Contains(s.uploads, mine) {
		s.forget(mine)
		s.completing = append(s.completing, mine)
	}
}

// Completing counts the completions that are not decided.
func (s *Store) Completing() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.completing)
}

// EndCompletion decides the completion that was begun first: it becomes an object
// if the store does not fail and nothing is at its key; else the upload is open
// again, whatever was aborted meanwhile.
func (s *Store) EndCompletion(fails bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.completing) == 0 {
		return
	}
	u := s.completing[0]
	s.completing = s.completing[1:]
	if fails || len(s.versions[u.key]) > 0 {
		s.uploads = append(s.uploads, u)
		return
	}
	s.versions[u.key] = [][]byte{bytes.Clone(u.content.Bytes())}
}

// Write gathers content. An aborted upload shows only in Complete.
func (u *upload) Write(p []byte) (int, error) { return u.content.Write(p) }

// Complete implements bifrost.Upload. A second completion, while the first is not
// decided, is told that it succeeded, as versitygw tells it.
func (u *upload) Complete(ctx context.Context) (bifrost.Stored, error) {
	if err := errors.Join(ended(ctx), ended(u.ctx)); err != nil {
		return bifrost.Stored{}, err
	}
	s := u.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.completing, u) {
		return stored(u.content.Bytes()), nil
	}
	if !slices.Contains(s.uploads, u) {
		return bifrost.Stored{}, fmt.Errorf("complete %s: %w", u.key, bifrost.ErrUploadGone)
	}
	if len(s.versions[u.key]) > 0 {
		return bifrost.Stored{}, fmt.Errorf("complete %s: %w", u.key, bifrost.ErrExists)
	}
	s.forget(u)
	content := bytes.Clone(u.content.Bytes())
	s.versions[u.key] = [][]byte{content}
	return stored(content), nil
}

// Abort implements bifrost.Upload.
func (u *upload) Abort(ctx context.Context) error {
	if err := ended(ctx); err != nil {
		return err
	}
	u.store.mu.Lock()
	defer u.store.mu.Unlock()
	u.store.forget(u)
	return nil
}

func (s *Store) forget(gone *upload) {
	s.uploads = slices.DeleteFunc(s.uploads, func(u *upload) bool { return u == gone })
}

type object struct {
	ctx     context.Context
	content *bytes.Reader
	stored  bifrost.Stored
}

// ReadAt implements io.ReaderAt, as long as the context of Open lives.
func (o *object) ReadAt(p []byte, off int64) (int, error) {
	if err := ended(o.ctx); err != nil {
		return 0, err
	}
	return o.content.ReadAt(p, off)
}

// Stored implements bifrost.Object.
func (o *object) Stored() bifrost.Stored { return o.stored }

// nvme is the polynomial of CRC-64/NVME, reversed: the checksum that S3 computes
// of whole objects.
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// Checksum is the CRC64NVME of content as S3 writes it.
func Checksum(content []byte) string {
	sum := binary.BigEndian.AppendUint64(nil, crc64.Checksum(content, nvme))
	return base64.StdEncoding.EncodeToString(sum)
}

func stored(content []byte) bifrost.Stored {
	return bifrost.Stored{Size: int64(len(content)), Checksum: Checksum(content)}
}
