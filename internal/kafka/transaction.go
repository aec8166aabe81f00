// Which batches belong to aborted transactions.

package kafka

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// abortedTransactions tells, batch by batch in the order of the log, which ones
// belong to aborted transactions. A fetch response lists the aborted
// transactions of its stretch by producer and first offset; each lasts until
// that producer's abort marker (KIP-98).
type abortedTransactions struct {
	coming []kmsg.FetchResponseTopicPartitionAbortedTransaction // in order of their first offsets
	begun  map[int64]struct{}                                   // producers
}

func newAbortedTransactions(listed []kmsg.FetchResponseTopicPartitionAbortedTransaction) abortedTransactions {
	// Not every broker lists them in order.
	slices.SortFunc(listed, func(a, b kmsg.FetchResponseTopicPartitionAbortedTransaction) int {
		return cmp.Compare(a.FirstOffset, b.FirstOffset)
	})
	return abortedTransactions{coming: listed}
}

// holdBatch reports whether the records of a batch are void. It must see every batch
// of the response, in order, even those whose records nobody wants.
func (a *abortedTransactions) holdBatch(b recordbatch.Reader) (bool, error) {
	for len(a.coming) > 0 && a.coming[0].FirstOffset <= b.Last {
		if a.begun == nil {
			a.begun = make(map[int64]struct{})
		}
		a.begun[a.coming[0].ProducerID] = struct{}{}
		a.coming = a.coming[1:]
	}
	if len(a.begun) == 0 || !b.Transactional() {
		return false, nil
	}
	if !b.Control() {
		_, void := a.begun[b.ProducerID]
		return void, nil
	}
	ends, err := b.EndsTransaction()
	if ends {
		delete(a.begun, b.ProducerID)
	}
	return false, err
}
