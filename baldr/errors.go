// What this package says about bytes that it cannot accept.

package baldr

import (
	"errors"
	"fmt"
	"io"
)

// A reader's errors fall into three kinds, and a program that acts on them must
// keep the three apart:
//
//   - errors.Is(err, ErrNotBaldr): the file was read, and it has no summary;
//     somebody else wrote it. Only Open says this.
//   - errors.As(err, **FormatError): the file was read, and it is damaged, cut,
//     too new or beyond a limit. FormatError.Err says which.
//   - anything else: the file could not be read. The error of the io.Reader or
//     io.ReaderAt is wrapped; it says nothing about the file, so try again.
var (
	// ErrNotBaldr says that a file is not an object with a summary: it is empty,
	// plain Baldr, plain Baldr.gz, or nothing of ours at all. NewReader may
	// still read its values.
	ErrNotBaldr = errors.New("baldr: not an object with a summary")

	// ErrDamaged says that bytes are not what their checksums, lengths or
	// counts say they are.
	ErrDamaged = errors.New("damaged")

	// ErrVersion says that a file was written in a version of the format that
	// this package does not know. Its values can still be read, with
	// ReaderOptions.ValuesOnly or with zcat.
	ErrVersion = errors.New("unknown version of the format")

	// ErrTooLarge says that reading on would take more memory than
	// ReaderOptions allow, or that a record is larger than the format carries.
	ErrTooLarge = errors.New("too large")

	// ErrNoEnvelope says that a file holds values only, so that no record can
	// be found in it by its offset or its time.
	ErrNoEnvelope = errors.New("baldr: values only, no offsets and timestamps to seek by")
)

// A FormatError is a verdict about the bytes of a file.
type FormatError struct {
	Pos    int64  // byte position in the file: where the part that is wrong begins
	Reason string // what is wrong with it
	Err    error  // io.ErrUnexpectedEOF for a cut, ErrDamaged, ErrVersion or ErrTooLarge
}

// Error names the position, the kind of fault and what was found.
func (e *FormatError) Error() string {
	return fmt.Sprintf("baldr: byte %d: %v: %s", e.Pos, e.Err, e.Reason)
}

// Unwrap returns Err.
func (e *FormatError) Unwrap() error { return e.Err }

func cut(pos int64, format string, args ...any) error {
	return &FormatError{Pos: pos, Reason: fmt.Sprintf(format, args...), Err: io.ErrUnexpectedEOF}
}

func damaged(pos int64, format string, args ...any) error {
	return &FormatError{Pos: pos, Reason: fmt.Sprintf(format, args...), Err: ErrDamaged}
}

func tooLarge(pos int64, format string, args ...any) error {
	return &FormatError{Pos: pos, Reason: fmt.Sprintf(format, args...), Err: ErrTooLarge}
}

func unknownVersion(pos int64, version byte) error {
	return &FormatError{
		Pos: pos,
		Reason: fmt.Sprintf("version %d, this reader knows %d; its values can be read with ValuesOnly",
			version, formatVersion),
		Err: ErrVersion,
	}
}
