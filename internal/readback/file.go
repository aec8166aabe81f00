// Records of files that no table knows of.

package readback

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/bifrost-archive/bifrost/baldr"
)

// FileRecords returns the records of a file: an object, plain Baldr.gz, or
// uncompressed Baldr. An object is decoded on several cores. The summary is that
// of an object, and nil for the others.
func FileRecords(f *os.File, opts baldr.ReaderOptions) (iter.Seq2[baldr.Record, error], *baldr.Summary, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return StreamRecords(f, opts), nil, nil
	}
	file, err := baldr.Open(f, info.Size(), opts)
	if errors.Is(err, baldr.ErrNotBaldr) {
		return named(f.Name(), StreamRecords(f, opts)), nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	summary := file.Summary()
	return named(f.Name(), file.All()), &summary, nil
}

// StreamRecords returns the records of a stream, which may hold what a file may,
// and several objects one after the other.
func StreamRecords(r io.Reader, opts baldr.ReaderOptions) iter.Seq2[baldr.Record, error] {
	return baldr.NewReader(r, opts).All()
}

func named(name string, records iter.Seq2[baldr.Record, error]) iter.Seq2[baldr.Record, error] {
	return func(yield func(baldr.Record, error) bool) {
		for record, err := range records {
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}
