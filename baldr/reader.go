// Reading records from a stream.

package baldr

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

const (
	// DefaultMaxRecordBytes is the largest record, value, key and headers taken
	// together, that a reader accepts unless told otherwise. Kafka's own default
	// is 1 MiB.
	DefaultMaxRecordBytes = 128 << 20

	// DefaultMemoryBytes bounds what a reader takes above the largest record.
	DefaultMemoryBytes = 64 << 20
)

// ReaderOptions say how to read. The zero value reads full records in the
// calling goroutine.
type ReaderOptions struct {
	ValuesOnly     bool // skip the envelopes; see Record for what is then missing
	Workers        int  // members decoded in parallel by a File; 0 or 1 starts no goroutine
	MaxRecordBytes int  // 0 is DefaultMaxRecordBytes
	MemoryBytes    int  // 0 is DefaultMemoryBytes

	// Keys, if not nil, says whether records with a key, nil for null, are wanted. A File
	// leaves out the data members that have none: their values are neither inflated nor
	// checked. Of the others it returns all records. A Reader does not ask. With Workers
	// above 1 it is called from several goroutines concurrently.
	Keys func(key []byte) bool

	// Matches asks for Record.Matches. With ValuesOnly there are none. They take up to four
	// times as much memory as the frames of a member; above 8 MiB of frames there are none.
	Matches bool
}

func (o ReaderOptions) withDefaults() ReaderOptions {
	if o.MaxRecordBytes <= 0 {
		o.MaxRecordBytes = DefaultMaxRecordBytes
	}
	o.MaxRecordBytes = min(o.MaxRecordBytes, MaxValueBytes)
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = DefaultMemoryBytes
	}
	o.Workers = max(o.Workers, 1)
	return o
}

// A Reader reads records from a stream. What the stream is, it finds out by
// itself: an object of this package, several of them one after the other, plain
// Baldr.gz of any number of members, or uncompressed Baldr.
//
// The members of an object are checked against their checksums before their
// records are returned; in the others a record may come before the error about
// the part it stands in.
type Reader struct {
	dataReader
	started bool
	err     error

	from   framesFrom
	frames *FrameReader  // of what from says
	plain  *plainMembers // what frames reads from, unless the file is not gzip at all
	object object
}

// framesFrom says what the frames come from while no decoder has them.
type framesFrom uint8

const (
	fromNothing framesFrom = iota
	fromUncompressed
	fromPlainMembers
	fromOpenMember
)

// NewReader returns a Reader on r. It reads ahead.
func NewReader(r io.Reader, opts ReaderOptions) *Reader {
	opts = opts.withDefaults()
	opts.Keys = nil
	reader := &Reader{dataReader: dataReader{opts: opts}, frames: NewFrameReader(nil, opts.MaxRecordBytes)}
	reader.stream.reset(r, 0)
	reader.plain = &plainMembers{stream: &reader.stream}
	return reader
}

// Next returns the next record. Its memory is borrowed: valid until the
// following call (Record.Clone keeps it). At a clean end, and only there, the
// error is io.EOF; see ErrNotBaldr for the kinds of the others.
func (r *Reader) Next() (Record, error) {
	for r.err == nil {
		switch {
		case r.decoder.left > 0:
			record, err := r.dataReader.next()
			if err == nil {
				return record, nil
			}
			r.err = err
		case r.from != fromNothing:
			value, err := r.frames.Next()
			if err == nil {
				r.plain.facts.records++
				return Record{Offset: -1, Timestamp: -1, Value: value}, nil
			}
			r.err = r.endFrames(err)
		default:
			r.err = r.advance()
		}
	}
	return Record{}, r.err
}

// All returns the records from here on. After an error, which comes with no
// record, it ends; a clean end is no error.
func (r *Reader) All() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			record, err := r.Next()
			if err == io.EOF || !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// Summary returns the summary of the object that Next has just read to its
// end, and whether there was one: plain Baldr and Baldr.gz have none.
func (r *Reader) Summary() (Summary, bool) {
	return r.object.summary, r.object.finished
}

// end says what the end of the file means.
func (r *Reader) end() error {
	if r.object.begun {
		return cut(r.stream.pos(), "the file ends inside an object that begins at byte %d", r.object.pos)
	}
	return io.EOF
}

// advance continues with the next member.
func (r *Reader) advance() error {
	if !r.started {
		r.started = true
		if magic, err := r.stream.buf.Peek(2); len(magic) == 0 || !isGzip(magic) {
			return r.beginUncompressed(err)
		}
	}
	header, err := r.stream.nextHeader()
	if err == io.EOF {
		return r.end()
	}
	if err != nil {
		return err
	}
	ours, err := r.ours(header)
	if err != nil {
		return err
	}
	if ours {
		return r.advanceObject(header)
	}
	if r.object.begun {
		return damaged(header.pos, "a member without our subfields inside an object that begins at byte %d",
			r.object.pos)
	}
	return r.beginMembers(fromPlainMembers, header)
}

// isGzip looks at up to two bytes. No plain Baldr begins like gzip: its first
// frame would have more than 2 exabytes.
func isGzip(magic []byte) bool {
	return magic[0] == gzipID1 && (len(magic) < 2 || magic[1] == gzipID2)
}

func (r *Reader) beginUncompressed(err error) error {
	if err != nil && err != io.EOF {
		return r.stream.failure(0, err, "a file")
	}
	r.from = fromUncompressed
	r.frames.reset(r.stream.buf)
	return nil
}

func (r *Reader) beginMembers(from framesFrom, header *memberHeader) error {
	r.from = from
	r.plain.single, r.plain.err = from == fromOpenMember, nil
	r.frames.reset(r.plain)
	return r.plain.begin(header.pos)
}

// endFrames says what the end of frames means: nil to continue with the next member.
func (r *Reader) endFrames(err error) error {
	from := r.from
	r.from = fromNothing
	switch {
	case from == fromUncompressed:
		return err
	case r.plain.err != nil && r.plain.err != io.EOF:
		return r.plain.err
	case err == io.EOF && from == fromOpenMember:
		r.plain.facts.flags = memberIsOpen
		r.object.addSeen(r.plain.facts)
		return nil
	case err == io.EOF:
		return nil
	}
	return r.relocate(err)
}

// relocate turns a verdict about a place in the inflated stream into one about
// the file.
func (r *Reader) relocate(err error) error {
	var verdict *FormatError
	if !errors.As(err, &verdict) {
		return err
	}
	return &FormatError{
		Pos:    r.plain.pos,
		Reason: fmt.Sprintf("byte %d of the inflated stream: %s", verdict.Pos, verdict.Reason),
		Err:    verdict.Err,
	}
}
