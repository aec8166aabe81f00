// How an object is read in large pieces ahead of the reader.

package readback

import (
	"context"
	"io"
	"sync"
)

// DefaultReadAhead is the size of one read of the store: large enough that a
// round trip costs little beside the transfer.
const DefaultReadAhead = 2 << 20

// readAheadDepth is how many reads are under way ahead of the one being used.
// One connection to S3 moves 50 to 100 MB a second; two cores inflate more.
const readAheadDepth = 4

func (r *Reader) readAhead() int64 {
	if r.ReadAhead > 0 {
		return r.ReadAhead
	}
	return DefaultReadAhead
}

// readAhead turns the many small reads of somebody who goes through an object
// from front to back into few large ones that are under way before they are
// needed. Until beginReading it passes reads on as they are.
type readAhead struct {
	ctx   context.Context
	r     io.ReaderAt
	size  int64
	chunk int64 // bytes of one read
	free  *sync.Pool

	mutex  sync.Mutex
	begun  bool
	lowest int64            // number of the first chunk that is kept
	chunks map[int64]*chunk // by number
}

// A chunk is one read, done or under way. Its memory is used again when nobody
// needs it any more.
type chunk struct {
	done  chan struct{}
	buf   []byte
	err   error
	users int // who reads into it or from it, and the window that keeps it
}

func newReadAhead(ctx context.Context, r io.ReaderAt, size, bytes int64, free *sync.Pool) *readAhead {
	return &readAhead{ctx: ctx, r: r, size: size, chunk: bytes, free: free, chunks: map[int64]*chunk{}}
}

// beginReading says that reads go from front to back from now on.
func (a *readAhead) beginReading() {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.begun = true
}

// beginAt does so and starts the first read.
func (a *readAhead) beginAt(at int64) {
	a.beginReading()
	a.leaveChunk(a.getChunk(at/a.chunk, 0))
}

// closeChunks lets go of what is left. Reads under way may still end.
func (a *readAhead) closeChunks() {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	for number, c := range a.chunks {
		delete(a.chunks, number)
		a.dropChunk(c)
	}
	a.begun = false
}

// ReadAt implements io.ReaderAt. It may be called from many goroutines at once.
func (a *readAhead) ReadAt(p []byte, at int64) (int, error) {
	read := 0
	for read < len(p) {
		position := at + int64(read)
		if position >= a.size {
			return read, io.EOF
		}
		c := a.getChunk(position/a.chunk, readAheadDepth)
		if c == nil { // not begun, or a reader far behind the others
			n, err := a.r.ReadAt(p[read:], position)
			return read + n, err
		}
		n, err := a.copyChunk(p[read:], c, position%a.chunk)
		if err != nil {
			return read, err
		}
		read += n
	}
	return read, nil
}

// copyChunk waits for a chunk and copies what it has from a position on.
func (a *readAhead) copyChunk(p []byte, c *chunk, from int64) (int, error) {
	defer a.leaveChunk(c)
	select {
	case <-c.done:
	case <-a.ctx.Done():
		return 0, context.Cause(a.ctx)
	}
	if c.err != nil {
		return 0, c.err
	}
	return copy(p, c.buf[from:]), nil
}

// getChunk returns the chunk for use until leaveChunk, starts it and the depth following
// ones if they are not under way, and lets go of those long passed. One chunk
// behind is kept, for workers that read side by side.
func (a *readAhead) getChunk(number int64, depth int64) *chunk {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if !a.begun || number < a.lowest {
		return nil
	}
	for n := number; n <= number+depth && n*a.chunk < a.size; n++ {
		if a.chunks[n] == nil {
			a.chunks[n] = a.startChunk(n)
		}
	}
	for ; a.lowest < number-1; a.lowest++ {
		if passed := a.chunks[a.lowest]; passed != nil {
			delete(a.chunks, a.lowest)
			a.dropChunk(passed)
		}
	}
	c := a.chunks[number]
	c.users++
	return c
}

// leaveChunk ends the use of a chunk.
func (a *readAhead) leaveChunk(c *chunk) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.dropChunk(c)
}

func (a *readAhead) dropChunk(c *chunk) {
	if c.users--; c.users == 0 && cap(c.buf) == int(a.chunk) {
		a.free.Put(&c.buf)
	}
}

func (a *readAhead) startChunk(number int64) *chunk {
	c := &chunk{done: make(chan struct{}), users: 2} // the window, and the read
	at := number * a.chunk
	if free, ok := a.free.Get().(*[]byte); ok && cap(*free) == int(a.chunk) {
		c.buf = *free
	} else {
		c.buf = make([]byte, a.chunk)
	}
	c.buf = c.buf[:min(a.chunk, a.size-at)]
	go func() {
		defer a.leaveChunk(c)
		defer close(c.done)
		var n int
		n, c.err = a.r.ReadAt(c.buf, at)
		if n == len(c.buf) {
			c.err = nil // io.ReaderAt may say io.EOF with the last byte
		} else if c.err == nil || c.err == io.EOF {
			c.err = io.ErrUnexpectedEOF
		}
	}()
	return c
}
