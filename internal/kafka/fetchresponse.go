// One answer to a fetch.

package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// response is one answer of a broker, cut to the complete batches of one format. It holds
// either batches or old records; neither means that the log has nothing left from the
// position to next.
type response struct {
	first   int64 // offset that the first batch or record begins with
	next    int64 // position after it
	batches []byte
	old     []*kgo.Record // records of message formats before v2
	aborted []kmsg.FetchResponseTopicPartitionAbortedTransaction
}

// scanResponse walks over the headers of what a broker sent and finds where the next
// fetch has to begin, so that it can be sent before anything is decompressed.
// The checksums are compared later, before the position moves.
func scanResponse(topic string, position int64, p *kmsg.FetchResponseTopicPartition) (response, error) {
	r := response{first: -1, next: position, aborted: p.AbortedTransactions}
	data := p.RecordBatches
	whole := 0
	for {
		length, err := recordbatch.WholeBytes(data[whole:])
		if err != nil {
			return response{}, fmt.Errorf("behind offset %d: %w", r.next, err)
		}
		if length == 0 || recordbatch.IsOld(data[whole:]) != recordbatch.IsOld(data) {
			break
		}
		first, last, err := reach(data[whole : whole+length])
		if err != nil {
			return response{}, fmt.Errorf("behind offset %d: %w", r.next, err)
		}
		if whole == 0 {
			r.first = first
		}
		r.next = max(r.next, last+1)
		whole += length
	}
	switch {
	case whole == 0:
		return response{}, recordbatch.Corrupt("the first batch at or after offset %d does not fit into %d bytes",
			position, len(data))
	case recordbatch.IsOld(data):
		return convert(topic, position, r.next, p, data[:whole])
	}
	r.batches = data[:whole]
	return r, nil
}

// reach returns the first and the last offset of a complete batch, or twice the only one
// that an old message tells.
func reach(batch []byte) (first, last int64, err error) {
	if recordbatch.IsOld(batch) {
		offset := int64(binary.BigEndian.Uint64(batch))
		return offset, offset, nil
	}
	h, err := recordbatch.ParseHeader(batch)
	return h.Base, h.Last, err
}

// convert reads old messages with franz-go. That is slow, but right; there are
// fewer of them every day.
func convert(
	topic string, position, next int64, p *kmsg.FetchResponseTopicPartition, messages []byte,
) (response, error) {
	alone := *p
	alone.RecordBatches = messages
	options := kgo.ProcessFetchPartitionOpts{
		Offset:         position,
		Topic:          topic,
		Partition:      p.Partition,
		IsolationLevel: kgo.ReadCommitted(),
	}
	fetched, reached := kgo.ProcessFetchPartition(options, &alone, &bounded{DefaultLargestBatch}, nil)
	switch {
	case fetched.Err != nil:
		return response{}, errors.Join(recordbatch.ErrCorrupt, fetched.Err)
	case reached < next: // franz-go forgives damage after the first message
		return response{}, recordbatch.Corrupt("the messages can be read up to offset %d, not up to %d", reached, next)
	case len(fetched.Records) == 0:
		return response{}, recordbatch.Corrupt("messages without a record")
	}
	return response{first: fetched.Records[0].Offset, next: reached, old: fetched.Records}, nil
}

// bounded decompresses for franz-go. Its results stay valid.
type bounded struct{ most int64 }

func (b bounded) Decompress(in []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	d := recordbatch.Decompressor{Most: b.most}
	defer d.Close()
	return d.Decompress(recordbatch.Codec(codec), in)
}

// oldStretch returns all records of a response in an old format.
func (w *walker) oldStretch() bifrost.Batch {
	for _, r := range w.old {
		if r.Offset < w.position || r.Offset >= w.end {
			continue
		}
		record := baldr.Record{Offset: r.Offset, Timestamp: -1, Key: r.Key, Value: r.Value}
		switch r.Attrs.TimestampType() {
		case 0:
			record.Timestamp = r.Timestamp.UnixMilli()
		case 1:
			record.Timestamp, record.TimestampType = r.Timestamp.UnixMilli(), baldr.LogAppendTime
		}
		w.records = append(w.records, record)
	}
	w.old = nil
	return w.accountOffsets(w.next, 0)
}
