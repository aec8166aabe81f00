package kafka

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// maxStretch bounds the records that are handed over at once. A batch may hold
// far more of them than bytes would suggest; theirs is the only memory here that
// grows with a number instead of with bytes.
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
	batch   openBatch
	void    bool // the batch belongs to an aborted transaction

	records      []baldr.Record
	headers      []baldr.Header
	decompressor decompressor
}

func newWalker(r bifrost.Range, largest int64) walker {
	return walker{decompressor: decompressor{most: largest}, position: r.Start, end: r.End, next: r.Start, batch: openBatch{header: header{leaderEpoch: -1}}}
}

// load takes the next response. The one before must be used up.
func (w *walker) load(r response) {
	w.next, w.tail = min(r.next, w.end), len(r.batches) == 0 && len(r.old) == 0
	w.data, w.old, w.aborted = r.batches, r.old, newAbortedTransactions(r.aborted)
}

// used reports whether nothing is left of the response at hand.
func (w *walker) used() bool { return w.position >= w.next }

// step hands over the next stretch of the response at hand. All that it points
// to is valid until the next call.
func (w *walker) step() (bifrost.Batch, error) {
	w.records, w.headers = w.records[:0], w.headers[:0]
	switch {
	case w.batch.left > 0:
		return w.stretch()
	case len(w.old) > 0:
		return w.oldStretch(), nil
	case w.tail:
		return w.account(w.next, 0), nil
	}
	for len(w.data) > 0 {
		if err := w.open(); err != nil {
			return bifrost.Batch{}, err
		}
		if w.batch.last >= w.position {
			return w.stretch()
		}
		w.batch.left = 0 // all of it lies before the position
	}
	return bifrost.Batch{}, corrupt("the batches end at offset %d, not at %d", w.position, w.next)
}

// open opens the next batch.
func (w *walker) open() error {
	length, err := wholeBytes(w.data)
	if err == nil && length == 0 {
		err = corrupt("cut")
	}
	if err != nil {
		return fmt.Errorf("batch at or after offset %d: %w", w.position, err)
	}
	batch := w.data[:length]
	w.data = w.data[length:]
	h, err := parseHeader(batch)
	if err != nil {
		return fmt.Errorf("batch at or after offset %d: %w", w.position, err)
	}
	if err := w.fill(h, batch); err != nil {
		return h.wrap(err)
	}
	return nil
}

func (w *walker) fill(h header, batch []byte) error {
	if err := checksum(batch); err != nil {
		return err
	}
	var records []byte
	if h.records > 0 { // otherwise compaction has emptied the batch, and there may be no frame to decompress
		var err error
		codec := kgo.CompressionCodecType(h.attributes & codecBits)
		if records, err = w.decompressor.decompress(codec, batch[headerBytes:]); err != nil {
			return err
		}
	}
	w.batch = newOpenBatch(h, records)
	var err error
	w.void, err = w.aborted.hold(w.batch)
	return err
}

// stretch reads records of the open batch until it ends, the range ends, or
// there are enough of them.
func (w *walker) stretch() (bifrost.Batch, error) {
	passed := int64(0)
	for w.batch.left > 0 && len(w.records) < maxStretch {
		r := w.slot()
		if err := w.batch.read(r, &w.headers); err != nil {
			return bifrost.Batch{}, w.batch.wrap(err)
		}
		switch {
		case r.Offset < w.position:
		case r.Offset >= w.end:
			return w.account(w.end, passed), nil
		case w.void || w.batch.control():
			passed++
		default:
			w.records = w.records[:len(w.records)+1]
		}
	}
	if w.batch.left > 0 {
		return w.account(w.batch.previous+1, passed), nil
	}
	if behind := len(w.batch.data) - w.batch.at; behind > 0 {
		return bifrost.Batch{}, w.batch.wrap(corrupt("%d bytes behind the last record", behind))
	}
	return w.account(min(w.batch.last+1, w.end), passed), nil
}

// slot returns the place behind the records so far.
func (w *walker) slot() *baldr.Record {
	if len(w.records) == cap(w.records) {
		w.records = append(w.records, baldr.Record{})[:len(w.records)]
	}
	return &w.records[:len(w.records)+1][len(w.records)]
}

// account moves the position. What is neither a record at hand nor one passed
// over was compacted away.
func (w *walker) account(to, passed int64) bifrost.Batch {
	stretch := bifrost.Batch{Records: w.records, Position: to, LeaderEpoch: w.batch.leaderEpoch}
	stretch.Missing.Compacted = to - w.position - int64(len(w.records)) - passed
	if w.void {
		stretch.Missing.Aborted = passed
	} else {
		stretch.Missing.Control = passed
	}
	w.position = to
	return stretch
}
