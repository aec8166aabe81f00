package baldr

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// golden are the test vectors of docs/format.md: what they hold, and how this
// package writes them.
var golden = []struct {
	name    string
	opts    Options
	records []Record
	summary Summary
}{
	{
		name: "records",
		opts: Options{Level: 1, MemberBytes: 100},
		records: []Record{
			{Offset: 1000, Timestamp: 1384338600000, Key: []byte("user-7"), Value: []byte(`{"page":"/shoes"}`), Headers: []Header{
				{Key: []byte("trace"), Value: []byte{0xca, 0xfe}},
				{Key: []byte("trace"), Value: nil},
				{Key: []byte("retry"), Value: []byte{}},
			}},
			{Offset: 1001, Timestamp: 1384338600015, Key: []byte("user-8"), Value: nil},
			{Offset: 1004, Timestamp: 1384338599990, TimestampType: LogAppendTime, Key: nil, Value: []byte{}},
			{Offset: 1005, Timestamp: -1, Key: []byte{}, Value: []byte("\x00\xff")},
		},
		summary: Summary{Start: 1000, End: 1007, Missing: Missing{Control: 1, Aborted: 1, Compacted: 1}},
	},
	{
		name:    "values",
		opts:    Options{Level: 1, ValuesOnly: true},
		records: []Record{{Offset: 1000, Timestamp: 1384338600000, Value: []byte("hello")}, {Offset: 1001, Timestamp: 1384338600001, Value: []byte("Heimdall")}},
		summary: Summary{Start: 1000, End: 1002},
	},
	{
		name:    "single",
		opts:    Options{Level: 1, SingleMember: true},
		records: []Record{{Offset: 1000, Timestamp: 1384338600000, Value: []byte("hello")}, {Offset: 1001, Timestamp: 1384338600001, Value: []byte("Heimdall")}},
		summary: Summary{Start: 1000, End: 1002},
	},
	{
		name:    "gap",
		opts:    Options{Level: 1},
		summary: Summary{Kind: KindGap, Reason: "retention", Start: 0, End: 1000},
	},
}

func goldenSummary(s Summary) Summary {
	s.ClusterID, s.Topic, s.Partition = "MkU3OEVBNTcwNTJENDM2Qk", "page-views", 3
	s.TopicID = [16]byte{0x5b, 0x1f, 0x4e, 0x5d, 0x2a, 0x0c, 0x4e, 0x0b, 0x9a, 0x55, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06}
	s.LastLeaderEpoch, s.Writer = 12, "bifrost 1.0"
	if s.Kind == KindGap {
		s.LastLeaderEpoch = -1
	}
	return s
}

// TestGolden reads the test vectors, and writes them byte for byte. A change of
// the compressor may change what is written; reading must never change.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, g := range golden {
		t.Run(g.name, func(t *testing.T) {
			t.Parallel()
			var written bytes.Buffer
			w := NewWriter(&written, g.opts)
			for i := range g.records {
				check(t, w.WriteRecord(&g.records[i]))
			}
			summary, err := w.Close(goldenSummary(g.summary))
			check(t, err)

			path := filepath.Join("testdata", g.name+".baldr.gz")
			if *update {
				check(t, os.WriteFile(path, written.Bytes(), 0o644))
			}
			object, err := os.ReadFile(path)
			check(t, err)
			if !bytes.Equal(object, written.Bytes()) {
				t.Errorf("the Writer makes other bytes than %s; go test ./baldr -run Golden -update writes it anew", path)
			}
			want := g.records
			if g.opts.ValuesOnly || g.opts.SingleMember {
				want = valuesOnly(want)
			}
			reader := NewReader(bytes.NewReader(object), ReaderOptions{})
			sameRecords(t, path, collect(t, reader.All()), want)
			if got, _ := reader.Summary(); got != summary {
				t.Errorf("summary %+v, want %+v", got, summary)
			}
			sameRecords(t, path, collect(t, open(t, object, ReaderOptions{}).All()), want)
		})
	}
}
