// The speed of package baldr beside gzip alone.

package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"

	"github.com/bifrost-archive/bifrost/baldr"
)

// formatBenchmarks measure package baldr alone, against klauspost's compressor.
var formatBenchmarks = []benchmark{
	{"format/levels", formatLevels},
	{"format/write", formatWrite},
	{"format/read", formatRead},
	{"format/size", formatSize},
	{"format/small", formatSmall},
	{"format/allocations", formatAllocations},
	{"format/memory", formatMemory},
	{"format/seek", formatSeek},
}

const memberBytes = baldr.DefaultMemberBytes

// The sizes of what is measured. Tests make them tiny.
var (
	formatViews = 250_000 // records: 131 MB of frames, an object of the default target size
	seekBytes   = 1e9     // raw, of the object in which single records are looked for
)

// formatRecords are the records that the format's figures are measured on, made once.
var formatRecords = sync.OnceValue(func() []baldr.Record { return pageViews(formatViews, 1) })

// formatFrames is the Baldr stream of the same records.
var formatFrames = sync.OnceValue(func() []byte {
	var frames []byte
	for _, r := range formatRecords() {
		frames = baldr.AppendFrame(frames, r.Value)
	}
	return frames
})

func writeObject(w io.Writer, records []baldr.Record, opts baldr.Options) error {
	writer := baldr.NewWriter(w, opts)
	return writeAndClose(writer, records)
}

func writeAndClose(writer *baldr.Writer, records []baldr.Record) error {
	for i := range records {
		if err := writer.WriteRecord(&records[i]); err != nil {
			return err
		}
	}
	_, err := writer.Close(baldr.Summary{
		Topic:           "page-views",
		Start:           records[0].Offset,
		End:             records[len(records)-1].Offset + 1,
		LastLeaderEpoch: -1,
		Writer:          "bench",
	})
	return err
}

func formatObject(opts baldr.Options) ([]byte, error) {
	var object bytes.Buffer
	err := writeObject(&object, formatRecords(), opts)
	return object.Bytes(), err
}

// gzipMembers is the limit of the format: the compressor alone, on frames that
// lie ready in memory, in members of the same size.
func gzipMembers(w io.Writer, z *gzip.Writer, frames []byte, size int) error {
	for len(frames) > 0 {
		n := min(size, len(frames))
		z.Reset(w)
		if _, err := z.Write(frames[:n]); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		frames = frames[n:]
	}
	return nil
}

func newGzip(level int) *gzip.Writer {
	z, err := gzip.NewWriterLevel(io.Discard, level)
	check(err)
	return z
}

// formatLevels weighs size against speed: the choice of baldr.DefaultLevel. The
// tables of some levels fill a core's cache, which shows when it has company, so
// each runs alone and two side by side.
func formatLevels(report func(figure)) error {
	records := formatRecords()
	piece := records[:len(records)/8]
	levels := []int{1, 2, 3, 4, 5, 6, 7, 8, 9}
	var subjects []func() error
	for _, level := range levels {
		alone := func() error {
			return writeObject(io.Discard, piece, baldr.Options{Level: level, ValuesOnly: true})
		}
		subjects = append(subjects, alone, func() error { return sideBySide(alone, alone) })
	}
	costs, err := interleave(subjects...)
	if err != nil {
		return err
	}
	size := int64(len(formatFrames()) / 8)
	for i, level := range levels {
		object, err := formatObject(baldr.Options{Level: level, ValuesOnly: true})
		if err != nil {
			return err
		}
		name := fmt.Sprintf("format/levels/%d", level)
		report(figure{Name: name + "/speed", Value: megabytes(size, costs[2*i], processor), Unit: "MB per core-second"})
		report(figure{
			Name:  name + "/speed-of-two",
			Value: megabytes(2*size, costs[2*i+1], processor),
			Unit:  "MB per core-second",
		})
		report(figure{
			Name:  name + "/ratio",
			Value: float64(len(formatFrames())) / float64(len(object)),
			Unit:  "raw/stored",
		})
	}
	return nil
}

func formatWrite(report func(figure)) error {
	for _, level := range []int{1, 2, 6} {
		if err := formatWriteLevel(report, level); err != nil {
			return err
		}
	}
	return nil
}

func formatWriteLevel(report func(figure), level int) error {
	records, frames := formatRecords(), formatFrames()
	one, left, right := newGzip(level), newGzip(level), newGzip(level)
	costs, err := interleave(
		func() error { return gzipMembers(io.Discard, one, frames, memberBytes) },
		func() error { return writeObject(io.Discard, records, baldr.Options{Level: level}) },
		func() error {
			return sideBySide(
				func() error { return gzipMembers(io.Discard, left, frames[:len(frames)/2], memberBytes) },
				func() error { return gzipMembers(io.Discard, right, frames[len(frames)/2:], memberBytes) })
		},
		func() error { return writeObject(io.Discard, records, baldr.Options{Level: level, Workers: 2}) },
	)
	if err != nil {
		return err
	}
	size := int64(len(frames))
	name := fmt.Sprintf("format/write/level-%d", level)
	for i, subject := range []string{"gzip-1", "baldr-1", "gzip-2", "baldr-2"} {
		report(figure{Name: name + "/" + subject, Value: megabytes(size, costs[i], wall), Unit: "MB/s"})
	}
	report(figure{
		Name:   name + "/one-worker",
		Value:  ratio(costs[1], costs[0], wall),
		Unit:   "of gzip alone",
		Target: ">= 0.90",
	})
	report(figure{
		Name:  name + "/one-worker-cores",
		Value: ratio(costs[1], costs[0], processor),
		Unit:  "of gzip alone, by core-seconds",
	})
	report(figure{
		Name:   name + "/two-workers",
		Value:  ratio(costs[3], costs[2], wall),
		Unit:   "of two gzip writers side by side",
		Target: ">= 0.90",
	})
	report(figure{
		Name:  name + "/two-workers-cores",
		Value: ratio(costs[3], costs[2], processor),
		Unit:  "of two gzip writers side by side, by core-seconds",
	})
	return nil
}

func sideBySide(left, right func() error) error {
	result := make(chan error)
	go func() { result <- left() }()
	err := right()
	if other := <-result; err == nil {
		err = other
	}
	return err
}

func formatRead(report func(figure)) error {
	object, err := formatObject(baldr.Options{})
	if err != nil {
		return err
	}
	gunzip, err := gzip.NewReader(bytes.NewReader(object))
	if err != nil {
		return err
	}
	costs, err := interleave(
		func() error {
			if err := gunzip.Reset(bytes.NewReader(object)); err != nil {
				return err
			}
			_, err := io.Copy(io.Discard, gunzip)
			return err
		},
		func() error { return readStream(object, baldr.ReaderOptions{ValuesOnly: true}) },
		func() error { return readStream(object, baldr.ReaderOptions{}) },
		func() error { return readFile(object, baldr.ReaderOptions{ValuesOnly: true}) },
		func() error { return readFile(object, baldr.ReaderOptions{ValuesOnly: true, Workers: 2}) },
	)
	if err != nil {
		return err
	}
	size := int64(len(formatFrames()))
	for i, subject := range []string{"gunzip", "values", "records", "file-values", "file-values-2"} {
		report(figure{Name: "format/read/" + subject, Value: megabytes(size, costs[i], wall), Unit: "MB/s"})
	}
	report(figure{
		Name:   "format/read/values-ratio",
		Value:  ratio(costs[1], costs[0], wall),
		Unit:   "of gunzip alone",
		Target: ">= 0.90",
	})
	report(figure{
		Name:  "format/read/values-cores",
		Value: ratio(costs[1], costs[0], processor),
		Unit:  "of gunzip alone, by core-seconds",
	})
	report(figure{
		Name:  "format/read/records-cores",
		Value: ratio(costs[2], costs[0], processor),
		Unit:  "of gunzip alone, by core-seconds",
	})
	return nil
}

func readStream(object []byte, opts baldr.ReaderOptions) error {
	reader := baldr.NewReader(bytes.NewReader(object), opts)
	for {
		if _, err := reader.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func readFile(object []byte, opts baldr.ReaderOptions) error {
	file, err := baldr.Open(bytes.NewReader(object), int64(len(object)), opts)
	if err != nil {
		return err
	}
	for _, err := range file.All() {
		if err != nil {
			return err
		}
	}
	return nil
}
