package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestLz4Frames reads frames with every option that a producer's library may
// choose, and of more than one block.
func TestLz4Frames(t *testing.T) {
	t.Parallel()
	content := bytes.Repeat([]byte("a line that comes again and again, "), 20_000)
	for name, options := range map[string][]lz4.Option{
		"plain":            nil,
		"blocks of 64 KiB": {lz4.BlockSizeOption(lz4.Block64Kb)},
		"checksums":        {lz4.BlockChecksumOption(true), lz4.ChecksumOption(true), lz4.BlockSizeOption(lz4.Block64Kb)},
		"content size":     {lz4.SizeOption(uint64(len(content)))},
		"no checksum":      {lz4.ChecksumOption(false)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var frame bytes.Buffer
			w := lz4.NewWriter(&frame)
			if err := w.Apply(options...); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(content); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			d := decompressor{most: DefaultLargestBatch}
			for range 2 { // the second time into memory that is there
				got, err := d.decompress(kgo.CodecLz4, frame.Bytes())
				if err != nil || !bytes.Equal(got, content) {
					t.Fatalf("%d bytes, error %v", len(got), err)
				}
			}
		})
	}
}

// TestLz4LinkedBlocks reads a frame whose second block copies from the first, as
// C's library writes them unless told otherwise.
func TestLz4LinkedBlocks(t *testing.T) {
	t.Parallel()
	first := []byte("0123456789abcdefghijklmnopqrstuvwxyz")
	frame := []byte{0x04, 0x22, 0x4d, 0x18, 0x40, 0x40, 0}
	frame = binary.LittleEndian.AppendUint32(frame, uint32(len(first))|lz4RawBit)
	frame = append(frame, first...)
	// No literal, a match of 4+6 bytes 26 back, then five literals.
	second := []byte{0x06, 26, 0, 0x50, 'e', 'n', 'd', '.', '.'}
	frame = binary.LittleEndian.AppendUint32(frame, uint32(len(second)))
	frame = append(frame, second...)
	frame = binary.LittleEndian.AppendUint32(frame, 0)
	d := decompressor{most: DefaultLargestBatch}
	got, err := d.decompress(kgo.CodecLz4, frame)
	if want := string(first) + "abcdefghijend.."; err != nil || string(got) != want {
		t.Fatalf("got %q, want %q, error %v", got, want, err)
	}
}

// TestLyingSizes has a few bytes claim to be very many. They are refused before
// memory is taken, which is measured, so nothing else may run meanwhile.
func TestLyingSizes(t *testing.T) {
	huge := binary.AppendUvarint(nil, 100<<20)
	window := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0}, binary.LittleEndian.AppendUint64(nil, 200<<20)...)
	for name, lie := range map[string]struct {
		codec kgo.CompressionCodecType
		in    []byte
	}{
		"snappy":           {kgo.CodecSnappy, append(huge, 0, 1, 2, 3)},
		"snappy by blocks": {kgo.CodecSnappy, slices.Concat(xerialMagic, make([]byte, 8), []byte{0, 0, 0, 9}, append(huge, 0, 1, 2, 3))},
		"snappy's block":   {kgo.CodecSnappy, slices.Concat(xerialMagic, make([]byte, 8), []byte{0x7f, 0, 0, 0, 1, 2})},
		"zstd":             {kgo.CodecZstd, append(window, 1, 0, 0)},
		"lz4's block":      {kgo.CodecLz4, []byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0, 0xff, 0xff, 0xff, 0x7f, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			d := decompressor{most: DefaultLargestBatch}
			defer d.close()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := d.decompress(lie.codec, lie.in)
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, errCorrupt) || taken > 10<<20 {
				t.Fatalf("took %d bytes, error %v", taken, err)
			}
		})
	}
}

// TestBomb decompresses what is honest and yet too large.
func TestBomb(t *testing.T) {
	t.Parallel()
	zeros := make([]byte, 1<<20)
	var frame bytes.Buffer
	w, err := zstd.NewWriter(&frame, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	const most = 16 << 20
	for range most>>20 + 1 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	d := decompressor{most: most}
	defer d.close()
	if out, err := d.decompress(kgo.CodecZstd, frame.Bytes()); !errors.Is(err, errTooLarge) {
		t.Fatalf("%d bytes became %d, error %v", frame.Len(), len(out), err)
	}
}
