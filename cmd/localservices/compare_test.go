package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
)

// TestDifferSeesEveryField changes one field at a time: a comparison that looks
// away proves nothing.
func TestDifferSeesEveryField(t *testing.T) {
	t.Parallel()
	record := func() *kgo.Record {
		return &kgo.Record{
			Offset: 7, Timestamp: time.UnixMilli(1000), Key: []byte("k"), Value: []byte("v"),
			Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("1")}, {Key: "h", Value: nil}},
		}
	}
	same := baldr.Record{
		Offset: 7, Timestamp: 1000, Key: []byte("k"), Value: []byte("v"),
		Headers: []baldr.Header{{Key: []byte("h"), Value: []byte("1")}, {Key: []byte("h")}},
	}
	if difference := differ(same, record()); difference != "" {
		t.Errorf("the same record: %s", difference)
	}
	for name, change := range map[string]func(*kgo.Record){
		"offset":       func(r *kgo.Record) { r.Offset++ },
		"timestamp":    func(r *kgo.Record) { r.Timestamp = r.Timestamp.Add(time.Millisecond) },
		"key":          func(r *kgo.Record) { r.Key = []byte("K") },
		"value":        func(r *kgo.Record) { r.Value = []byte("V") },
		"null value":   func(r *kgo.Record) { r.Value = nil },
		"header key":   func(r *kgo.Record) { r.Headers[0].Key = "H" },
		"empty header": func(r *kgo.Record) { r.Headers[1].Value = []byte{} },
		"header order": func(r *kgo.Record) { r.Headers[0], r.Headers[1] = r.Headers[1], r.Headers[0] },
		"fewer":        func(r *kgo.Record) { r.Headers = r.Headers[:1] },
	} {
		changed := record()
		change(changed)
		if differ(same, changed) == "" {
			t.Errorf("%s: the difference was not seen", name)
		}
	}
}

// frames returns values as Baldr frames them, in gzip, a member each.
func frames(t *testing.T, values ...string) []byte {
	t.Helper()
	var file bytes.Buffer
	for _, value := range values {
		member := gzip.NewWriter(&file)
		frame := append(binary.BigEndian.AppendUint64(nil, uint64(len(value))), value...)
		if _, err := member.Write(frame); err != nil {
			t.Fatal(err)
		}
		if err := member.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return file.Bytes()
}

// TestPythonReader holds the stranger's reader itself to the truth: all members,
// objects in the order of their numbers, and no cut taken for an end.
func TestPythonReader(t *testing.T) {
	t.Parallel()
	whole := frames(t, "a", "", "b")
	one := runPythonReader(t, map[string][]byte{"9.baldr.gz": frames(t, "a", ""), "10.baldr.gz": frames(t, "b")})
	if all := runPythonReader(t, map[string][]byte{"0.baldr.gz": whole}); one != all || one.Records != 3 {
		t.Errorf("two objects: %+v, one object: %+v, want 3 records and the same", one, all)
	}
	if swapped := runPythonReader(t, map[string][]byte{"0.baldr.gz": frames(t, "b", "", "a")}); swapped == one {
		t.Error("the order of values does not count")
	}
	dir := pythonInput(t, map[string][]byte{"0.baldr.gz": whole[:len(whole)-3]})
	if out, err := exec.Command("python3.11", "testdata/values.py", dir).CombinedOutput(); err == nil {
		t.Errorf("a cut object was read as %s", out)
	}
}

func pythonInput(t *testing.T, objects map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	folder := filepath.Join(dir, "orders", "partition=0")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range objects {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func runPythonReader(t *testing.T, objects map[string][]byte) digest {
	t.Helper()
	var problems strings.Builder
	cmd := exec.Command("python3.11", "testdata/values.py", pythonInput(t, objects))
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problems.String())
	}
	var found map[string]digest
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	return found["orders/0"]
}

// A digest is what testdata/values.py prints for a partition.
type digest struct {
	Records int    `json:"records"`
	SHA256  string `json:"sha256"`
}
