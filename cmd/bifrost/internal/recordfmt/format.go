// Package recordfmt is what commands that print records share: which argument is a
// topic or a file, which keys are selected, what is decoded, how a record is written.
package recordfmt

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/schema"
)

// Record is a record with what became of its key and its value by --decode-key and
// --decode: where they were decoded, Key and Value hold the JSON.
type Record struct {
	readback.Located
	DecodedKey, DecodedValue schema.Decoded
	Encodings                Encodings // of key and value in JSON
}

// A Format writes one record to standard output.
type Format struct {
	Write      func(out *bufio.Writer, r *Record) error
	ValuesOnly bool // needs nothing but values
}

// Formats are the named ones; anything with a % in it is a pattern.
var Formats = map[string]Format{
	"value": {ended('\n'), true},
	"null":  {ended(0), true},
	"raw":   {writeRaw, true},
	"baldr": {writeFrame, true},
	"json":  {writeJSON, false},
}

// FormatHelp is the part of the help that lists the formats.
const FormatHelp = `Formats:
  value   the value and a newline (default)
  null    the value and a zero byte, for xargs -0; also -0
  raw     the values with nothing between them
  baldr   plain Baldr: each value behind its length in 8 bytes, big-endian
  json    one JSON object a line: topic, partition, offset, timestamp, key,
          headers, value; bytes that are not UTF-8 as {"base64": "..."},
          unless --value-encoding or --key-encoding says otherwise
  a text with % in it, as kcat has: %s value, %k key, %t topic, %p partition,
          %o offset, %T timestamp in milliseconds, %h headers, %S and %K size of
          value and key (-1 for null), %R size of the value in 4 bytes,
          big-endian, %% a percent sign; \n \r \t \0 \\ \xHH; and %n the name
          in the archive, which differs between the lives of a topic`

// ParseFormat finds a format by its name, or makes one of a pattern. On a terminal
// keys are shown as [visible] has them; values are data everywhere.
func ParseFormat(name string, terminal bool) (Format, error) {
	if name == "json" && terminal {
		return Format{Write: writeVisibleJSON}, nil
	}
	if f, ok := Formats[name]; ok {
		return f, nil
	}
	if !strings.Contains(name, "%") {
		return Format{}, usage.Errorf("--format %q: want value, null, raw, baldr, json, "+
			"or a pattern with %%s, %%k ... in it", name)
	}
	return parsePattern(name, terminal)
}

func ended(with byte) func(*bufio.Writer, *Record) error {
	return func(out *bufio.Writer, r *Record) error {
		if _, err := out.Write(r.Value); err != nil {
			return err
		}
		return out.WriteByte(with)
	}
}

func writeRaw(out *bufio.Writer, r *Record) error {
	_, err := out.Write(r.Value)
	return err
}

func writeFrame(out *bufio.Writer, r *Record) error {
	if _, err := out.Write(binary.BigEndian.AppendUint64(out.AvailableBuffer(), uint64(len(r.Value)))); err != nil {
		return err
	}
	return writeRaw(out, r)
}

// JSONRecord is a record as JSON. Its names are a promise; docs/cli.md has them.
type JSONRecord struct {
	Topic         string       `json:"topic"`
	Partition     int32        `json:"partition"`
	Offset        int64        `json:"offset"`
	Timestamp     *string      `json:"timestamp"`
	TimestampMS   int64        `json:"timestamp_ms"`
	TimestampType string       `json:"timestamp_type"`
	Key           any          `json:"key"`
	Headers       []jsonHeader `json:"headers"`
	Value         any          `json:"value"`

	// What --decode and --decode-key add.
	KeySchemaID   *int   `json:"key_schema_id,omitempty"`
	KeyError      string `json:"key_error,omitempty"`
	ValueSchemaID *int   `json:"value_schema_id,omitempty"`
	ValueError    string `json:"value_error,omitempty"`
}

type jsonHeader struct {
	Key   any `json:"key"`
	Value any `json:"value"`
}

// jsonBase64 is bytes that are not UTF-8.
type jsonBase64 struct {
	Base64 []byte `json:"base64"`
}

// jsonBytes is null, a string, or base64.
func jsonBytes(b []byte) any {
	switch {
	case b == nil:
		return nil
	case utf8.Valid(b):
		return string(b)
	}
	return jsonBase64{b}
}

// jsonValue is what was decoded, and otherwise the bytes.
func jsonValue(b []byte, decoded schema.Decoded, encoding string) any {
	if decoded.JSON != nil {
		return json.RawMessage(decoded.JSON)
	}
	return encodeBytes(b, encoding)
}

func schemaID(decoded schema.Decoded) *int {
	if !decoded.HasHeader {
		return nil
	}
	return &decoded.ID
}

// NewJSONRecord is a record as it is in JSON.
func NewJSONRecord(r *Record) JSONRecord {
	record := JSONRecord{
		Topic:         r.Partition.Topic(),
		Partition:     r.Partition.Number,
		Offset:        r.Offset,
		Timestamp:     human.Timestamp(human.Millis(r.Timestamp)),
		TimestampMS:   r.Timestamp,
		TimestampType: r.TimestampType.String(),
		Key:           jsonValue(r.Key, r.DecodedKey, r.Encodings.Key),
		Headers:       make([]jsonHeader, len(r.Headers)),
		Value:         jsonValue(r.Value, r.DecodedValue, r.Encodings.Value),
		KeySchemaID:   schemaID(r.DecodedKey),
		KeyError:      r.DecodedKey.Reason,
		ValueSchemaID: schemaID(r.DecodedValue),
		ValueError:    r.DecodedValue.Reason,
	}
	for i, h := range r.Headers {
		record.Headers[i] = jsonHeader{jsonBytes(nonNil(h.Key)), jsonBytes(h.Value)}
	}
	return record
}

// nonNil is for the key of a header, which is never null.
func nonNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

func writeJSON(out *bufio.Writer, r *Record) error {
	if err := r.Encodings.fits(r); err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(NewJSONRecord(r))
}

// writeVisibleJSON is writeJSON for a terminal.
func writeVisibleJSON(out *bufio.Writer, r *Record) error {
	var text bytes.Buffer
	line := bufio.NewWriter(&text)
	if err := errors.Join(writeJSON(line, r), line.Flush()); err != nil {
		return err
	}
	_, err := out.Write(human.VisibleJSON(text.Bytes()))
	return err
}

// A piece of a pattern appends its part of a record.
type piece func(to []byte, r *Record) []byte

func parsePattern(pattern string, terminal bool) (Format, error) {
	var pieces []piece
	known := conversions
	if terminal {
		known = maps.Clone(conversions)
		known['k'] = func(to []byte, r *Record) []byte { return append(to, human.Visible(string(r.Key))...) }
		known['h'] = appendVisibleHeaders
	}
	for rest := pattern; rest != ""; {
		p, n, err := parsePiece(rest, known)
		if err != nil {
			return Format{}, usage.Errorf("--format %q: %v", pattern, err)
		}
		pieces = append(pieces, p)
		rest = rest[n:]
	}
	write := func(out *bufio.Writer, r *Record) error {
		line := out.AvailableBuffer()
		for _, p := range pieces {
			line = p(line, r)
		}
		_, err := out.Write(line)
		return err
	}
	return Format{Write: write}, nil
}

// parsePiece reads one conversion, one escape or a stretch of text, and says how
// many bytes of the pattern it took.
func parsePiece(pattern string, known map[byte]piece) (piece, int, error) {
	switch {
	case pattern[0] == '%' && len(pattern) > 1:
		if p, ok := known[pattern[1]]; ok {
			return p, 2, nil
		}
		return nil, 0, fmt.Errorf("%%%c is not one of %%s %%k %%t %%n %%p %%o %%T %%h %%S %%K %%R %%%%", pattern[1])
	case pattern[0] == '\\' && len(pattern) > 1:
		b, n, err := parseEscape(pattern)
		return text(string([]byte{b})), n, err
	case pattern[0] == '%', pattern[0] == '\\':
		return nil, 0, fmt.Errorf("ends in a single %c", pattern[0])
	}
	n := strings.IndexAny(pattern, `%\`)
	if n < 0 {
		n = len(pattern)
	}
	return text(pattern[:n]), n, nil
}

func parseEscape(pattern string) (b byte, n int, err error) {
	if simple := strings.IndexByte(`nrt0\`, pattern[1]); simple >= 0 {
		return "\n\r\t\x00\\"[simple], 2, nil
	}
	if pattern[1] == 'x' && len(pattern) >= 4 {
		value, err := strconv.ParseUint(pattern[2:4], 16, 8)
		if err == nil {
			return byte(value), 4, nil
		}
	}
	return 0, 0, fmt.Errorf(`\%c is not one of \n \r \t \0 \\ \xHH`, pattern[1])
}

func text(s string) piece {
	return func(to []byte, _ *Record) []byte { return append(to, s...) }
}

var conversions = map[byte]piece{
	's': func(to []byte, r *Record) []byte { return append(to, r.Value...) },
	'k': func(to []byte, r *Record) []byte { return append(to, r.Key...) },
	't': func(to []byte, r *Record) []byte { return append(to, r.Partition.Topic()...) },
	'n': func(to []byte, r *Record) []byte { return append(to, r.Partition.Name...) },
	'p': func(to []byte, r *Record) []byte {
		return strconv.AppendInt(to, int64(r.Partition.Number), 10)
	},
	'o': func(to []byte, r *Record) []byte { return strconv.AppendInt(to, r.Offset, 10) },
	'T': func(to []byte, r *Record) []byte { return strconv.AppendInt(to, r.Timestamp, 10) },
	'S': func(to []byte, r *Record) []byte { return appendSize(to, r.Value) },
	'K': func(to []byte, r *Record) []byte { return appendSize(to, r.Key) },
	'R': func(to []byte, r *Record) []byte {
		return binary.BigEndian.AppendUint32(to, uint32(len(r.Value)))
	},
	'h': appendHeaders,
	'%': text("%"),
}

func appendSize(to, b []byte) []byte {
	if b == nil {
		return append(to, "-1"...)
	}
	return strconv.AppendInt(to, int64(len(b)), 10)
}

// appendVisibleHeaders writes the same, with keys as a person may be shown them.
func appendVisibleHeaders(to []byte, r *Record) []byte {
	shown := *r
	shown.Headers = slices.Clone(r.Headers)
	for i, h := range shown.Headers {
		shown.Headers[i].Key = []byte(human.Visible(string(h.Key)))
	}
	return appendHeaders(to, &shown)
}

// appendHeaders writes key=value,key=value; NULL for a null value, as kcat does.
func appendHeaders(to []byte, r *Record) []byte {
	for i, h := range r.Headers {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(append(to, h.Key...), '=')
		if h.Value == nil {
			to = append(to, "NULL"...)
		}
		to = append(to, h.Value...)
	}
	return to
}
