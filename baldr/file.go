// How an object is opened for random access, from its end.

package baldr

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// TailBytes is how much of the end of a file Open reads in one piece. Footer, summary and
// index of an object of 1 GB of raw bytes fit in it.
const TailBytes = 64 << 10

// A File is an object opened for random access. Its methods are safe for concurrent use.
//
// The access pattern suits a store where each read is a request: Open makes one
// ReadAt of the last TailBytes (a second one only for an index larger than that,
// or to tell a damaged object from a foreign file), and reading makes one
// ReadAt for each data member it needs, so that to find one record is one. Only
// members beyond 16 MiB, single very long records, are read in pieces of that
// size. An object in a single member cannot be sought in and is streamed.
type File struct {
	r    io.ReaderAt
	size int64
	opts ReaderOptions
	catalogue
}

// Open reads the end of an object of size bytes: footer, summary and index.
// Errors are of the three kinds told apart at ErrNotBaldr; that verdict rests on
// the head and the tail of the file, Open does not read what is between.
func Open(r io.ReaderAt, size int64, opts ReaderOptions) (*File, error) {
	f := &File{r: r, size: size, opts: opts.withDefaults()}
	tailAt := max(0, size-TailBytes)
	tail, err := readAt(r, tailAt, size-tailAt)
	if err != nil {
		return nil, err
	}
	footer, err := f.findFooter(tail)
	if err != nil {
		return nil, err
	}
	if footer.indexAt < tailAt {
		if tail, err = f.readBefore(footer.indexAt, tailAt, tail); err != nil {
			return nil, err
		}
		tailAt = footer.indexAt
	}
	f.catalogue, err = readEnd(footer, tail[footer.indexAt-tailAt:], f.opts)
	return f, err
}

// Summary returns what the object says of itself.
func (f *File) Summary() Summary { return f.summary }

// readAt reads exactly size bytes. That it fails is never a verdict about the
// file, also when r knows of fewer bytes.
func readAt(r io.ReaderAt, at, size int64) ([]byte, error) {
	buf := make([]byte, size)
	return buf, readAtFull(r, buf, at)
}

func readAtFull(r io.ReaderAt, buf []byte, at int64) error {
	n, err := r.ReadAt(buf, at)
	if n == len(buf) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("baldr: read %d bytes at %d, got %d: %w", len(buf), at, n, err)
}

// readBefore reads from begin up to where tail begins.
func (f *File) readBefore(begin, tailAt int64, tail []byte) ([]byte, error) {
	if tailAt-begin > int64(f.opts.MemoryBytes) {
		return nil, tooLarge(begin, "an index of more than %d bytes; MemoryBytes is %d",
			tailAt-begin, f.opts.MemoryBytes)
	}
	rest, err := readAt(f.r, begin, tailAt-begin)
	return append(rest, tail...), err
}

// findFooter reads the footer from the end of tail, or says why there is none.
func (f *File) findFooter(tail []byte) (footer, error) {
	if len(tail) < footerMemberBytes {
		return footer{}, f.judge(tail)
	}
	at := f.size - footerMemberBytes
	var s stream
	s.reset(bytes.NewReader(tail[len(tail)-footerMemberBytes:]), at)
	header, err := s.nextHeader()
	if !s.header.subfields.ours {
		return footer{}, f.judge(tail)
	}
	if err != nil {
		return footer{}, err
	}
	if version := header.subfields.version; version != formatVersion {
		return footer{}, unknownVersion(at, version)
	}
	if header.subfields.footer == nil {
		return footer{}, cut(f.size, "the last member is not the footer")
	}
	found, err := parseFooter(header.subfields.footer)
	if err != nil {
		return found, damaged(at, "%v", err)
	}
	if found.objectBytes != f.size {
		return found, damaged(at, "the footer tells of an object of %d bytes, the file has %d",
			found.objectBytes, f.size)
	}
	return found, nil
}

// headBytes is enough of a file to recognise an object: the header of its first
// member up to the ID of the first subfield, which is one of ours.
const headBytes = headerBytes + 2

// leastGzipBytes is the size of the smallest whole gzip file.
const leastGzipBytes = 18

// judge looks at the head of a file that does not end with a footer.
func (f *File) judge(tail []byte) error {
	head := tail
	if f.size > int64(len(tail)) {
		var err error
		if head, err = readAt(f.r, 0, headBytes); err != nil {
			return err
		}
	}
	head = head[:min(len(head), headBytes)]
	switch {
	case len(head) == 0 || !isGzip(head):
		return fmt.Errorf("%w: a file of %d bytes that begins with %x", ErrNotBaldr, f.size, head)
	case f.size < leastGzipBytes:
		return cut(f.size, "a gzip file ends inside its first member")
	case head[3]&flagExtra != 0 && head[headerBytes] == subfieldID1 && head[headerBytes+1] == subfieldID2:
		return cut(f.size, "the file begins as an object and does not end with a footer")
	}
	return fmt.Errorf("%w: a gzip file of %d bytes with neither our subfields nor a footer", ErrNotBaldr, f.size)
}

// readEnd reads index, summary and footer: all of an object from its index on.
func readEnd(f footer, end []byte, opts ReaderOptions) (catalogue, error) {
	opts.ValuesOnly = false
	r := &Reader{dataReader: dataReader{opts: opts}, started: true}
	r.stream.reset(bytes.NewReader(end), f.indexAt)
	r.object = object{begun: true, read: f.members, fromIndex: true}
	for !r.object.finished {
		if err := r.advance(); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				return catalogue{}, damaged(f.indexAt, "the index and the summary are not where the footer says: %v",
					err)
			}
			return catalogue{}, err
		}
	}
	return r.object.catalogue, nil
}
