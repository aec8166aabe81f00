// The bytes of an answer to a fetch.

package gateway

import (
	"encoding/binary"
	"net"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// inPlace is the size in bytes from which batches are sent from where they lie. kmsg would
// copy all of them into the answer, which takes as long as sending them.
const inPlace = 4 << 10

// fetchAnswer is an answer to a fetch while it is encoded: as kmsg does it, but in parts,
// with large batches as parts of their own. Tags are left out: they would send clients to
// other brokers, and none is ever set.
type fetchAnswer struct {
	version  int16
	flexible bool
	parts    net.Buffers
	last     []byte // the part that is written
}

// fetchParts encodes an answer to a fetch, behind what is there already.
func fetchParts(before []byte, r *kmsg.FetchResponse) net.Buffers {
	a := &fetchAnswer{version: r.Version, flexible: r.IsFlexible(), last: before}
	a.last = kbin.AppendInt32(a.last, r.ThrottleMillis)
	if a.version >= 7 {
		a.last = kbin.AppendInt16(a.last, r.ErrorCode)
		a.last = kbin.AppendInt32(a.last, r.SessionID)
	}
	a.appendLength(len(r.Topics))
	for i := range r.Topics {
		t := &r.Topics[i]
		switch {
		case a.version >= 13:
			a.last = append(a.last, t.TopicID[:]...)
		case a.flexible:
			a.last = kbin.AppendCompactString(a.last, t.Topic)
		default:
			a.last = kbin.AppendString(a.last, t.Topic)
		}
		a.appendLength(len(t.Partitions))
		for k := range t.Partitions {
			a.appendPartition(&t.Partitions[k])
		}
		a.appendNoTags()
	}
	a.appendNoTags()
	return append(a.parts, a.last)
}

func (a *fetchAnswer) appendPartition(p *kmsg.FetchResponseTopicPartition) {
	a.last = kbin.AppendInt32(a.last, p.Partition)
	a.last = kbin.AppendInt16(a.last, p.ErrorCode)
	a.last = kbin.AppendInt64(a.last, p.HighWatermark)
	a.last = kbin.AppendInt64(a.last, p.LastStableOffset)
	if a.version >= 5 {
		a.last = kbin.AppendInt64(a.last, p.LogStartOffset)
	}
	a.appendLength(len(p.AbortedTransactions))
	for _, t := range p.AbortedTransactions {
		a.last = kbin.AppendInt64(a.last, t.ProducerID)
		a.last = kbin.AppendInt64(a.last, t.FirstOffset)
		a.appendNoTags()
	}
	if a.version >= 11 {
		a.last = kbin.AppendInt32(a.last, p.PreferredReadReplica)
	}
	a.appendLength(len(p.RecordBatches))
	if len(p.RecordBatches) < inPlace {
		a.last = append(a.last, p.RecordBatches...)
	} else {
		a.parts = append(a.parts, a.last, p.RecordBatches)
		a.last = nil
	}
	a.appendNoTags()
}

// appendLength appends how many elements or bytes follow.
func (a *fetchAnswer) appendLength(n int) {
	if a.flexible {
		a.last = binary.AppendUvarint(a.last, uint64(n)+1)
	} else {
		a.last = kbin.AppendInt32(a.last, int32(n))
	}
}

func (a *fetchAnswer) appendNoTags() {
	if a.flexible {
		a.last = append(a.last, 0)
	}
}
