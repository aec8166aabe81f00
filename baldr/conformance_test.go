package baldr

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// These tests hand objects to the readers of other languages: those that old
// consumers of Baldr.gz use, and one written after docs/format.md alone.

// variety is records of every kind: null and empty, binary and text, dense and
// sparse, with and without headers, one too long for a member, keys and headers
// too many for one extra field.
func variety() []Record {
	records := manyRecords(300)
	incompressible := noise(300 << 10)
	for i := range records {
		r := &records[i]
		r.Offset = int64(i + i/50*7)
		switch i % 6 {
		case 1:
			r.Value = nil
		case 2:
			r.Value, r.Key = []byte{}, []byte{}
		case 3:
			r.Key, r.Timestamp = nil, -1
		case 4:
			r.TimestampType = LogAppendTime
			r.Headers = []Header{{Key: []byte("a"), Value: nil}, {Key: []byte("a"), Value: []byte{}}, {Key: []byte("b"), Value: []byte{0, 0xff}}}
		}
	}
	records[100].Key = incompressible[:200<<10]
	records[200].Value = incompressible
	return records
}

var conformanceOptions = map[string]Options{
	"full.baldr.gz":   {MemberBytes: 10_000},
	"values.baldr.gz": {MemberBytes: 10_000, ValuesOnly: true},
	"single.baldr.gz": {SingleMember: true},
}

func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	check(t, os.WriteFile(path, content, 0o644))
	return path
}

func writeObjectFile(t *testing.T, name string) string {
	t.Helper()
	object, _ := write(t, variety(), conformanceOptions[name])
	return writeFile(t, name, object)
}

func run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	var output, errors bytes.Buffer
	command := exec.Command(name, arguments...)
	command.Stdout, command.Stderr = &output, &errors
	if err := command.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, errors.Bytes())
	}
	return output.String()
}

// hexLines is the values as the programs of testdata print them.
func hexLines(prefix string, records []Record) string {
	var lines strings.Builder
	for _, r := range records {
		lines.WriteString(prefix + hex.EncodeToString(r.Value) + "\n")
	}
	return lines.String()
}

func sameLines(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %d lines, want %d, or other values", what, strings.Count(got, "\n"), strings.Count(want, "\n"))
	}
}

func TestZcatIntoAnIndependentParser(t *testing.T) {
	t.Parallel()
	for name := range conformanceOptions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := run(t, "sh", "-c", `zcat "$1" | python3 testdata/values.py`, "sh", writeObjectFile(t, name))
			sameLines(t, "zcat", got, hexLines("", variety()))
		})
	}
}

func TestPythonGzip(t *testing.T) {
	t.Parallel()
	var paths []string
	for name := range conformanceOptions {
		paths = append(paths, writeObjectFile(t, name))
	}
	got := run(t, "python3", append([]string{"testdata/values.py"}, paths...)...)
	sameLines(t, "gzip", got, strings.Repeat(hexLines("", variety()), len(paths)))
}

// textRecord is a record as testdata/read_baldr.py prints it.
type textRecord struct {
	Offset        *int64       `json:"offset"`
	Timestamp     int64        `json:"timestamp"`
	LogAppendTime bool         `json:"log_append_time"`
	Key           *string      `json:"key"`
	Value         *string      `json:"value"`
	Headers       [][2]*string `json:"headers"`
}

func (r *textRecord) record(t *testing.T) Record {
	t.Helper()
	decode := func(text *string) []byte {
		if text == nil {
			return nil
		}
		b, err := base64.StdEncoding.DecodeString(*text)
		check(t, err)
		return b
	}
	if r.Offset == nil {
		return Record{Offset: -1, Timestamp: -1, Value: decode(r.Value)}
	}
	record := Record{Offset: *r.Offset, Timestamp: r.Timestamp, Key: decode(r.Key), Value: decode(r.Value)}
	if r.LogAppendTime {
		record.TimestampType = LogAppendTime
	}
	for _, h := range r.Headers {
		record.Headers = append(record.Headers, Header{Key: decode(h[0]), Value: decode(h[1])})
	}
	return record
}

// readAllWithPython prints records and summary of each file, after it has seen
// that the reader notices when the file is cut.
const readAllWithPython = `
import json, sys
sys.path.insert(0, "testdata")
import read_baldr
for name in sys.argv[1:]:
    data = open(name, "rb").read()
    print(json.dumps(read_baldr.read(data)))
    for length in range(len(data) - 1, 0, -1 if len(data) < 2000 else -len(data) // 10):
        try:
            read_baldr.read(data[:length])
        except Exception:
            continue
        sys.exit("%s cut at %d is read without an error" % (name, length))
`

func TestReaderOfTheDocument(t *testing.T) {
	t.Parallel()
	readsEveryFile(t, readAllWithPython)
}

// readsEveryFile gives a program in Python what the writer writes and the test vectors, and
// wants their records and summaries back.
func readsEveryFile(t *testing.T, program string) {
	t.Helper()
	arguments := []string{"-B", "-c", program}
	var want [][]Record
	for name, opts := range conformanceOptions {
		arguments = append(arguments, writeObjectFile(t, name))
		want = append(want, expected(variety(), opts))
	}
	for _, g := range golden {
		arguments = append(arguments, filepath.Join("testdata", g.name+".baldr.gz"))
		want = append(want, expected(g.records, g.opts))
	}
	output := json.NewDecoder(strings.NewReader(run(t, "python3", arguments...)))
	for i, records := range want {
		var read struct {
			records []textRecord
			summary summaryText
		}
		check(t, output.Decode(&[]any{&read.records, &read.summary}))
		var got []Record
		for _, r := range read.records {
			got = append(got, r.record(t))
		}
		sameRecords(t, fmt.Sprint("file ", i), got, records)
		if int(read.summary.Records) != len(records) || read.summary.Topic != "page-views" {
			t.Errorf("file %d: summary %+v", i, read.summary)
		}
	}
}

// expected is the records that an object written with opts gives back.
func expected(records []Record, opts Options) []Record {
	if opts.ValuesOnly || opts.SingleMember {
		return valuesOnly(records)
	}
	return records
}

// TestReaderOfTheDocumentIsShort: a stranger must be able to write one in an
// afternoon.
func TestReaderOfTheDocumentIsShort(t *testing.T) {
	t.Parallel()
	program, err := os.ReadFile("testdata/read_baldr.py")
	check(t, err)
	if lines := bytes.Count(program, []byte("\n")); lines >= 150 {
		t.Errorf("testdata/read_baldr.py has %d lines, not fewer than 150", lines)
	}
}
