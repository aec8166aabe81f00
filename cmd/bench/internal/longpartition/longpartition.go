// Package longpartition plays an archived partition of more objects than fit on a machine:
// rows and objects are made when somebody asks for them, always the same, and each request
// takes a round trip.
package longpartition

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// What the partition consists of.
const (
	Topic       = "views"
	ofObject    = 100             // records
	memberBytes = 1 << 10         // so that an object has several members
	step        = 1000            // milliseconds from one record to the next
	disorder    = 2 * 3600 * 1000 // that a record is late at most, in milliseconds
	firstTime   = 1_600_000_000_000
)

// Partition is a catalogue with its objects.
type Partition struct {
	objects   int64
	roundTrip time.Duration
	greatest  []int64 // timestamp of a record of each object

	Reads    atomic.Int64 // of objects
	Requests atomic.Int64 // to the tables
}

// New plays a partition of so many objects.
func New(objects int64, roundTrip time.Duration) *Partition {
	p := &Partition{objects: objects, roundTrip: roundTrip, greatest: make([]int64, objects)}
	for n := range objects {
		for offset := n * ofObject; offset < (n+1)*ofObject; offset++ {
			p.greatest[n] = max(p.greatest[n], Timestamp(offset))
		}
	}
	return p
}

// End is the first offset behind the records.
func (p *Partition) End() int64 { return p.objects * ofObject }

// Timestamp is that of the record at an offset. Each tenth record is late, by up to two
// hours: most objects have records that are older than those of many before them.
func Timestamp(offset int64) int64 {
	late := int64(0)
	if mixed := mix(offset); mixed%10 == 0 {
		late = int64(mixed / 10 % disorder)
	}
	return firstTime + offset*step - late
}

// mix is a number that looks random (SplitMix64).
func mix(offset int64) uint64 {
	x := uint64(offset) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Since is the first offset whose timestamp is not below, found without an index; -1 for
// none.
func (p *Partition) Since(timestamp int64) int64 {
	for offset := max(0, (timestamp-firstTime)/step); offset < p.End(); offset++ { // none is early
		if Timestamp(offset) >= timestamp {
			return offset
		}
	}
	return -1
}

// ListProgress implements readback.Catalogue.
func (p *Partition) ListProgress(ctx context.Context) ([]bifrost.Progress, error) {
	row, err := p.Progress(ctx, bifrost.Partition{Name: Topic})
	return []bifrost.Progress{row}, err
}

// Progress implements readback.Catalogue.
func (p *Partition) Progress(context.Context, bifrost.Partition) (bifrost.Progress, error) {
	p.waitRoundTrip()
	return bifrost.Progress{Partition: bifrost.Partition{Name: Topic}, ClusterID: "bench", Generation: "1",
		Status: bifrost.StatusOpen, NextOffset: p.End(), PlannedOffset: p.End(), PlannedEpoch: -1}, nil
}

// Rows implements readback.Catalogue.
func (p *Partition) Rows(_ context.Context, _ bifrost.Partition, from int64, limit int) (rows []bifrost.Row, _ error) {
	p.waitRoundTrip()
	for n := (max(0, from) + ofObject - 1) / ofObject; n < p.objects && len(rows) < limit; n++ {
		rows = append(rows, p.row(n))
	}
	return rows, nil
}

// RowsBelow implements readback.Catalogue.
func (p *Partition) RowsBelow(
	_ context.Context, _ bifrost.Partition, below int64, limit int,
) (rows []bifrost.Row, _ error) {
	p.waitRoundTrip()
	for n := min(p.objects, (below+ofObject-1)/ofObject) - 1; n >= 0 && len(rows) < limit; n-- {
		rows = append(rows, p.row(n))
	}
	return rows, nil
}

func (p *Partition) waitRoundTrip() {
	p.Requests.Add(1)
	time.Sleep(p.roundTrip)
}

// row is that of an object.
func (p *Partition) row(n int64) bifrost.Row {
	row := bifrost.Row{
		Partition: bifrost.Partition{Name: Topic},
		Range:     bifrost.Range{Start: n * ofObject, End: (n + 1) * ofObject},
		State:     bifrost.StateArchived,
	}
	row.Facts = bifrost.Facts{
		Key: bifrost.ObjectKey("bench", row.Partition, row.Start, 0), Range: row.Range, Records: ofObject,
		FirstTimestamp: firstTime, LastTimestamp: p.greatest[n], LeaderEpoch: -1,
	}
	return row
}

// Open implements readback.Objects.
func (p *Partition) Open(_ context.Context, key string) (bifrost.Object, error) {
	parsed, err := bifrost.ParseKey(key)
	if err != nil {
		return nil, err
	}
	n := parsed.Start / ofObject
	var content bytes.Buffer
	w := baldr.NewWriter(&content, baldr.Options{MemberBytes: memberBytes})
	for offset := n * ofObject; offset < (n+1)*ofObject; offset++ {
		value := fmt.Appendf(nil, "the record at offset %d", offset)
		if err := w.WriteRecord(&baldr.Record{Offset: offset, Timestamp: Timestamp(offset), Value: value}); err != nil {
			return nil, err
		}
	}
	_, err = w.Close(baldr.Summary{
		ClusterID: "bench", Topic: Topic, Start: n * ofObject, End: (n + 1) * ofObject, LastLeaderEpoch: -1,
	})
	return &object{p, content.Bytes()}, err
}

// object is one of the objects, open.
type object struct {
	partition *Partition
	content   []byte
}

// ReadAt implements io.ReaderAt.
func (o *object) ReadAt(b []byte, at int64) (int, error) {
	o.partition.Reads.Add(1)
	time.Sleep(o.partition.roundTrip)
	return bytes.NewReader(o.content).ReadAt(b, at)
}

// Stored implements bifrost.Object.
func (o *object) Stored() bifrost.Stored { return bifrost.Stored{Size: int64(len(o.content))} }
