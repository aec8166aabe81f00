package recordbatch

import (
	"bytes"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
)

// A sealed batch is the caller's: the batches that follow do not write into its memory,
// however much room there was for it.
func TestStoredBatchesKeepTheirMemory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		codec := Codec(rapid.IntRange(int(Uncompressed), int(Zstd)).Draw(t, "codec"))
		var w StoredWriter
		w.WriteInto(make([]byte, 0, rapid.IntRange(0, 5000).Draw(t, "room")))
		var sealed, copies [][]byte
		offset := int64(0)
		for range rapid.IntRange(1, 5).Draw(t, "batches") {
			var records []baldr.Record
			for range rapid.IntRange(1, 5).Draw(t, "records") {
				value := bytes.Repeat([]byte{byte(offset)}, rapid.IntRange(0, 1000).Draw(t, "size"))
				records = append(records, baldr.Record{Offset: offset, Timestamp: offset, Value: value})
				if !w.Add(&records[len(records)-1], codec) {
					t.Fatal("a batch takes no record")
				}
				offset++
			}
			batch := w.Seal()
			fetched := kmsg.NewFetchResponseTopicPartition()
			fetched.RecordBatches = batch
			options := kgo.ProcessFetchPartitionOpts{Offset: records[0].Offset}
			read, next := kgo.ProcessFetchPartition(options, &fetched, kgo.DefaultDecompressor(), nil)
			if read.Err != nil || len(read.Records) != len(records) || next != offset {
				t.Fatalf("%d records before offset %d, error %v; want %d before %d",
					len(read.Records), next, read.Err, len(records), offset)
			}
			for i, r := range read.Records {
				if r.Offset != records[i].Offset || !bytes.Equal(r.Value, records[i].Value) {
					t.Fatalf("offset %d has %x, want %x", r.Offset, r.Value, records[i].Value)
				}
			}
			sealed, copies = append(sealed, batch), append(copies, bytes.Clone(batch))
		}
		for i := range sealed {
			if !bytes.Equal(sealed[i], copies[i]) {
				t.Fatalf("batch %d was written over", i)
			}
		}
	})
}
