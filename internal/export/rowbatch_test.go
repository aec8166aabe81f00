package export

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
)

// The memory of a record is its reader's, which uses it again for the next one: small ones, which
// wait with others, and ones that are larger than what may wait.
func TestNoMemoryOfARecordIsKept(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	place, err := InDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	const name = "topic=orders/date=1970-01-01/00000-0.parquet"
	f, err := newParquetFile(t.Context(), place, name, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, value, headers := make([]byte, 3*batchBytes), make([]byte, 3*batchBytes), []baldr.Header{{}, {}}
	fill := func(size int, with byte) (baldr.Record, Decoded) {
		for _, b := range [][]byte{key, value} {
			copy(b, bytes.Repeat([]byte{with}, size))
		}
		headers[0], headers[1] = baldr.Header{Key: key[:min(1, size)], Value: value[:size]}, baldr.Header{Key: key[:size]}
		r := baldr.Record{Key: key[:size], Value: value[:size], Headers: headers}
		return r, Decoded{KeyJSON: value[:size], KeyError: key[:size], ValueJSON: key[:size], ValueError: value[:1]}
	}
	sizes := []int{1, 10, batchBytes / 2, batchBytes - 1, batchBytes, batchBytes + 1, 2 * batchBytes, 3 * batchBytes, 1, 0, 7}
	for i, size := range sizes {
		r, d := fill(size, byte('a'+i))
		r.Offset = int64(i)
		if err := f.writeRecord(0, &r, &d, nil); err != nil {
			t.Fatal(err)
		}
		fill(3*batchBytes, '!')
	}
	if err := errors.Join(f.end(), f.complete(t.Context())); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	found := readBack(t, map[string][]byte{name: content})
	for i, size := range sizes {
		r, _ := fill(size, byte('a'+i))
		r.Offset = int64(i)
		if got := found[r.Offset]; show(got) != show(r) {
			t.Errorf("size %d: %s, want %s", size, show(got), show(r))
		}
	}
	if len(found) != len(sizes) {
		t.Errorf("%d records, want %d", len(found), len(sizes))
	}
}
