// What a tick would write to the bucket.

package dryrun

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Bucket is what a rehearsal reads of the real bucket.
type Bucket interface {
	Open(ctx context.Context, key string) (bifrost.Object, error)
	List(ctx context.Context, prefix, after string, limit int) ([]string, error)
}

// Store implements bifrost.Store and bifrost.Bucket over the real bucket without
// writing to it. What would be written is there for those who read it later.
type Store struct {
	Bucket
	mutex sync.Mutex
	made  map[string]content
}

// NewStore returns a Store that shows what the bucket holds.
func NewStore(bucket Bucket) *Store { return &Store{Bucket: bucket, made: map[string]content{}} }

// content is a small object that would be written.
type content string

func (c content) ReadAt(b []byte, off int64) (int, error) {
	return strings.NewReader(string(c)).ReadAt(b, off)
}
func (c content) Stored() bifrost.Stored { return bifrost.Stored{Size: int64(len(c))} }

// Open implements bifrost.Store.
func (s *Store) Open(ctx context.Context, key string) (bifrost.Object, error) {
	s.mutex.Lock()
	made, ok := s.made[key]
	s.mutex.Unlock()
	if ok {
		return made, nil
	}
	return s.Bucket.Open(ctx, key)
}

// CreateOnce implements bifrost.Bucket: it answers what is there, or what would be.
func (s *Store) CreateOnce(ctx context.Context, key string, mine []byte) ([]byte, error) {
	object, err := s.Open(ctx, key)
	if errors.Is(err, bifrost.ErrNotFound) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.made[key] = content(mine)
		return mine, nil
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(object, 0, object.Stored().Size))
}

// AbortUploads implements bifrost.Bucket.
func (*Store) AbortUploads(context.Context, string) error { return nil }

// Create implements bifrost.Store. No worker runs in a rehearsal.
func (*Store) Create(context.Context, string) (bifrost.Upload, error) {
	return nil, errors.New("a rehearsal archives nothing")
}
