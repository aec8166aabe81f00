package export

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// An interrupted place sees its caller's context end in the middle of one of its calls, which
// the place serves all the same.
type interrupted struct {
	Place
	left *atomic.Int64 // calls before that
	stop context.CancelFunc
}

func (i interrupted) count() {
	if i.left.Add(-1) == 0 {
		i.stop()
	}
}

func (i interrupted) Create(ctx context.Context, name string) (File, error) {
	f, err := i.Place.Create(ctx, name)
	i.count()
	return interruptedFile{f, i}, err
}

func (i interrupted) CreateOnce(ctx context.Context, name string, content []byte) ([]byte, error) {
	i.count()
	return i.Place.CreateOnce(ctx, name, content)
}

type interruptedFile struct {
	File
	in interrupted
}

func (f interruptedFile) Write(p []byte) (int, error) {
	f.in.count()
	return f.File.Write(p)
}

func (f interruptedFile) Complete(ctx context.Context) error {
	f.in.count()
	return f.File.Complete(ctx)
}

// TestAnInterruptedExportLeavesNothingOpen: whenever a person presses Ctrl-C, no upload stays in
// the bucket, where its parts are paid for, and no unfinished file in the directory.
func TestAnInterruptedExportLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	a := newArchived()
	for range 4 {
		a.add(baldr.Record{Timestamp: 1, Value: make([]byte, 5<<10)}, baldr.Record{Timestamp: 2 * millisecondsOfADay}, baldr.Record{Timestamp: -1})
	}
	root := t.TempDir()
	directory, err := InDirectory(root)
	if err != nil {
		t.Fatal(err)
	}
	lake := bifrosttest.NewStore()
	for name, place := range map[string]Place{"bucket": InBucket(lake, "lake", "x/"), "directory": directory} {
		interruptions := 0
		for calls := int64(1); ; calls++ {
			ctx, stop := context.WithCancel(t.Context())
			left := &atomic.Int64{}
			left.Store(calls)
			e := Exporter{Reader: a.reader(), Place: interrupted{place, left, stop}, Options: Options{Layout: 1}, AtOnce: int(calls % 3)}
			err := e.Begin(ctx)
			if err == nil {
				err = e.Export(ctx, &Summary{}, Part{partition, readback.Everything})
			}
			if err != nil {
				interruptions++
			}
			if open := lake.OpenUploads(); len(open) > 0 {
				t.Errorf("%s: interrupted at call %d, %q stay open", name, calls, open)
			}
			unfinished, _ := filepath.Glob(filepath.Join(root, "_bifrost", "unfinished", "*"))
			if len(unfinished) > 0 {
				t.Errorf("%s: interrupted at call %d, %q stay", name, calls, unfinished)
			}
			stop()
			if left.Load() > 0 {
				break // it was through before
			}
		}
		if interruptions < 3 {
			t.Errorf("%s: %d interruptions", name, interruptions)
		}
	}
}
