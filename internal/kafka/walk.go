// How every offset of a range is accounted for.

package kafka

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// maxStretch limits the records that are returned at a time. A batch may hold far more of
// them than bytes would suggest; theirs is the only memory here that grows with a number
// instead of with bytes.
const maxStretch = 1024

// walker turns the batches of fetch responses into stretches of the log and
// accounts for every offset on the way. It knows no network, and once warm it
// allocates nothing.
type walker struct {
	position int64 // all below is accounted for
	end      int64

	next    int64         // where the response at hand ends
	tail    bool          // it has no batches because there are none left up to there
	data    []byte        // its batches not opened yet, all of them whole
	old     []*kgo.Record // or its records, in a message format before v2
	aborted abortedTransactions
	batch   recordbatch.Reader
	void    bool // the batch belongs to an aborted transaction

	records      []baldr.Record
	headers      []baldr.Header
	decompressor recordbatch.Decompressor
}

func newWalker(r bifrost.Range, largest int64) walker {
	return walker{
		decompressor: recordbatch.Decompressor{Most: largest},
		position:     r.Start,
		end:          r.End,
		next:         r.Start,
		batch:        recordbatch.Reader{Header: recordbatch.Header{LeaderEpoch: -1}},
	}
}

// loadResponse takes the next response. The one before must be used up.
func (w *walker) loadResponse(r response) {
	w.next, w.tail = min(r.next, w.end), len(r.batches) == 0 && len(r.old) == 0
	w.data, w.old, w.aborted = r.batches, r.old, newAbortedTransactions(r.aborted)
}

// isUsedUp reports whether nothing is left of the response at hand.
func (w *walker) isUsedUp() bool { return w.position >= w.next }

// stepBatch returns the next stretch of the current response. All that it points to is valid
// until the next call.
func (w *walker) stepBatch() (bifrost.Batch, error) {
	w.records, w.headers = w.records[:0], w.headers[:0]
	switch {
	case w.batch.Left() > 0:
		return w.nextStretch()
	case len(w.old) > 0:
		return w.oldStretch(), nil
	case w.tail:
		return w.accountOffsets(w.next, 0), nil
	}
	for len(w.data) > 0 {
		if err := w.openBatch(); err != nil {
			return bifrost.Batch{}, err
		}
		if w.batch.Last >= w.position {
			return w.nextStretch()
		}
		w.batch.Skip() // all of it lies before the position
	}
	return bifrost.Batch{}, recordbatch.Corrupt("the batches end at offset %d, not at %d", w.position, w.next)
}

// openBatch opens the next batch.
func (w *walker) openBatch() error {
	length, err := recordbatch.WholeBytes(w.data)
	if err == nil && length == 0 {
		err = recordbatch.Corrupt("cut")
	}
	if err != nil {
		return fmt.Errorf("batch at or after offset %d: %w", w.position, err)
	}
	batch := w.data[:length]
	w.data = w.data[length:]
	h, err := recordbatch.ParseHeader(batch)
	if err != nil {
		return fmt.Errorf("batch at or after offset %d: %w", w.position, err)
	}
	if err := w.fillRecords(h, batch); err != nil {
		return h.Wrap(err)
	}
	return nil
}

func (w *walker) fillRecords(h recordbatch.Header, batch []byte) error {
	if err := recordbatch.VerifyChecksum(batch); err != nil {
		return err
	}
	var records []byte
	if h.Records > 0 { // otherwise compaction has emptied the batch, and there may be no frame to decompress
		var err error
		if records, err = w.decompressor.Decompress(h.Codec(), batch[recordbatch.HeaderBytes:]); err != nil {
			return err
		}
	}
	w.batch = recordbatch.NewReader(h, records)
	var err error
	w.void, err = w.aborted.holdBatch(w.batch)
	return err
}

// nextStretch reads records of the open batch until it ends, the range ends, or
// there are enough of them.
func (w *walker) nextStretch() (bifrost.Batch, error) {
	passed := int64(0)
	for w.batch.Left() > 0 && len(w.records) < maxStretch {
		r := w.nextSlot()
		if err := w.batch.Read(r, &w.headers); err != nil {
			return bifrost.Batch{}, w.batch.Wrap(err)
		}
		switch {
		case r.Offset < w.position:
		case r.Offset >= w.end:
			return w.accountOffsets(w.end, passed), nil
		case w.void || w.batch.Control():
			passed++
		default:
			w.records = w.records[:len(w.records)+1]
		}
	}
	if w.batch.Left() > 0 {
		return w.accountOffsets(w.batch.Previous()+1, passed), nil
	}
	if err := w.batch.End(); err != nil {
		return bifrost.Batch{}, w.batch.Wrap(err)
	}
	return w.accountOffsets(min(w.batch.Last+1, w.end), passed), nil
}

// nextSlot returns the place after the records so far.
func (w *walker) nextSlot() *baldr.Record {
	if len(w.records) == cap(w.records) {
		w.records = append(w.records, baldr.Record{})[:len(w.records)]
	}
	return &w.records[:len(w.records)+1][len(w.records)]
}

// accountOffsets moves the position. What is neither a record at hand nor one passed
// over was compacted away.
func (w *walker) accountOffsets(to, passed int64) bifrost.Batch {
	stretch := bifrost.Batch{Records: w.records, Position: to, LeaderEpoch: w.batch.LeaderEpoch}
	stretch.Missing.Compacted = to - w.position - int64(len(w.records)) - passed
	if w.void {
		stretch.Missing.Aborted = passed
	} else {
		stretch.Missing.Control = passed
	}
	w.position = to
	return stretch
}
