package readback_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// TestFilesOfTheOriginal reads what Bifrost wrote in 2013, under its names of 7
// and of 10 digits, and the same unpacked.
func TestFilesOfTheOriginal(t *testing.T) {
	t.Parallel()
	values := []string{"first", "", `{"page":"/shoes"}`}
	var frames []byte
	for _, v := range values {
		frames = baldr.AppendFrame(frames, []byte(v))
	}
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, err := z.Write(frames)
	must(t, err)
	must(t, z.Close())
	for name, content := range map[string][]byte{
		"0000042.baldr.gz": zipped.Bytes(), "0000000042.baldr.gz": zipped.Bytes(), "0000042.baldr": frames, "0000000042.baldr": frames,
	} {
		path := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(path, content, 0o600))
		f, err := os.Open(path)
		must(t, err)
		defer f.Close()
		records, summary, err := readback.FileRecords(f, baldr.ReaderOptions{})
		must(t, err)
		if summary != nil {
			t.Errorf("%s has the summary %+v", name, summary)
		}
		n := 0
		for r, err := range records {
			must(t, err)
			if n == len(values) || string(r.Value) != values[n] || r.Offset != -1 {
				t.Fatalf("%s: record %d is %+v", name, n, r)
			}
			n++
		}
		if n != len(values) {
			t.Errorf("%s has %d records, want %d", name, n, len(values))
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
