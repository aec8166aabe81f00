package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// An object on a disk that is damaged anywhere, or cut, prints no record that it does not
// hold: cat ends with an error that names the file, or the damage was in nothing that is read.
// The file is closed.
func TestADamagedObjectEndsCat(t *testing.T) {
	t.Parallel()
	var content bytes.Buffer
	w := baldr.NewWriter(&content, baldr.Options{MemberBytes: 64})
	const records = 12
	for i := range int64(records) {
		if err := w.WriteRecord(&baldr.Record{Offset: i, Timestamp: i, Value: fmt.Appendf(nil, "value-%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(baldr.Summary{Topic: "orders", Partition: 3, End: records, LastLeaderEpoch: -1}); err != nil {
		t.Fatal(err)
	}
	whole := content.Bytes()
	path := filepath.Join(t.TempDir(), "damaged.baldr.gz")
	// catOf is what cat reads of a file.
	catOf := func(content []byte) (all []readback.Located, err error) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		(&cat{}).yieldFile(path, baldr.ReaderOptions{Workers: 1, MaxRecordBytes: bifrost.LargestRecord}, func(l readback.Located, failed error) bool {
			if err = failed; err == nil {
				l.Value = bytes.Clone(l.Value)
				all = append(all, l)
			}
			return true
		})
		open, readErr := os.ReadDir("/proc/self/fd")
		if readErr != nil {
			t.Fatal(readErr)
		}
		for _, fd := range open {
			if of, _ := os.Readlink("/proc/self/fd/" + fd.Name()); of == path {
				t.Fatalf("%s is still open", path)
			}
		}
		return all, err
	}
	all, err := catOf(whole)
	if err != nil || len(all) != records || all[0].Partition != (bifrost.Partition{Name: "orders", Number: 3}) {
		t.Fatalf("of the whole object %d records, %v", len(all), err)
	}
	refused := 0
	for i := 0; i < len(whole); i += 3 {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0x55
		for what, content := range map[string][]byte{"byte": damaged, "cut": whole[:i]} {
			got, err := catOf(content)
			if err != nil {
				refused++
				if !strings.Contains(err.Error(), path) {
					t.Errorf("%s %d: %v does not name the file", what, i, err)
				}
			}
			if what == "byte" && err == nil && len(got) != records {
				t.Errorf("%s %d: %d records and no error", what, i, len(got))
			}
			for n, l := range got {
				if l.Offset != int64(n) || string(l.Value) != fmt.Sprintf("value-%d", n) {
					t.Errorf("%s %d: record %d is %q at %d", what, i, n, l.Value, l.Offset)
				}
			}
		}
	}
	if refused < len(whole)/3 {
		t.Errorf("of %d damages only %d were refused", len(whole)/3*2, refused)
	}
}
