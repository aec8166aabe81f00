package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// message0 and message1 build messages as brokers before 0.10 and 0.11 wrote them.
func message0(offset int64, attributes int8, key, value []byte) []byte {
	m := kmsg.MessageV0{Offset: offset, Attributes: attributes, Key: key, Value: value}
	m.MessageSize = int32(len(m.AppendTo(nil)) - lengthBytes)
	return sealedOld(m.AppendTo(nil))
}

func message1(offset int64, attributes int8, timestamp int64, key, value []byte) []byte {
	m := kmsg.MessageV1{Offset: offset, Magic: 1, Attributes: attributes, Timestamp: timestamp, Key: key, Value: value}
	m.MessageSize = int32(len(m.AppendTo(nil)) - lengthBytes)
	return sealedOld(m.AppendTo(nil))
}

// sealedOld sets the checksum of a message.
func sealedOld(message []byte) []byte {
	binary.BigEndian.PutUint32(message[12:], crc32.ChecksumIEEE(message[16:]))
	return message
}

// oldMessages is a log in both old formats: offsets 3, 4, and 5 and 7 of a
// compressed set that compaction took 6 from.
func oldMessages() []byte {
	set := slices.Concat(message1(0, 0, 50, []byte("k"), []byte("five")), message1(2, 0, 70, nil, []byte("seven")))
	return slices.Concat(
		message0(3, 0, []byte("k"), []byte("three")),
		message0(4, 0, []byte{}, nil),
		message1(7, int8(kgo.CodecGzip), 70, nil, compressed(kgo.CodecGzip, false, set)),
	)
}

func TestOldFormats(t *testing.T) {
	t.Parallel()
	all := []baldr.Record{
		{Offset: 3, Timestamp: -1, Key: []byte("k"), Value: []byte("three")},
		{Offset: 4, Timestamp: -1, Key: []byte{}},
		{Offset: 5, Timestamp: 50, Key: []byte("k"), Value: []byte("five")},
		{Offset: 7, Timestamp: 70, Value: []byte("seven")},
	}
	for _, r := range []bifrost.Range{{Start: 3, End: 8}, {Start: 4, End: 7}, {Start: 6, End: 7}, {Start: 0, End: 8}} {
		answer, err := scanResponse("topic", r.Start, &kmsg.FetchResponseTopicPartition{RecordBatches: oldMessages()})
		if err != nil {
			t.Fatal(err)
		}
		got, err := walkAll(t, answer, r)
		if err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(slices.Clone(all), func(record baldr.Record) bool { return !r.Contains(record.Offset) })
		if difference := compare(got, want); difference != "" {
			t.Errorf("range %s: %s", r, difference)
		}
	}
}

// TestOldAndNewInOneResponse checks that a response is cut where the format
// changes, either way round.
func TestOldAndNewInOneResponse(t *testing.T) {
	t.Parallel()
	batch := testBatch{base: 8, records: []testRecord{{offset: 8, value: []byte("eight")}}}.encode()
	r, err := scanResponse("topic", 3, &kmsg.FetchResponseTopicPartition{RecordBatches: slices.Concat(oldMessages(), batch)})
	if err != nil || r.next != 8 || len(r.old) != 4 || r.batches != nil {
		t.Errorf("old first: up to %d, %d old records, %d bytes, error %v", r.next, len(r.old), len(r.batches), err)
	}
	r, err = scanResponse("topic", 8, &kmsg.FetchResponseTopicPartition{RecordBatches: slices.Concat(batch, message1(9, 0, 1, nil, nil))})
	if err != nil || r.next != 9 || r.old != nil || !bytes.Equal(r.batches, batch) {
		t.Errorf("new first: up to %d, %d old records, %d bytes, error %v", r.next, len(r.old), len(r.batches), err)
	}
}

// TestOldDamage checks that damage behind the first message, which franz-go
// passes over in silence, is not.
func TestOldDamage(t *testing.T) {
	t.Parallel()
	broken := slices.Concat(message1(3, 0, 1, nil, []byte("fine")), message1(4, int8(kgo.CodecGzip), 1, nil, []byte("not gzip")))
	if r, err := scanResponse("topic", 3, &kmsg.FetchResponseTopicPartition{RecordBatches: broken}); !errors.Is(err, recordbatch.ErrCorrupt) {
		t.Errorf("got records up to offset %d and error %v", r.next, err)
	}
}
