package restore

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// TestReportCountsWhatIsThere: records that the target has deleted since are not there;
// each branch of each partition is counted once.
func TestReportCountsWhatIsThere(t *testing.T) {
	t.Parallel()
	source := func(number int32, fork string) bifrost.Progress {
		return bifrost.Progress{Partition: bifrost.Partition{Name: "orders" + fork, Number: number}}
	}
	topic := Topic{Topic: capture.Topic{Name: "orders", Partitions: [][]int32{{1, 2, 3}, {2, 3, 1}}}, Partitions: []Partition{
		{Number: 0, Held: bifrost.Range{Start: 10, End: 90}, branches: []branch{{source(0, ""), bifrost.Range{Start: 10, End: 50}}, {source(0, "@x.1"), bifrost.Range{Start: 50, End: 80}}}},
		{Number: 1, Held: bifrost.Range{Start: 5, End: 5}},
	}}
	plan := &Plan{parts: map[partKey]*replay.PartOutlook{
		{bifrost.Partition{Name: "orders", Number: 0}, "orders"}:      {Position: replay.Position{Records: 30, Bytes: 300}, Gone: 7},
		{bifrost.Partition{Name: "orders@x.1", Number: 0}, "orders"}:  {Position: replay.Position{Records: 20, Bytes: 210}, Gone: 2},
		{bifrost.Partition{Name: "orders", Number: 0}, "orders-copy"}: {Position: replay.Position{Records: 1000, Bytes: 1000}},
	}}
	of := (&Restorer{}).topicReport(plan, topic)
	if of.Records != 41 || of.Deleted != 9 || of.Bytes != 510 || of.Replicas != 3 || of.Partitions != 2 {
		t.Errorf("%+v", of)
	}
	first, second := of.Ranges[0], of.Ranges[1]
	if got := fmt.Sprint(first.Start, first.End, first.Restored, first.Branches, second.Start, second.End, second.Restored, second.Branches); got != "10 90 80 [orders orders@x.1] 5 5 5 []" {
		t.Errorf("%s", got)
	}
}

// TestGapsOfOneReasonAreOne: neighbours are one if nothing lies between them and the
// reason is the same.
func TestGapsOfOneReasonAreOne(t *testing.T) {
	t.Parallel()
	var p Partition
	for _, g := range []struct {
		start, end int64
		reason     string
	}{{0, 10, "a"}, {10, 20, "a"}, {20, 20, "a"}, {20, 30, "b"}, {31, 40, "b"}, {40, 50, "b"}, {50, 60, "a"}} {
		p.miss(bifrost.Range{Start: g.start, End: g.end}, g.reason)
	}
	got := ""
	for _, g := range p.Missing {
		got += g.Range.String() + g.Reason + " "
	}
	if want := "[0, 20)a [20, 30)b [31, 50)b [50, 60)a "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestWhatAGroupHadReadBeyond: behind the cut records are counted as far as the archive
// goes, up to its last offset; behind that only offsets are known.
func TestWhatAGroupHadReadBeyond(t *testing.T) {
	t.Parallel()
	archived, store := catalogue{rows: map[bifrost.Partition][]bifrost.Row{}}, bifrosttest.NewStore()
	p := archived.life("t", lifeA, 0, 200)
	var object bytes.Buffer
	w := baldr.NewWriter(&object, baldr.Options{})
	for offset := int64(0); offset < 200; offset += 10 {
		if err := w.WriteRecord(&baldr.Record{Offset: offset, Timestamp: 1, Value: []byte("v")}); err != nil {
			t.Fatal(err)
		}
	}
	summary, err := w.Close(baldr.Summary{ClusterID: "c", Topic: "t", TopicID: lifeA, Start: 0, End: 200, Missing: baldr.Missing{Compacted: 180}, LastLeaderEpoch: -1})
	if err != nil {
		t.Fatal(err)
	}
	key := bifrost.ObjectKey("g", p, 0, 0)
	store.Put(key, object.Bytes())
	archived.rows[p] = []bifrost.Row{{Partition: p, TopicID: lifeA, Range: bifrost.Range{Start: 0, End: 200}, State: bifrost.StateArchived,
		Facts: bifrost.Facts{Key: key, Range: bifrost.Range{Start: 0, End: 200}, Records: summary.Records, FirstTimestamp: 1, LastTimestamp: 1, Checksum: bifrosttest.Checksum(object.Bytes())}}}
	r := &Restorer{Archive: &readback.Reader{Catalogue: archived, Objects: store}}
	of := Partition{branches: []branch{{archived.progress[0], bifrost.Range{Start: 0, End: 100}}}}
	for offset, want := range map[int64]string{
		0: "", 100: "", 101: "[100, 101), 1 records,", 150: "[100, 150), 5 records,", 200: "[100, 200), 10 records,", 201: "[100, 201), 101 offsets,",
	} {
		got, err := r.beyond(t.Context(), of, offset)
		if err != nil || !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("read up to %d: %q, %v; want %q", offset, got, err, want)
		}
	}
}
