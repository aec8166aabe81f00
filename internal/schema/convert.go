// Decoded Avro as the values of columns.

package schema

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/twmb/avro"
)

// take makes the column's value of what was written with the shape. Fields are found by
// their names, and null where the writer had none. A type that is not the column's becomes
// it where Avro's resolution allows that and nothing of the value is lost. A record, an enum
// or a fixed of another name is none of the column's: it may be another event.
func (c *Column) take(s *avroShape, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	if s.kind == "union" {
		branch, inner, err := s.branchOf(v)
		if err != nil {
			return nil, err
		}
		return c.take(branch, inner)
	}
	if c.from != nil && !c.from.mayBe(s) {
		return nil, c.mismatch(s)
	}
	switch c.Kind {
	case KindStruct:
		if c.from == nil {
			return c.takeBranch(s, v)
		}
		return c.takeRecord(s, v)
	case KindList:
		return c.takeList(s, v)
	case KindMap:
		return c.takeMap(s, v)
	case KindJSON:
		if c.from.kind != s.kind && c.from.kind != "union" {
			return nil, c.mismatch(s)
		}
		text, err := s.appendJSON(nil, v)
		return string(text), err
	}
	return c.takeLeaf(s, v)
}

// mayBe reports whether data of a shape may be read as this one, as far as names say: Avro's
// resolution compares them without their namespaces, and takes aliases.
func (s *avroShape) mayBe(written *avroShape) bool {
	if s.name == "" || written.name == "" {
		return true
	}
	unqualified := func(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }
	same := func(name string) bool { return unqualified(name) == unqualified(written.name) }
	return same(s.name) || slices.ContainsFunc(s.aliases, same)
}

func (c *Column) mismatch(s *avroShape) error {
	if c.from == nil {
		return fmt.Errorf("no branch of the union takes %s", s)
	}
	return fmt.Errorf("%s does not become %s", s, c.from)
}

// String names a type for people.
func (s *avroShape) String() string {
	text := s.kind
	if s.name != "" {
		text += " " + s.name
	}
	if s.logical != "" {
		text += " (" + s.logical + ")"
	}
	return text
}

func (c *Column) takeRecord(s *avroShape, v any) (any, error) {
	record, ok := v.(map[string]any)
	if !ok || s.byName == nil {
		return nil, c.mismatch(s)
	}
	values := make([]any, len(c.Fields))
	for i, f := range c.Fields {
		for _, name := range f.names {
			written := s.byName[name]
			if written == nil {
				continue
			}
			var err error
			if values[i], err = f.take(written, record[name]); err != nil {
				return nil, fmt.Errorf("field %s: %w", name, err)
			}
			break
		}
	}
	return values, nil
}

// takeBranch puts a value into the branch of its own type, or else into the first that
// takes it.
func (c *Column) takeBranch(s *avroShape, v any) (any, error) {
	values := make([]any, len(c.Fields))
	var err error
	for i, f := range c.Fields {
		if f.from.kind == s.kind && f.from.name == s.name {
			values[i], err = f.take(s, v)
			return values, err
		}
	}
	for i, f := range c.Fields {
		if values[i], err = f.take(s, v); err == nil {
			return values, nil
		}
	}
	return nil, c.mismatch(s)
}

func (c *Column) takeList(s *avroShape, v any) (any, error) {
	written, ok := v.([]any)
	if !ok {
		return nil, c.mismatch(s)
	}
	values := make([]any, len(written))
	for i := range written {
		var err error
		if values[i], err = c.Items.take(s.items, written[i]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (c *Column) takeMap(s *avroShape, v any) (any, error) {
	written, ok := v.(map[string]any)
	if !ok || s.kind != "map" {
		return nil, c.mismatch(s)
	}
	entries := make([]Entry, 0, len(written))
	for _, key := range slices.Sorted(maps.Keys(written)) {
		value, err := c.Items.take(s.items, written[key])
		if err != nil {
			return nil, err
		}
		if !utf8.ValidString(key) {
			return nil, errNotUTF8
		}
		entries = append(entries, Entry{key, value})
	}
	return entries, nil
}

func (c *Column) takeLeaf(s *avroShape, v any) (any, error) {
	switch c.Kind {
	case KindBoolean:
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case KindFloat, KindDouble:
		return c.takeFloat(s, v)
	case KindBytes:
		switch v := v.(type) {
		case []byte:
			return v, nil
		case string:
			return []byte(v), nil
		}
	case KindText, KindSymbol:
		return c.takeText(s, v)
	case KindUUID:
		return c.takeUUID(s, v)
	case KindDecimal:
		return c.takeDecimal(s, v)
	default:
		return c.takeInteger(s, v)
	}
	return nil, c.mismatch(s)
}

func (c *Column) takeFloat(s *avroShape, v any) (any, error) {
	var wide float64
	switch v := v.(type) {
	case float32:
		wide = float64(v)
	case float64:
		if c.Kind == KindFloat {
			return nil, c.mismatch(s)
		}
		wide = v
	case int32, int64:
		whole, _ := integerOf(s, v)
		wide = float64(whole)
		if c.Kind == KindFloat {
			wide = float64(float32(whole))
		}
		if wide >= math.MaxInt64 || int64(wide) != whole {
			return nil, fmt.Errorf("%s has more digits than %s has", s, c.from)
		}
	default:
		return nil, c.mismatch(s)
	}
	if c.Kind == KindFloat {
		return float32(wide), nil
	}
	return wide, nil
}

func (c *Column) takeText(s *avroShape, v any) (any, error) {
	var text string
	switch v := v.(type) {
	case string:
		text = v
	case []byte:
		switch {
		case c.from.kind != "bytes" && c.from.kind != "fixed":
			text = string(v)
		case c.from.logical == "decimal":
			return c.from.decimalText(new(big.Rat).SetFrac(signed(v), powerOfTen(c.from.scale))), nil
		default:
			return nil, c.mismatch(s)
		}
	case *big.Rat:
		return s.decimalText(v), nil
	case [16]byte:
		return uuid(v), nil
	case avro.Duration:
		return v.String(), nil
	default:
		return nil, c.mismatch(s)
	}
	if !utf8.ValidString(text) {
		return nil, errNotUTF8
	}
	return text, nil
}

func (c *Column) takeUUID(s *avroShape, v any) (any, error) {
	switch v := v.(type) {
	case [16]byte:
		return v, nil
	case string:
		var id [16]byte
		digits := strings.ReplaceAll(v, "-", "")
		if len(digits) != 2*len(id) {
			return nil, errors.New("a string is no UUID")
		}
		if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
			return nil, errors.New("a string is no UUID")
		}
		return id, nil
	case []byte:
		if len(v) == len([16]byte{}) {
			return [16]byte(v), nil
		}
	}
	return nil, c.mismatch(s)
}

// powerOfTen is 10 to the power of n.
func powerOfTen(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// signed is the number that the digits of one of Avro's decimals are, in two's complement.
func signed(digits []byte) *big.Int {
	n := new(big.Int).SetBytes(digits)
	if len(digits) > 0 && digits[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(digits))))
	}
	return n
}

// takeDecimal returns the digits. Bytes without a logical type are digits already.
func (c *Column) takeDecimal(s *avroShape, v any) (any, error) {
	digits := new(big.Int)
	switch v := v.(type) {
	case *big.Rat:
		scaled := new(big.Rat).Mul(v, new(big.Rat).SetInt(powerOfTen(c.Scale)))
		if !scaled.IsInt() {
			return nil, fmt.Errorf("a decimal has more than %d digits behind the point", c.Scale)
		}
		digits.Set(scaled.Num())
	case []byte:
		digits = signed(v)
	default:
		return nil, c.mismatch(s)
	}
	if digits.BitLen() > 127 || len(new(big.Int).Abs(digits).String()) > c.Precision {
		return nil, fmt.Errorf("a decimal has more than %d digits", c.Precision)
	}
	return digits, nil
}

// integerOf returns the number that was written, whatever its logical type says of it.
func integerOf(s *avroShape, v any) (int64, bool) {
	switch v := v.(type) {
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case time.Duration:
		if s.logical == "time-millis" {
			return v.Milliseconds(), true
		}
		return v.Microseconds(), true
	case time.Time:
		switch {
		case s.logical == "date":
			return v.Unix() / secondsOfADay, true // midnight, so nothing is cut off
		case strings.HasSuffix(s.logical, "-millis"):
			return v.UnixMilli(), true
		case strings.HasSuffix(s.logical, "-micros"):
			return v.UnixMicro(), true
		}
		return v.UnixNano(), true
	}
	return 0, false
}

const secondsOfADay = 24 * 60 * 60

// Where the times of engines begin and end: the years 1 to 9999.
var (
	firstSecond = time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	endSecond   = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
)

// clocks are how often a second the integers of a kind count.
var clocks = map[ColumnKind]int64{
	KindTimeMillis: 1e3, KindTimeMicros: 1e6, KindMillis: 1e3, KindMicros: 1e6, KindNanos: 1e9,
	KindLocalMillis: 1e3, KindLocalMicros: 1e6, KindLocalNanos: 1e9,
}

// clockOf is how often a second the integers of a type count, 0 for those that do not.
func clockOf(s *avroShape) int64 { return clocks[leafKind(s)] }

func (c *Column) takeInteger(s *avroShape, v any) (any, error) {
	n, ok := integerOf(s, v)
	narrow := c.Kind == KindInt || c.Kind == KindDate || c.Kind == KindTimeMillis
	if !ok || narrow && s.kind != "int" || !c.sameMeaning(s) {
		return nil, c.mismatch(s)
	}
	if from, to := clockOf(s), clocks[c.Kind]; from != 0 && to != 0 && from != to {
		if from > to {
			return nil, c.mismatch(s)
		}
		if most := math.MaxInt64 / (to / from); n > most || n < -most {
			return nil, fmt.Errorf("a %s is too far away for %s", s, c.from)
		}
		n *= to / from
	}
	if err := c.checkTime(n); err != nil {
		return nil, err
	}
	if narrow {
		return int32(n), nil
	}
	return n, nil
}

// sameMeaning reports whether the numbers of a type count what the column's count. Those
// without a logical type count what the other side says.
func (c *Column) sameMeaning(s *avroShape) bool {
	group := func(k ColumnKind) string {
		switch k {
		case KindDate:
			return "dates"
		case KindTimeMillis, KindTimeMicros:
			return "times of a day"
		case KindInt, KindLong:
			return ""
		}
		return "times"
	}
	from, to := group(leafKind(s)), group(c.Kind)
	return from == to || from == "" || to == ""
}

// checkTime keeps out what engines fail on.
func (c *Column) checkTime(n int64) error {
	clock := clocks[c.Kind]
	switch c.Kind {
	case KindInt, KindLong, KindNanos, KindLocalNanos:
		return nil
	case KindTimeMillis, KindTimeMicros:
		if n < 0 || n >= secondsOfADay*clock {
			return fmt.Errorf("a %s is no time of a day", c.from)
		}
		return nil
	case KindDate:
		n, clock = n*secondsOfADay, 1
	}
	if n < firstSecond*clock || n >= endSecond*clock {
		return fmt.Errorf("a %s is not in the years 1 to 9999", c.from)
	}
	return nil
}
