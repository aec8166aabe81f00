// What a record is.

package baldr

import (
	"bytes"

	"github.com/bifrost-archive/bifrost/baldr/internal/deflate"
)

// TimestampType says who set a record's timestamp (Kafka's
// message.timestamp.type, KIP-32).
type TimestampType uint8

const (
	// CreateTime is the time the producer gave the record.
	CreateTime TimestampType = iota
	// LogAppendTime is the time the broker appended the record.
	LogAppendTime
)

// String returns the name Kafka gives the type.
func (t TimestampType) String() string {
	if t == LogAppendTime {
		return "LogAppendTime"
	}
	return "CreateTime"
}

// A Header is one header of a record (KIP-82). Keys may repeat and their order
// has a meaning, so a record has a slice of headers and not a map.
type Header struct {
	Key   []byte // never null in Kafka; nil and empty mean the same
	Value []byte // nil is null; empty and not nil is empty
}

// A Record is one Kafka record.
//
// A record read without its envelope, because the file has none or because the
// reader was asked for values only, has Offset and Timestamp -1, no key, no
// headers, and never a nil Value: a plain Baldr frame cannot tell null from empty.
type Record struct {
	Offset        int64 // in the partition; -1 when the file does not say
	Timestamp     int64 // milliseconds since the Unix epoch; -1 for none
	TimestampType TimestampType
	Key, Value    []byte // nil is null; empty and not nil is empty
	Headers       []Header

	// Matches, when ReaderOptions.Matches asks for them, say where the same bytes stand earlier
	// in the object, so that whoever compresses the value again need not search. They are
	// the references of the deflated data that overlap the value, in their order; some begin
	// before it or end behind it. Nil where they are not known; Clone leaves them out.
	// ValueAt is where the value begins then, in bytes from the first frame of its member.
	ValueAt int
	Matches *[]Match
}

// A Match is a reference of deflated data: Length bytes at At, counted like Record.ValueAt,
// are those that begin Distance bytes before (RFC 1951, 3.2.3). They may overlap. Between
// two values there are the 8 bytes of a frame's header.
type Match = deflate.Match

// Clone returns a copy of r that shares no memory with it. Use it to keep a
// record beyond the next call of the reader it came from.
func (r *Record) Clone() Record {
	c := *r
	c.ValueAt, c.Matches = 0, nil
	c.Key, c.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
	if r.Headers != nil {
		c.Headers = make([]Header, len(r.Headers))
		for i, h := range r.Headers {
			c.Headers[i] = Header{Key: bytes.Clone(h.Key), Value: bytes.Clone(h.Value)}
		}
	}
	return c
}

// valueOnly is the record as it reads without its envelope.
func (r *Record) valueOnly() Record {
	value := r.Value
	if value == nil {
		value = noBytes
	}
	return Record{Offset: -1, Timestamp: -1, Value: value}
}
