package main

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"

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
		f, err := parseFormat(c.format, false)
		if err != nil {
			t.Errorf("%s: %v", c.format, err)
			continue
		}
		var out bytes.Buffer
		buffered := bufio.NewWriterSize(&out, 16) // smaller than a record
		if err := f.write(buffered, &printed{Located: *c.record}); err != nil {
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
		if _, err := parseFormat(wrong, false); err == nil {
			t.Errorf("format %q is taken", wrong)
		}
	}
}

func TestParseTime(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-01-31T12:30:00Z": "2026-01-31T12:30:00.000Z", "2026-01-31T12:30:00+02:00": "2026-01-31T10:30:00.000Z",
		"2026-01-31": "2026-01-31T00:00:00.000Z", "1700000000123": "2023-11-14T22:13:20.123Z",
		"90m": "2026-03-01T10:30:00.000Z", "7d": "2026-02-22T12:00:00.000Z",
	} {
		ms, err := parseTime(text, now)
		if err != nil || *timestamp(millis(ms)) != want {
			t.Errorf("%s: %v, %v; want %s", text, ms, err, want)
		}
	}
	for _, wrong := range []string{"", "yesterday", "-5", "-5m", "2026-13-01", "d"} {
		if ms, err := parseTime(wrong, now); err == nil {
			t.Errorf("time %q is taken as %d", wrong, ms)
		}
	}
}

func TestParsePartitions(t *testing.T) {
	t.Parallel()
	numbers, err := parsePartitions("0,3-5,7")
	if err != nil || len(numbers) != 5 || numbers[4] != 7 {
		t.Errorf("got %v, %v", numbers, err)
	}
	for _, wrong := range []string{"", "a", "-1", "5-3", "1-", "0-99999999999", "0-2000000000"} {
		if _, err := parsePartitions(wrong); err == nil {
			t.Errorf("partitions %q are taken", wrong)
		}
	}
}

func TestParseRate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"": 0, "1000": 1000, "500kB": 500_000, "20MB": 20_000_000, "1.5GB/s": 1_500_000_000, "20mb": 20_000_000} {
		if got, err := parseRate(text); err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, wrong := range []string{"fast", "20 potatoes", "-5MB", "0", "MB"} {
		if got, err := parseRate(wrong); err == nil {
			t.Errorf("rate %q is taken as %d", wrong, got)
		}
	}
}

func TestNumbersForPeople(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(-1234567), "-1,234,567"},
		{size(0), "0 B"}, {size(999), "999 B"}, {size(1000), "1.0 kB"}, {size(999_499), "999 kB"}, {size(999_600), "1.0 MB"}, {size(12_345_678_901), "12 GB"},
		{span(45 * time.Second), "45s"}, {span(12 * time.Minute), "12m"}, {span(200 * time.Minute), "3h20m"}, {span(9 * 24 * time.Hour), "9d"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
}

func TestTablesFitTheTerminal(t *testing.T) {
	t.Parallel()
	tab := &table{columns: []column{{title: "name"}, {title: "n", right: true, spare: 1}, {title: "empty"}, {title: "size", spare: 2}, {title: "error", shrink: true}}}
	tab.add(plain("a"), plain("1"), plain(""), plain("1 kB"), cell{"something went quite wrong", styleBad})
	tab.add(plain("longer"), plain("1,000"), plain(""), plain("2 kB"), plain(""))
	for width, want := range map[int]string{
		0:  "NAME        N  SIZE  ERROR\na           1  1 kB  something went quite wrong\nlonger  1,000  2 kB\n",
		36: "NAME        N  SIZE  ERROR\na           1  1 kB  something went…\nlonger  1,000  2 kB\n",
		30: "NAME        N  ERROR\na           1  something went…\nlonger  1,000\n",
		20: "NAME    ERROR\na       something w…\nlonger\n",
		1:  "NAME    ERROR\na       something w…\nlonger\n",
	} {
		var out strings.Builder
		if err := tab.write(&out, width, false); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("in a terminal of %d got\n%swant\n%s", width, out.String(), want)
		}
	}
	var out strings.Builder
	if err := tab.write(&out, 0, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\x1b[31msomething went quite wrong\x1b[0m") {
		t.Errorf("no width cuts, and colours are written: %q", out.String())
	}
}
