package recordfmt

import (
	"bufio"
	"bytes"
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
