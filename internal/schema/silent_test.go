package schema

import (
	"fmt"
	"strings"
	"testing"
)

// TestDataThatDecodedSilentlyWrong: values that came out as something else without a word,
// ended the program, or had a reason that was none.
func TestDataThatDecodedSilentlyWrong(t *testing.T) {
	t.Parallel()
	const (
		nested = `syntax = "proto3"; message Outer { map<string,string> m = 1; ` +
			`message Created { string order = 1; } message Cancelled { string %s = %d; } }`
		variant = `syntax = "proto3"; import "confluent/type/variant.proto"; message A { confluent.type.Variant m = 1; }`
		legacy  = `syntax = "proto3"; import "confluent/types/decimal.proto"; message A { confluent.type.Decimal m = 1; }`
		decimal = `{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}`
	)
	for _, c := range []struct {
		kind   Type
		schema string
		data   string
		want   string // JSON, or the reason
	}{
		// The validator makes whole numbers of exponents, or does not check whether it could.
		{JSON, `{"properties":{"n":{"minimum":0}}}`, `{"n":1e1000001}`, "exponent"},
		{JSON, `{"items":{"multipleOf":3}}`, `[1,-1E-1001]`, "exponent"},
		{JSON, `{"items":{"type":"integer"}}`, `[[{"a":1e99999999999999999999}]]`, "exponent"},
		{JSON, `{"items":{"type":"integer"}}`, `[1e1000]`, `[1e1000]`},
		{JSON, `{"type":"object"}`, "{\"a\":\"\xff\xfe\"}", "not UTF-8"},
		{JSON, `{"type":"object"}`, "{\"\xc3\":1}", "not UTF-8"},
		{JSON, `{"properties":{"at":{"format":"date-time"}}}`, `{"at":"2026-01-31T12:00:00"}`, `{"at":"2026-01-31T12:00:00"}`},
		{JSON, `{"properties":{"id":{"format":"uuid"}}}`, `{"id":"x"}`, `{"id":"x"}`},
		{JSON, `{"properties":{"s":{"pattern":"^(?!x).*$"}}}`, `{"s":"x"}`, `{"s":"x"}`},
		{JSON, `{"properties":{"s":{"pattern":"^y$"}}}`, `{"s":"x"}`, "does not match pattern"},
		// Serializers write bytes as they are, whatever they stand for.
		{Avro, decimal, "\x02\x39", `"5.69"`},
		{Avro, decimal, "\xff", `"-0.01"`},
		{Avro, decimal, "", `"0.00"`},
		{Avro, `{"type":"bytes","logicalType":"mine"}`, "\x02\x39", `"Ajk="`},
		{Avro, `"bytes"`, "\x02\x39", `"Ajk="`},
		{Avro, recordOf(`{"name":"a","type":"string","aliases":["a"]}`), "\x02x", `{"a":"x"}`},
		{Avro, recordOf(`{"name":"new","type":"string","aliases":["old"]}`, `{"name":"old","type":"long"}`), "\x02x\x05", `{"new":"x","old":-3}`},
		{Avro, `{"type":"array","items":` + recordOf(`{"name":"a","type":"string","aliases":["a"]}`) + `}`, "\x02\x02x\x00", `[{"a":"x"}]`},
		{Avro, recordOf(`{"name":"a","type":"nothing","aliases":["a"]}`), "\x02x", "cannot be used"},
		// Python counts the entries of maps as messages: {1} of {0, 1} is its first one.
		{Protobuf, fmt.Sprintf(nested, "reason", 1), "\x04\x00\x02\x0a\x01x", "may be a Outer.Cancelled or a Outer.Created"},
		{Protobuf, fmt.Sprintf(nested, "order", 1), "\x04\x00\x02\x0a\x01x", `{"order":"x"}`},
		{Protobuf, fmt.Sprintf(nested, "reason", 2), "\x04\x00\x02\x0a\x01x", `{"order":"x"}`},
		{Protobuf, fmt.Sprintf(nested, "reason", 2), "\x04\x00\x02\x12\x01x", `{"reason":"x"}`},
		{Protobuf, variant, "\x00\x0a\x03\x12\x01x", `{"m":{"value":"eA=="}}`},
		{Protobuf, legacy, "\x00\x0a\x02\x18\x04", `{"m":{"scale":4}}`},
	} {
		l := NewLog()
		addVersion(l, "s", 1, 1, c.kind, c.schema, "")
		d := decodeOne(t, l, headed(1, []byte(c.data)...))
		if string(d.JSON) != c.want && (len(d.JSON) > 0 || !strings.Contains(d.Reason, c.want)) || strings.Contains(d.Reason, "\n") {
			t.Errorf("%s of %s: %q, %q; want %q", c.kind, c.schema, d.JSON, d.Reason, c.want)
		}
	}
}

// TestAnotherTypeIsNoneOfTheColumns: a record, an enum or a fixed of another name is not read
// as if it were the column's, even if its fields fit.
func TestAnotherTypeIsNoneOfTheColumns(t *testing.T) {
	t.Parallel()
	named := func(name, more string) string {
		return fmt.Sprintf(`{"type":"record","name":%q%s,"fields":[{"name":"id","type":"long"}]}`, name, more)
	}
	enum := func(name string) string {
		return fmt.Sprintf(`{"type":"enum","name":%q,"symbols":["A"]}`, name)
	}
	fixed := func(name string) string { return fmt.Sprintf(`{"type":"fixed","name":%q,"size":1}`, name) }
	union := func(branches ...string) string { return `["null",` + strings.Join(branches, ",") + `]` }
	empty := `{"type":"record","name":"Empty","fields":[]}`
	for _, c := range []struct {
		writer, data, newest string
		want                 string // JSON, or the reason
	}{
		{named("shop.Payment", ""), "\x0e", named("shop.Order", ""), "record shop.Payment does not become record shop.Order"},
		{named("old.Order", ""), "\x0e", named("new.Order", ""), `[[7]]`},
		{named("Was", ""), "\x0e", named("Order", `,"aliases":["Was"]`), `[[7]]`},
		{named("old.Was", ""), "\x0e", named("Order", `,"aliases":["other.Was"]`), `[[7]]`},
		{union(named("Created", ""), named("Paid", ""), named("Cancelled", "")), "\x06\x0e", union(named("Created", ""), named("Paid", "")), "no branch of the union takes record Cancelled"},
		{union(named("Created", ""), named("Paid", "")), "\x04\x0e", union(named("Created", ""), named("Paid", "")), `[[null,[7]]]`},
		{union(named("A", "")), "\x02\x0e", union(named("B", "")), "record A does not become record B"},
		{union(`"long"`, empty), "\x02\x0e", union(empty, `"string"`), "no branch of the union takes long"},
		{enum("E"), "\x00", enum("F"), "enum E does not become enum F"},
		{enum("a.E"), "\x00", enum("b.E"), `["A"]`},
		{fixed("X"), "!", fixed("Y"), "fixed X does not become fixed Y"},
		{`"bytes"`, "\x0409", `{"type":"bytes","logicalType":"decimal","precision":40,"scale":2}`, `["123.45"]`},
		{`"bytes"`, "\x02\xff", `{"type":"bytes","logicalType":"decimal","precision":40,"scale":2}`, `["-0.01"]`},
		{`{"type":"fixed","name":"D","size":12}`, "123456789012", `{"type":"fixed","name":"D","size":12,"logicalType":"duration"}`, "does not become"},
	} {
		l := NewLog()
		addVersion(l, "s", 1, 1, Avro, fieldOf(c.writer), "")
		addVersion(l, "s", 2, 2, Avro, fieldOf(c.newest), "")
		got, reason := decodeNewest(t, l, "s", headed(1, []byte(c.data)...))
		if got != c.want && (got != "null" || !strings.Contains(reason, c.want)) {
			t.Errorf("%s as %s: %s, %q; want %s", c.writer, c.newest, got, reason, c.want)
		}
	}
}
