package recordfmt

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/schema"
)

// What could not be decoded is counted by its reason, all of it, and said reason by reason. Behind
// ten reasons the others are counted together, and those that are known go on by themselves.
func TestFailuresOfDecodingAreCounted(t *testing.T) {
	t.Parallel()
	d := &RecordDecoder{failed: map[string]int{}}
	var group sync.WaitGroup
	for range 4 { // an export decodes in several goroutines
		group.Go(func() {
			for range 25 {
				for n := range mostReasons {
					d.countFailure(fmt.Sprintf("reason %02d", n))
				}
			}
		})
	}
	group.Wait()
	for n := range 7 {
		d.countFailure(fmt.Sprintf("another %d", n))
		d.countFailure("reason 03")
	}
	var talk strings.Builder
	a := app.New(nil, nil, &talk)
	a.Color = "never"
	d.TellFailures(a)
	want := "warning: 7 keys or values were not decoded: for other reasons\n"
	for n := range mostReasons {
		count := 100
		if n == 3 {
			count = 107
		}
		want += fmt.Sprintf("warning: %d keys or values were not decoded: reason %02d\n", count, n)
	}
	if talk.String() != want {
		t.Errorf("it says\n%swant\n%s", talk.String(), want)
	}
	(*RecordDecoder)(nil).TellFailures(a) // nothing was to be decoded
}

// The ID and the error of a key are the key's, and those of a value the value's.
func TestSchemasOfKeyAndValue(t *testing.T) {
	t.Parallel()
	r := &Record{Encodings: Encodings{encodeAuto, encodeAuto}}
	r.Key, r.Value = []byte("k"), []byte("v")
	r.DecodedKey = schema.Decoded{HasHeader: true, ID: 1, Reason: "of the key"}
	r.DecodedValue = schema.Decoded{HasHeader: true, ID: 2, JSON: []byte(`{"a":1}`)}
	j := NewJSONRecord(r)
	if *j.KeySchemaID != 1 || *j.ValueSchemaID != 2 || j.KeyError != "of the key" || j.ValueError != "" {
		t.Errorf("%+v", j)
	}
	r.DecodedKey, r.DecodedValue = schema.Decoded{}, schema.Decoded{Reason: "of the value"}
	if j := NewJSONRecord(r); j.KeySchemaID != nil || j.KeyError != "" || j.ValueError != "of the value" {
		t.Errorf("%+v", j)
	}
}

// An encoding of either side is refused by every format but JSON, and one that there is not by all.
func TestEncodingsAreForJSON(t *testing.T) {
	t.Parallel()
	for _, encoding := range append([]string{"", "gzip"}, encodings...) {
		for _, format := range []string{"value", "json", "%s"} {
			for side, e := range map[string]Encodings{
				"key": {encoding, encodeAuto}, "value": {encodeAuto, encoding}, "both": {encoding, encoding},
			} {
				good := encoding == encodeAuto || format == "json" && encoding != "" && encoding != "gzip"
				if err := e.Check(format); (err == nil) != good {
					t.Errorf("%s %q for %s: %v", side, encoding, format, err)
				}
			}
		}
	}
}

// What a terminal is shown changes nothing of the record.
func TestShownHeadersAreCopies(t *testing.T) {
	t.Parallel()
	r := &Record{Located: readback.Located{Record: baldr.Record{
		Headers: []baldr.Header{{Key: []byte("a\x1b"), Value: []byte("1")}, {Key: []byte("b")}}}}}
	f, err := ParseFormat("%h", true)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		var out bytes.Buffer
		line := bufio.NewWriter(&out)
		if err := f.Write(line, r); err != nil {
			t.Fatal(err)
		}
		line.Flush()
		if out.String() != `a\x1b=1,b=NULL` || string(r.Headers[0].Key) != "a\x1b" {
			t.Errorf("shown as %q; the key is %q now", out.String(), r.Headers[0].Key)
		}
	}
}
