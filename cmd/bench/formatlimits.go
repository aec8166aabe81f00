// What the format costs in size, memory, requests.

package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
)

// formatSize says what members cost in size over one stream, and what the
// envelope adds to that.
func formatSize(report func(figure)) error {
	for _, level := range []int{1, 2, 6} {
		var stream bytes.Buffer
		z := newGzip(level)
		if err := gzipMembers(&stream, z, formatFrames(), len(formatFrames())); err != nil {
			return err
		}
		values, err := formatObject(baldr.Options{Level: level, ValuesOnly: true})
		if err != nil {
			return err
		}
		full, err := formatObject(baldr.Options{Level: level})
		if err != nil {
			return err
		}
		name := fmt.Sprintf("format/size/level-%d", level)
		percent := func(a, b int) float64 { return 100 * float64(a-b) / float64(b) }
		report(figure{
			Name:   name + "/values",
			Value:  percent(len(values), stream.Len()),
			Unit:   "% over one gzip stream",
			Target: "<= 1",
		})
		report(figure{Name: name + "/envelope", Value: percent(len(full), len(values)), Unit: "% over values only"})
		report(figure{
			Name:  name + "/envelope-record",
			Value: float64(len(full)-len(values)) / float64(len(formatRecords())),
			Unit:  "bytes a record",
		})
	}
	return nil
}

// formatSmall writes objects of 20 records one after the other, as a function does
// for quiet partitions.
func formatSmall(report func(figure)) error {
	const objects = 500
	records := formatRecords()[:20]
	costs, err := interleave(func() error {
		for range objects {
			if err := writeObject(io.Discard, records, baldr.Options{}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	times := make([]float64, len(costs[0]))
	for i, c := range costs[0] {
		times[i] = c.processor / objects * 1e6
	}
	report(figure{
		Name:  "format/small",
		Value: median(times),
		Unit:  "core-microseconds an object",
		Note:  "20 records, 10 kB",
	})
	return nil
}

func formatAllocations(report func(figure)) error {
	records := formatRecords()
	object, err := formatObject(baldr.Options{})
	if err != nil {
		return err
	}
	subjects := []struct {
		name string
		run  func() error
	}{
		{"write", func() error { return writeObject(io.Discard, records, baldr.Options{}) }},
		{"write-2", func() error { return writeObject(io.Discard, records, baldr.Options{Workers: 2}) }},
		{"read-values", func() error { return readStream(object, baldr.ReaderOptions{ValuesOnly: true}) }},
		{"read-records", func() error { return readStream(object, baldr.ReaderOptions{}) }},
	}
	for _, s := range subjects {
		before := allocations()
		if err := s.run(); err != nil {
			return err
		}
		note := fmt.Sprintf("%d allocations for an object of %d records, mostly before the first",
			allocations()-before, len(records))
		report(figure{
			Name:   "format/allocations/" + s.name,
			Value:  float64(allocations()-before) / float64(len(records)),
			Unit:   "a record",
			Target: "0.00",
			Note:   note,
		})
	}
	return nil
}

func allocations() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// formatMemory writes objects of 131 MB and of 1 GB with two workers. All bytes
// ever allocated for one bound its memory, whatever the garbage collector does.
func formatMemory(report func(figure)) error {
	for _, times := range []int{1, 8} {
		allocated, err := allocatedByWriter(times)
		if err != nil {
			return err
		}
		raw := int64(times) * int64(len(formatFrames()))
		report(figure{
			Name:   fmt.Sprintf("format/memory/%d-MB", raw/1e6),
			Value:  float64(allocated) / (1 << 20),
			Unit:   "MiB allocated in all, two workers",
			Target: "<= 32",
		})
	}
	return nil
}

func allocatedByWriter(times int) (uint64, error) {
	records := formatRecords()
	runtime.GC()
	runtime.GC() // what earlier Writers left in a sync.Pool survives the first
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	writer := baldr.NewWriter(io.Discard, baldr.Options{Workers: 2})
	for i := range times * len(records) {
		r := records[i%len(records)]
		r.Offset = int64(i)
		if err := writer.WriteRecord(&r); err != nil {
			return 0, err
		}
	}
	_, err := writer.Close(baldr.Summary{Topic: "page-views", End: int64(times * len(records)), LastLeaderEpoch: -1})
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc, err
}

// countingReaderAt counts the requests a remote store would see.
type countingReaderAt struct {
	io.ReaderAt
	requests, bytes atomic.Int64
}

func (c *countingReaderAt) ReadAt(p []byte, at int64) (int, error) {
	c.requests.Add(1)
	c.bytes.Add(int64(len(p)))
	return c.ReaderAt.ReadAt(p, at)
}

// formatSeek opens a large object and looks for single records.
func formatSeek(report func(figure)) error {
	object, records, err := seekObject()
	if err != nil {
		return err
	}
	counted := &countingReaderAt{ReaderAt: bytes.NewReader(object)}
	begin := time.Now()
	file, err := baldr.Open(counted, int64(len(object)), baldr.ReaderOptions{})
	if err != nil {
		return err
	}
	report(figure{Name: "format/seek/open", Value: time.Since(begin).Seconds() * 1e3, Unit: "ms"})
	report(figure{Name: "format/seek/open-reads", Value: float64(counted.requests.Load()), Unit: "reads", Target: "1"})

	random := rand.New(rand.NewPCG(2, 2))
	var times []float64
	counted.requests.Store(0)
	counted.bytes.Store(0)
	const seeks = 100
	for range seeks {
		offset := random.Int64N(records)
		begin := time.Now()
		for r, err := range file.From(offset) {
			if err != nil || r.Offset != offset {
				return fmt.Errorf("seek to %d found %d: %v", offset, r.Offset, err)
			}
			break
		}
		times = append(times, time.Since(begin).Seconds()*1e3)
	}
	report(figure{Name: "format/seek/time", Value: median(times), Unit: "ms"})
	report(figure{
		Name:   "format/seek/reads",
		Value:  float64(counted.requests.Load()) / seeks,
		Unit:   "reads, one a data member",
		Target: "1",
	})
	report(figure{
		Name:  "format/seek/bytes",
		Value: float64(counted.bytes.Load()) / seeks,
		Unit:  "bytes a seek",
		Note:  fmt.Sprintf("of an object of %d bytes", len(object)),
	})
	return nil
}

func seekObject() ([]byte, int64, error) {
	records := formatRecords()
	var object bytes.Buffer
	writer := baldr.NewWriter(&object, baldr.Options{Workers: runtime.GOMAXPROCS(0)})
	offset := int64(0)
	for float64(writer.RawBytes()) < seekBytes {
		r := records[offset%int64(len(records))]
		r.Offset = offset
		if err := writer.WriteRecord(&r); err != nil {
			return nil, 0, err
		}
		offset++
	}
	_, err := writer.Close(baldr.Summary{Topic: "page-views", End: offset, LastLeaderEpoch: -1})
	return object.Bytes(), offset, err
}
