package readback_test

import (
	"errors"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// The first timestamp is that of the first range with records that have one: gaps, ranges without
// records and records without a time are passed over, and 1970 is a time.
func TestTheFirstTimestamp(t *testing.T) {
	t.Parallel()
	at := func(times ...int64) func(*bucket) {
		return func(b *bucket) {
			var records []baldr.Record
			for i, ms := range times {
				records = append(records, baldr.Record{Offset: b.end() + int64(i), Timestamp: ms})
			}
			b.archive(b.end()+5, baldr.Options{}, records...)
		}
	}
	other := func(state bifrost.State) func(*bucket) {
		return func(b *bucket) { b.put(b.row(b.end()+5, state)) }
	}
	lost, planned := other(bifrost.StateLost), other(bifrost.StatePlanned)
	for name, c := range map[string]struct {
		rows  []func(*bucket)
		want  int64
		found bool
	}{
		"nothing":               {},
		"a gap":                 {rows: []func(*bucket){lost, planned}},
		"no records":            {rows: []func(*bucket){at(), at()}},
		"no times":              {rows: []func(*bucket){at(-1, -1), at(-1)}},
		"behind a gap":          {rows: []func(*bucket){lost, lost, lost, at(30, 20)}, want: 20, found: true},
		"behind no records":     {rows: []func(*bucket){at(), at(7), at(3)}, want: 7, found: true},
		"behind no times":       {rows: []func(*bucket){at(-1), at(-1), planned, at(9)}, want: 9, found: true},
		"the beginning of 1970": {rows: []func(*bucket){at(0), at(5)}, want: 0, found: true},
	} {
		b := newBucket("orders", 0)
		for _, add := range c.rows {
			add(b)
		}
		ms, found, err := readback.FirstTimestamp(t.Context(), b.ledger, b.partition)
		if ms != c.want || found != c.found || err != nil {
			t.Errorf("%s: %d, %v, %v; want %d, %v", name, ms, found, err, c.want, c.found)
		}
	}
}

// Of an object that holds values alone no single record can be found: it has no offsets.
func TestARecordOfValuesAlone(t *testing.T) {
	t.Parallel()
	b := newBucket("orders", 0)
	b.archive(5, baldr.Options{ValuesOnly: true}, baldr.Record{Offset: 0, Value: []byte("a")},
		baldr.Record{Offset: 1, Value: []byte("b")})
	for offset := range int64(2) {
		if r, err := b.reader().Find(t.Context(), b.partition, offset); !errors.Is(err, baldr.ErrNoEnvelope) {
			t.Errorf("offset %d: %+v, %v", offset, r, err)
		}
	}
}
