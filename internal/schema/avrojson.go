// Decoded Avro as JSON.

package schema

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/avro"
)

// appendJSON writes what was decoded: the fields of a record in the order of the
// schema, the value of a union without a word about the branch, bytes in base64,
// decimals as text with all their digits, times as ISO 8601 has them.
func (s *avroShape) appendJSON(to []byte, value any) ([]byte, error) {
	switch s.kind {
	case "record", "error":
		return s.appendRecord(to, value)
	case "union":
		return s.appendUnion(to, value)
	case "array":
		return s.appendArray(to, value)
	case "map":
		return s.appendMap(to, value)
	}
	return s.appendLeaf(to, value)
}

func (s *avroShape) appendRecord(to []byte, value any) ([]byte, error) {
	record, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a record came as %T", value)
	}
	var err error
	to = append(to, '{')
	for i, f := range s.fields {
		if i > 0 {
			to = append(to, ',')
		}
		if to, err = appendText(to, f.name); err != nil {
			return nil, err
		}
		if to, err = f.shape.appendJSON(append(to, ':'), record[f.name]); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.name, err)
		}
	}
	return append(to, '}'), nil
}

func (s *avroShape) appendUnion(to []byte, value any) ([]byte, error) {
	if value == nil {
		return append(to, "null"...), nil
	}
	branch, inner, err := s.branchOf(value)
	if err != nil {
		return nil, err
	}
	return branch.appendJSON(to, inner)
}

// branchOf takes the value of a union apart.
func (s *avroShape) branchOf(value any) (branch *avroShape, inner any, err error) {
	tagged, ok := value.(map[string]any)
	if ok && len(tagged) == 1 {
		for name, inner := range tagged {
			if branch := s.branches[name]; branch != nil {
				return branch, inner, nil
			}
		}
	}
	return nil, nil, fmt.Errorf("a union came as %T", value)
}

func (s *avroShape) appendArray(to []byte, value any) ([]byte, error) {
	array, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("an array came as %T", value)
	}
	var err error
	to = append(to, '[')
	for i, item := range array {
		if i > 0 {
			to = append(to, ',')
		}
		if to, err = s.items.appendJSON(to, item); err != nil {
			return nil, err
		}
	}
	return append(to, ']'), nil
}

func (s *avroShape) appendMap(to []byte, value any) ([]byte, error) {
	entries, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a map came as %T", value)
	}
	var err error
	to = append(to, '{')
	for i, key := range slices.Sorted(maps.Keys(entries)) {
		if i > 0 {
			to = append(to, ',')
		}
		if to, err = appendText(to, key); err != nil {
			return nil, err
		}
		if to, err = s.items.appendJSON(append(to, ':'), entries[key]); err != nil {
			return nil, err
		}
	}
	return append(to, '}'), nil
}

// appendLeaf goes by what the library made of the data: a logical type that it does
// not know, or that does not fit the type below it, comes as that type.
func (s *avroShape) appendLeaf(to []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(to, "null"...), nil
	case bool:
		return strconv.AppendBool(to, v), nil
	case int32:
		return strconv.AppendInt(to, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(to, v, 10), nil
	case float32:
		return appendFloat(to, float64(v), 32), nil
	case float64:
		return appendFloat(to, v, 64), nil
	case string:
		return appendText(to, v)
	case []byte:
		return appendBase64(to, v), nil
	case *big.Rat:
		return appendQuoted(to, s.decimalText(v)), nil
	case time.Time:
		return appendQuoted(to, s.time(v)), nil
	case time.Duration:
		return appendQuoted(to, s.timeOfDay(v)), nil
	case [16]byte:
		return appendQuoted(to, uuid(v)), nil
	case avro.Duration:
		return appendQuoted(to, v.String()), nil
	}
	return nil, fmt.Errorf("%s came as %T", s.kind, value)
}

// decimalText has the digits of the schema's scale; of a big-decimal, whose values have
// each their own, those that are needed.
func (s *avroShape) decimalText(v *big.Rat) string {
	digits := s.scale
	if s.logical == "big-decimal" {
		digits, _ = v.FloatPrec()
	}
	return v.FloatString(digits)
}

// time writes as many digits of a second as the logical type has.
func (s *avroShape) time(t time.Time) string {
	if s.logical == "date" {
		return t.Format("2006-01-02")
	}
	layout := "2006-01-02T15:04:05" + fraction(s.logical)
	if !strings.HasPrefix(s.logical, "local-") {
		layout += "Z"
	}
	return t.UTC().Format(layout)
}

func (s *avroShape) timeOfDay(d time.Duration) string {
	if d < 0 || d >= 24*time.Hour {
		return d.String() // no time of a day; Avro does not forbid it
	}
	return time.Time{}.Add(d).Format("15:04:05" + fraction(s.logical))
}

func fraction(logical string) string {
	switch {
	case strings.HasSuffix(logical, "-millis"):
		return ".000"
	case strings.HasSuffix(logical, "-micros"):
		return ".000000"
	}
	return ".000000000"
}

func uuid(b [16]byte) string {
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// appendFloat writes a number, and as text what JSON has no number for.
func appendFloat(to []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(to, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(to, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(to, `"-Infinity"`...)
	}
	return strconv.AppendFloat(to, f, 'g', -1, bits)
}

func appendBase64(to, b []byte) []byte {
	to = append(to, '"')
	return append(base64.StdEncoding.AppendEncode(to, b), '"')
}

// appendQuoted writes text that needs no escape.
func appendQuoted(to []byte, text string) []byte {
	return append(append(append(to, '"'), text...), '"')
}

var errNotUTF8 = errors.New("a string is not UTF-8")

// appendText writes a string. One that is not UTF-8 could only be written as
// something else.
func appendText(to []byte, text string) ([]byte, error) {
	if !utf8.ValidString(text) {
		return nil, errNotUTF8
	}
	special := func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r == 0x7f || r >= utf8.RuneSelf }
	if strings.IndexFunc(text, special) < 0 {
		return appendQuoted(to, text), nil
	}
	quoted, err := marshal(text)
	return append(to, quoted...), err
}

// marshal writes JSON as encoding/json does, but < > & as they are.
func marshal(value any) ([]byte, error) {
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return []byte(strings.TrimSuffix(text.String(), "\n")), err
}
