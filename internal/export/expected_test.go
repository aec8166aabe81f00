package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// A counted place counts the files that were begun, and has the names of those that are complete.
type counted struct {
	Place
	mutex sync.Mutex
	begun int
}

func (c *counted) Create(ctx context.Context, name string) (File, error) {
	c.mutex.Lock()
	c.begun++
	c.mutex.Unlock()
	return c.Place.Create(ctx, name)
}

// TestObjectsThatTakeMoreThanExpectedBeginAgain: keys that compress to nothing and what is decoded
// take memory that the catalogue does not tell of. Such an object waits until there is room for
// it, and others of its kind are expected to be like it.
func TestObjectsThatTakeMoreThanExpectedBeginAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		key    int // bytes
		decode int // bytes of what each value is decoded to
		begun  int // files, for three objects with one file each
	}{
		"what is expected": {key: 100, begun: 3},
		"keys of zeros":    {key: 5000, begun: 4},
		"text of names":    {decode: 5000, begun: 4},
		"more of them":     {key: 8000, begun: 5}, // after two each is expected to take a row group
		"a large key":      {key: largeRecord, begun: 6},
	} {
		a := newArchived()
		for range 3 {
			a.add(baldr.Record{Timestamp: 1, Key: make([]byte, c.key), Value: []byte("v")})
		}
		lake := bifrosttest.NewStore()
		place := &counted{Place: InBucket(lake, "lake", "x/")}
		e := Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1}}
		if c.decode > 0 {
			e.Options.Decode = true
			e.Decode = func(context.Context, *baldr.Record) (Decoded, error) {
				return Decoded{ValueJSON: bytes.Repeat([]byte("n"), c.decode)}, nil
			}
		}
		var summary Summary
		if err := e.Export(t.Context(), &summary, Part{partition, readback.Everything}); err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{}
		for _, key := range lake.Keys() {
			if versions := lake.Versions(key); len(versions) == 1 && bytes.HasPrefix(versions[0], []byte("PAR1")) {
				files[key] = versions[0]
			}
		}
		same(t, readBack(t, files), a.records)
		if place.begun != c.begun || summary.Objects != 3 || summary.Files != 3 || summary.Records != 3 || len(lake.OpenUploads()) > 0 {
			t.Errorf("%s: %d files were begun, want %d; %+v; uploads %q", name, place.begun, c.begun, summary, lake.OpenUploads())
		}
	}
}

// TestNoObjectTakesMoreThanItMay: whatever is in an object, its open row groups stay within what
// was reserved for it, or it says how much it needs.
func TestNoObjectTakesMoreThanItMay(t *testing.T) {
	t.Parallel()
	for _, bytes := range []int64{500, 1000, rowGroupBytes, openBytes} {
		e := &Exporter{Place: InBucket(bifrosttest.NewStore(), "lake", "x/")}
		open := &openFiles{exporter: e, days: days{all: true}, files: map[day]*parquetFile{}, bytes: bytes}
		var err error
		for n := range int64(200) {
			r := baldr.Record{Offset: n, Timestamp: n % 3 * millisecondsOfADay, Key: make([]byte, n)}
			if err = open.writeRecord(t.Context(), &r); err != nil {
				break
			}
			if open.pending > bytes {
				t.Fatalf("%d bytes are pending where %d may be", open.pending, bytes)
			}
		}
		open.abortAll()
		var more moreMemory
		if needs := errors.As(err, &more); needs != (bytes < rowGroupBytes) || needs && int64(more) != rowGroupBytes {
			t.Errorf("with %d bytes: %v", bytes, fmt.Sprint(err))
		}
	}
}
