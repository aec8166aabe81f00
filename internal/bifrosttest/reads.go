// How a test watches the reads of objects.

package bifrosttest

import (
	"context"
	"sync/atomic"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Reads are the objects of a store, every read of which is counted and may fail.
type Reads struct {
	Objects bifrost.ObjectOpener
	// Fail is asked before each read, by its number from 0 on; its error is that of the read.
	// Nil lets all succeed.
	Fail func(number int64) error

	Count atomic.Int64
}

// Open opens an object. It is no read.
func (r *Reads) Open(ctx context.Context, key string) (bifrost.Object, error) {
	object, err := r.Objects.Open(ctx, key)
	return countedObject{object, r}, err
}

// countedObject is an object whose reads are counted.
type countedObject struct {
	bifrost.Object
	reads *Reads
}

// ReadAt implements io.ReaderAt.
func (o countedObject) ReadAt(p []byte, at int64) (int, error) {
	number := o.reads.Count.Add(1) - 1
	if o.reads.Fail != nil {
		if err := o.reads.Fail(number); err != nil {
			return 0, err
		}
	}
	return o.Object.ReadAt(p, at)
}
