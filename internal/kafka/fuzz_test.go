package kafka

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// FuzzWalk reads whatever bytes as a response. With resealed checksums, so that
// damage gets past them. Nothing may panic; errors say corrupt; memory stays in
// proportion; and what is read without an error, franz-go reads the same.
func FuzzWalk(f *testing.F) {
	records := []testRecord{
		{offset: 3, timestamp: 5, key: []byte("key"), value: bytes.Repeat([]byte("value"), 100)},
		{offset: 4},
		{offset: 7, value: []byte{}, headers: []baldr.Header{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("a")}}},
	}
	for codec := range codecNames {
		b := testBatch{base: 2, last: 9, codec: codec, producer: -1, records: records}
		f.Add(b.encode(), int64(0), true)
		b.xerial, b.appendTime = true, 77
		f.Add(slices.Concat(b.encode(), testBatch{base: 10, producer: 1, transactional: true, control: true, records: []testRecord{marker(10, true)}}.encode()), int64(4), false)
	}
	f.Add(oldMessages(), int64(0), false)
	f.Fuzz(func(t *testing.T, data []byte, start int64, reseal bool) {
		if start < 0 || start > 1<<40 {
			return
		}
		if reseal {
			data = resealed(data)
		}
		p := &kmsg.FetchResponseTopicPartition{RecordBatches: data}
		answer, err := scanResponse("topic", start, p)
		if err != nil {
			if !errors.Is(err, recordbatch.ErrCorrupt) {
				t.Fatalf("scan the response: %v", err)
			}
			return
		}
		if answer.next <= start {
			return // batches from below the position, which fetch.go refuses
		}
		ours, err := walkAll(t, answer, bifrost.Range{Start: start, End: answer.next})
		if err != nil {
			if !errors.Is(err, recordbatch.ErrCorrupt) {
				t.Fatalf("walk: %v", err)
			}
			return
		}
		theirs, _ := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Offset: start, Topic: "topic"}, p, bounded{DefaultLargestBatch}, nil)
		if theirs.Err != nil || answer.old != nil {
			return // stricter than we are: checksums of lz4 frames, say
		}
		var want []baldr.Record
		for _, r := range theirs.Records {
			want = append(want, fromFranzGo(r))
		}
		for i := range ours {
			ours[i].Timestamp = time.Unix(0, ours[i].Timestamp*1e6).UnixMilli() // franz-go's times overflow in the year 2262
		}
		if difference := compare(ours, want); difference != "" {
			t.Fatal(difference)
		}
	})
}

// resealed sets the checksums of all batches.
func resealed(data []byte) []byte {
	data = bytes.Clone(data)
	for rest := data; len(rest) >= recordbatch.HeaderBytes; {
		length, err := recordbatch.WholeBytes(rest)
		if err != nil || length < recordbatch.HeaderBytes {
			break
		}
		sealed(rest[:length])
		rest = rest[length:]
	}
	return data
}

func walkAll(t *testing.T, answer response, r bifrost.Range) ([]baldr.Record, error) {
	w := newWalker(r, DefaultLargestBatch)
	defer w.decompressor.Close()
	w.loadResponse(answer)
	var records []baldr.Record
	for !w.isUsedUp() {
		before := w.position
		stretch, err := w.stepBatch()
		if grown := cap(w.records); grown > 2*maxStretch && answer.old == nil {
			t.Fatalf("room for %d records", grown)
		}
		if err != nil {
			return nil, err
		}
		checkStretch(t, before, r.End, stretch)
		for _, record := range stretch.Records {
			records = append(records, record.Clone())
		}
	}
	return records, nil
}
