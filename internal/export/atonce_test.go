package export

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/semaphore"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

// A paired place counts files that are open, and lets one begin when it is the second one of two
// that want to, unless it is alone.
type paired struct {
	Place
	alone      bool
	mutex      sync.Mutex
	first      chan struct{} // closed when the second one comes, nil if none waits
	open, most int
}

func (p *paired) Create(ctx context.Context, name string) (File, error) {
	p.mutex.Lock()
	p.open++
	p.most = max(p.most, p.open)
	if p.alone {
		p.mutex.Unlock()
	} else if wait := p.first; wait != nil {
		close(wait)
		p.first = nil
		p.mutex.Unlock()
	} else {
		wait = make(chan struct{})
		p.first = wait
		p.mutex.Unlock()
		<-wait
	}
	f, err := p.Place.Create(ctx, name)
	return pairedFile{f, p}, err
}

type pairedFile struct {
	File
	p *paired
}

// Write sees the end of the file: what is written of it has no row group open any more.
func (f pairedFile) Write(p []byte) (int, error) {
	if len(p) > len("PAR1") && bytes.HasSuffix(p, []byte("PAR1")) {
		f.p.mutex.Lock()
		f.p.open--
		f.p.mutex.Unlock()
	}
	return f.File.Write(p)
}

// TestObjectsAreWrittenAtTheSameTime: as many as the memory of two open row groups allows, of
// one partition or of several, and never more.
func TestObjectsAreWrittenAtTheSameTime(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int32{1, 20} {
		a := newArchived()
		for i := range int32(40) {
			a.number = partition.Number + i%partitions
			var records []baldr.Record
			for range 20 {
				records = append(records, baldr.Record{Timestamp: 1, Value: make([]byte, 100)})
			}
			a.add(records...)
		}
		var parts []Part
		for i := range partitions {
			p := a.partition()
			p.Number = partition.Number + i
			parts = append(parts, Part{p, readback.Everything})
		}
		place := &paired{Place: InBucket(bifrosttest.NewStore(), "lake", "x/")}
		e := Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1}, AtOnce: 8}
		var summary Summary
		if err := e.Export(t.Context(), &summary, parts...); err != nil {
			t.Fatal(err)
		}
		if place.most != 2 || summary.Objects != 40 || summary.Files != 40 || summary.Records != 800 {
			t.Errorf("%d partitions: %d objects at once, %+v", partitions, place.most, summary)
		}
	}
}

// TestLargeRecordsAreWrittenOneAtATime: there are several copies of a record on its way, so two of
// them at once would take more than four times the largest.
func TestLargeRecordsAreWrittenOneAtATime(t *testing.T) {
	t.Parallel()
	a := newArchived()
	for range 8 {
		a.add(baldr.Record{Timestamp: 1}, baldr.Record{Timestamp: 1, Value: make([]byte, largeRecord)}, baldr.Record{Timestamp: 1})
	}
	lake := bifrosttest.NewStore()
	place := &paired{Place: InBucket(lake, "lake", "x/"), alone: true}
	e := Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1}, AtOnce: 4}
	if err := e.Export(t.Context(), &Summary{}, Part{partition, readback.Everything}); err != nil {
		t.Fatal(err)
	}
	if place.most != 1 {
		t.Errorf("%d objects at once", place.most)
	}
	for _, key := range lake.Keys() {
		if !strings.HasSuffix(key, ".parquet") {
			continue
		}
		content := lake.Versions(key)[0]
		file, err := parquet.OpenFile(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		if groups := file.RowGroups(); len(groups) != 3 || groups[1].NumRows() != 1 {
			t.Errorf("%s has %d row groups: a large record shares its own", key, len(groups))
		}
	}
}

// A waiting place looks whether there is memory for others while it makes a file visible.
type waiting struct {
	Place
	memory *semaphore.Weighted
	free   []bool // for each file
}

func (w *waiting) Create(ctx context.Context, name string) (File, error) {
	f, err := w.Place.Create(ctx, name)
	return waitingFile{f, w}, err
}

type waitingFile struct {
	File
	w *waiting
}

func (f waitingFile) Complete(ctx context.Context) error {
	free := f.w.memory.TryAcquire(openBytes)
	if free {
		f.w.memory.Release(openBytes)
	}
	f.w.free = append(f.w.free, free)
	return f.File.Complete(ctx)
}

// TestMemoryIsFreeWhileFilesGoToTheDisk: a processor would have nothing to do meanwhile. Of
// several files of an object, each is made visible before the next one ends, and holds memory
// of an upload until then: only the last one leaves the memory to others.
func TestMemoryIsFreeWhileFilesGoToTheDisk(t *testing.T) {
	t.Parallel()
	a := newArchived()
	a.addDays(1)
	memory := semaphore.NewWeighted(openBytes)
	place := &waiting{Place: InBucket(bifrosttest.NewStore(), "lake", "x/"), memory: memory}
	e := &Exporter{Reader: a.reader(), Place: place, Options: Options{Layout: 1}}
	r := &run{Exporter: e, summary: &Summary{}, memory: memory, timesKnown: 4}
	for row, err := range e.rowsOf(t.Context(), []Part{{partition, readback.Everything}}) {
		if err := errors.Join(err, r.exportRow(t.Context(), row)); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(place.free, []bool{false, false, true}) || !memory.TryAcquire(openBytes) {
		t.Errorf("when files were made visible, memory was free: %v", place.free)
	}
}
