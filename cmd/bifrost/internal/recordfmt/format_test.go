package recordfmt

import (
	"bufio"
	"bytes"
	"errors"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

func TestFormats(t *testing.T) {
	t.Parallel()
	full := &readback.Located{Partition: bifrost.Partition{Name: "orders@abc", Number: 3}, Record: baldr.Record{
		Offset: 42, Timestamp: 1_700_000_000_123, Key: []byte("k"), Value: []byte("värde"),
		Headers: []baldr.Header{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("a"), Value: nil}, {Key: nil, Value: []byte{0xff}}},
	}}
	null := &readback.Located{Partition: bifrost.Partition{Name: "orders"}, Record: baldr.Record{Offset: 1, Timestamp: -1}}
	again := &readback.Located{Partition: bifrost.Partition{Name: "orders@AAAAAAAAQACAAAAAAAAAAQ"}}
	empty := &readback.Located{Record: baldr.Record{Key: []byte{}, Value: []byte{}}}
	for _, c := range []struct {
		format string
		record *readback.Located
		want   string
	}{
		{"value", full, "värde\n"},
		{"null", full, "värde\x00"},
		{"raw", full, "värde"},
		{"baldr", full, "\x00\x00\x00\x00\x00\x00\x00\x06värde"},
		{"json", full, `{"topic":"orders","partition":3,"offset":42,"timestamp":"2023-11-14T22:13:20.123Z","timestamp_ms":1700000000123,"timestamp_type":"CreateTime",` +
			`"key":"k","headers":[{"key":"a","value":"1"},{"key":"a","value":null},{"key":"","value":{"base64":"/w=="}}],"value":"värde"}` + "\n"},
		{"json", null, `{"topic":"orders","partition":0,"offset":1,"timestamp":null,"timestamp_ms":-1,"timestamp_type":"CreateTime","key":null,"headers":[],"value":null}` + "\n"},
		{"%t/%p@%o %T %k=%s %S %K", full, "orders/3@42 1700000000123 k=värde 6 1"},
		{"%t %n", again, "orders orders@AAAAAAAAQACAAAAAAAAAAQ"},
		{"%K %S|%h", null, "-1 -1|"},
		{"%K %S", empty, "0 0"},
		{"%h", full, "a=1,a=NULL,=\xff"},
		{`%%\n\r\t\0\\\x7e%R`, full, "%\n\r\t\x00\\~\x00\x00\x00\x06"},
	} {
		f, err := ParseFormat(c.format, false)
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		var out bytes.Buffer
		buffered := bufio.NewWriterSize(&out, 16) // smaller than a record
		if err := f.Write(buffered, &Record{Located: *c.record}); err != nil {
			t.Fatal(err)
		}
		if err := buffered.Flush(); err != nil {
			t.Fatal(err)
		}
		if out.String() != c.want {
			t.Errorf("%s:\ngot  %q\nwant %q", c.format, out.String(), c.want)
		}
	}
	for _, wrong := range []string{"", "lines", "%", "%z", `%s\`, `%s\q`, `%s\x1`, `%s\xzz`} {
		if _, err := ParseFormat(wrong, false); err == nil {
			t.Errorf("format %q is taken", wrong)
		}
	}
}

// A conversion or an escape may stand first, last, alone, and beside any other.
func TestPiecesStandAnywhere(t *testing.T) {
	t.Parallel()
	record := &Record{}
	record.Partition = bifrost.Partition{Name: "orders", Number: 3}
	record.Offset, record.Timestamp, record.Key, record.Value = 42, 1000, []byte("k"), []byte("v")
	record.Headers = []baldr.Header{{Key: []byte("a"), Value: []byte("1")}}
	pieces := map[string]string{
		"%s": "v", "%k": "k", "%t": "orders", "%n": "orders", "%p": "3", "%o": "42", "%T": "1000", "%h": "a=1",
		"%S": "1", "%K": "1", "%R": "\x00\x00\x00\x01", "%%": "%",
		`\n`: "\n", `\r`: "\r", `\t`: "\t", `\0`: "\x00", `\\`: `\`,
		`\x0a`: "\n", `\xFf`: "\xff", "x": "x", " 0a": " 0a",
	}
	for conversion := range conversions {
		if _, ok := pieces["%"+string(conversion)]; !ok {
			t.Errorf("%%%c is not looked at", conversion)
		}
	}
	for first, one := range pieces {
		for last, other := range pieces {
			// Something with a % in it is a pattern, so one stands in the middle too.
			for pattern, want := range map[string]string{
				first + "%o" + last: one + "42" + other, first + last + "%o": one + other + "42", "%o" + first + last: "42" + one + other,
			} {
				f, err := ParseFormat(pattern, false)
				if err != nil {
					t.Errorf("%s: %v", pattern, err)
					continue
				}
				var out bytes.Buffer
				buffered := bufio.NewWriter(&out)
				if err := errors.Join(f.Write(buffered, record), buffered.Flush()); err != nil || out.String() != want {
					t.Errorf("%s writes %q, want %q; error %v", pattern, out.String(), want, err)
				}
			}
		}
	}
	for _, wrong := range []string{`%s\`, `%s\x`, `%s\x0`, `%s\x0g`, `%s\xg0`, `%s\X0a`, `%s\1`, "%s%", "%s%x"} {
		if _, err := ParseFormat(wrong, false); err == nil {
			t.Errorf("format %q is taken", wrong)
		}
	}
}
