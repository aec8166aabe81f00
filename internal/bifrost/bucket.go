// What the rules ask of the bucket.

package bifrost

import (
	"context"
	"errors"
	"io"
)

// Store is what a worker does in the bucket.
type Store interface {
	// Create begins a multipart upload to the key. Nothing is visible before Complete.
	Create(ctx context.Context, key string) (Upload, error)
	// Open opens an object for reads that last as long as ctx. ErrNotFound only
	// when the store says for certain that there is none.
	Open(ctx context.Context, key string) (Object, error)
}

// Upload is an object in the making. Write gathers parts; memory is bounded.
type Upload interface {
	io.Writer
	// Complete makes the object visible if there is none at the key. It must not
	// answer nil before the object is durable. ErrExists when there is one, which
	// may be this upload's own if an answer was lost; ErrUploadGone when the upload
	// was aborted or is already complete.
	Complete(ctx context.Context) (Stored, error)
	// Abort gives the parts back to the store.
	Abort(ctx context.Context) error
}

// Stored is what the store says of a complete object.
type Stored struct {
	Size     int64  // bytes
	Checksum string // CRC64NVME, base64; empty when the store keeps none
}

// Object is an object in the bucket, open for reading.
type Object interface {
	io.ReaderAt
	Stored() Stored
}

// Bucket is what the rules do with keys, beside whole objects: claim, list, abort.
type Bucket interface {
	// CreateOnce writes a small object if there is none at the key, and answers
	// what is there now: the given content or the content that was there first.
	CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error)
	// List lists the keys that start with the prefix and come after the key
	// `after` ("" for all), in order, at most limit of them.
	List(ctx context.Context, prefix, after string, limit int) ([]string, error)
	// AbortUploads aborts every unfinished multipart upload under the prefix. When it
	// returns nil, none that was open when it was called can be completed any more.
	// One whose completion had begun by then may still become an object, later, or
	// fail and be open again.
	AbortUploads(ctx context.Context, prefix string) error
}

// KeyLister lists keys, as Bucket.List says.
type KeyLister interface {
	List(ctx context.Context, prefix, after string, limit int) ([]string, error)
}

// ObjectOpener opens objects, as Store.Open says.
type ObjectOpener interface {
	Open(ctx context.Context, key string) (Object, error)
}

// ErrExists says that the store refused to overwrite an object.
var ErrExists = errors.New("an object is there already")

// ErrUploadGone says that a multipart upload was aborted or is already complete.
var ErrUploadGone = errors.New("the multipart upload is gone")
