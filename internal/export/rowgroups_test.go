package export

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/bifrost-archive/bifrost/baldr"
)

// TestRowGroupsAreAsLargeAsTheyMayBe: a row group ends when the records in it reach the
// bound, and not before: each one costs readers a part of the footer.
func TestRowGroupsAreAsLargeAsTheyMayBe(t *testing.T) {
	t.Parallel()
	a := newArchived()
	one := baldr.Record{Timestamp: 1, Value: bytes.Repeat([]byte("v"), 36)}
	size := int64(sizeOf(&one, nil))
	each := (rowGroupBytes + size - 1) / size
	var records []baldr.Record
	for range 3*each + 1 {
		records = append(records, one)
	}
	a.add(records...)
	for name, content := range exportTo(t, a, filepath.Join(t.TempDir(), "lake")) {
		file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		var sizes []int64
		for _, group := range file.RowGroups() {
			sizes = append(sizes, group.NumRows())
		}
		if len(sizes) != 4 || sizes[0] != each || sizes[1] != each || sizes[2] != each || sizes[3] != 1 {
			t.Errorf("%s has row groups of %d records, want three of %d and one of 1", name, sizes, each)
		}
	}
}
