// Exports into a bucket.

package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// bucketStore is what a bucket has to be able to do.
type bucketStore interface {
	bifrost.Store
	bifrost.Bucket
}

// bucketPlace is the keys of a bucket that begin with a prefix, which is empty or
// ends with a slash.
type bucketPlace struct {
	store  bucketStore
	bucket string
	prefix string
}

// InBucket returns the place under a prefix of a bucket.
func InBucket(store bucketStore, bucket, prefix string) Place {
	return &bucketPlace{store, bucket, prefix}
}

// SplitURL takes s3://bucket/prefix apart. The prefix comes with a slash at its end,
// or empty.
func SplitURL(url string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(url, "s3://")
	if !ok {
		return "", "", fmt.Errorf("%s: want s3://bucket/prefix", url)
	}
	bucket, prefix, _ = strings.Cut(rest, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	if bucket == "" || strings.ContainsAny(bucket, ":@?#%") {
		return "", "", fmt.Errorf("%s: want s3://bucket/prefix with the name of a bucket", url)
	}
	if prefix == "" {
		return bucket, "", nil
	}
	for _, part := range strings.Split(prefix, "/") {
		if part == "" || part == "." || part == ".." {
			return "", "", fmt.Errorf("%s: %q is no part of a prefix", url, part)
		}
	}
	return bucket, prefix + "/", nil
}

// InsideGroup reports whether what an export writes under the prefix would lie among
// the objects of an archive in the same bucket, or they among what it writes.
func InsideGroup(prefix, group string) bool {
	group += "/"
	if strings.HasPrefix(prefix, group) {
		return true
	}
	below, within := strings.CutPrefix(group, prefix)
	return within && (strings.HasPrefix(below, topicFolder) || strings.HasPrefix(below, ownFolder))
}

func (b *bucketPlace) String() string { return "s3://" + b.bucket + "/" + b.prefix }

// Create implements Place.
func (b *bucketPlace) Create(ctx context.Context, name string) (File, error) {
	upload, err := b.store.Create(ctx, b.prefix+name)
	if err != nil {
		return nil, err
	}
	return &bucketFile{upload, b.store, b.prefix + name, ctx, false}, nil
}

// CreateOnce implements Place.
func (b *bucketPlace) CreateOnce(ctx context.Context, name string, content []byte) ([]byte, error) {
	return b.store.CreateOnce(ctx, b.prefix+name, content)
}

// Read implements Place.
func (b *bucketPlace) Read(ctx context.Context, name string) ([]byte, error) {
	object, err := b.store.Open(ctx, b.prefix+name)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(object, 0, object.Stored().Size))
}

// Empty implements Place.
func (b *bucketPlace) Empty(ctx context.Context) (bool, error) {
	keys, err := b.store.List(ctx, b.prefix, "", 1)
	return len(keys) == 0, err
}

// List implements Place.
func (b *bucketPlace) List(ctx context.Context, folder string) (names []string, err error) {
	for after := ""; ; {
		page, err := b.store.List(ctx, b.prefix+folder, after, bifrost.ListPage)
		if err != nil {
			return nil, err
		}
		for _, key := range page {
			names = append(names, strings.TrimPrefix(key, b.prefix))
		}
		if len(page) < bifrost.ListPage {
			return names, nil
		}
		after = page[len(page)-1]
	}
}

type bucketFile struct {
	bifrost.Upload
	store    bucketStore
	key      string
	ctx      context.Context // of its parts
	complete bool
}

// Complete implements File. S3 may refuse two that complete one key at the same moment, and
// an answer may be lost: then the file is there, whoever wrote it.
func (f *bucketFile) Complete(ctx context.Context) error {
	_, err := f.Upload.Complete(ctx)
	if errors.Is(err, bifrost.ErrExists) {
		return nil // and the upload is given back by Abort
	}
	if err != nil {
		if _, failed := f.store.Open(ctx, f.key); failed == nil {
			return nil
		}
	}
	f.complete = err == nil
	return err
}

// Abort implements File. What cannot be aborted, a lifecycle rule of the bucket has
// to remove.
func (f *bucketFile) Abort() {
	if !f.complete {
		_ = f.Upload.Abort(context.WithoutCancel(f.ctx))
	}
}
