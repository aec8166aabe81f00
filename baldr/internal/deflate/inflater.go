// What the package offers for inflating, with the switch to the library's code.

package deflate

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
)

// ErrSize says that deflated data inflate to more or to less than was asked for.
var ErrSize = errors.New("the inflated size is not the one that was expected")

// An Inflater inflates from memory to memory, when the size of both sides is
// known. The zero value is ready, and may be used again and again; ours allocates
// nothing. It must not be used by two goroutines at the same time.
type Inflater struct {
	own     fastInflater
	library libraryInflater
}

// A Match is a reference of deflated data: Length bytes at At are those that begin Distance
// bytes before (RFC 1951, 3.2.3).
type Match struct {
	At               uint32 // in what is inflated
	Length, Distance uint16
}

// NoteMatches makes Inflate note all references, or ends that. It costs a few percent.
func (f *Inflater) NoteMatches(wanted bool) { f.own.noting = wanted }

// Matches are the references that the last Inflate has noted, in their order, and whether it
// did: the library's code does not tell. They are valid until the next one.
func (f *Inflater) Matches() ([]Match, bool) {
	return f.own.notes[:f.own.noted], ownCode && f.own.noting
}

// Inflate fills dst, which has to be exactly as large as what src inflates to, and
// returns how many bytes of src that took: what follows the end of the stream is
// left alone. Each is told how many bytes of dst are done, now and then, while they
// are in the cache, and at the end; its error ends the call. Other errors:
// io.ErrUnexpectedEOF when src ends first, ErrSize when there is more or less than
// dst takes, and one that says what is wrong with src. Nothing in dst counts then.
func (f *Inflater) Inflate(dst, src []byte, each func(done int) error) (used int, err error) {
	if ownCode {
		return f.own.inflate(dst, src, each)
	}
	return f.library.inflate(dst, src, each)
}

// libraryInflater does the same with the library's code.
type libraryInflater struct {
	reader io.ReadCloser
	input  bytes.Reader
	beyond [1]byte // to see that there is nothing more
}

func (f *libraryInflater) inflate(dst, src []byte, each func(done int) error) (used int, err error) {
	f.input.Reset(src)
	if f.reader == nil {
		f.reader = flate.NewReader(&f.input)
	} else if err := f.reader.(flate.Resetter).Reset(&f.input, nil); err != nil {
		return 0, err
	}
	for done := 0; done < len(dst); {
		n, err := f.reader.Read(dst[done:])
		if done += n; n > 0 {
			if err := each(done); err != nil {
				return 0, err
			}
		}
		if err == io.EOF && done < len(dst) {
			return 0, ErrSize
		}
		if err != nil && err != io.EOF {
			return 0, err
		}
	}
	switch n, err := f.reader.Read(f.beyond[:]); {
	case n > 0:
		return 0, ErrSize
	case err != io.EOF:
		return 0, err
	}
	return len(src) - f.input.Len(), nil
}
