package recordbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
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
			d := Decompressor{Most: mostHere}
			for range 2 { // the second time into memory that is there
				got, err := d.Decompress(Lz4, frame.Bytes())
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
	d := Decompressor{Most: mostHere}
	got, err := d.Decompress(Lz4, frame)
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
		codec Codec
		in    []byte
	}{
		"snappy":           {Snappy, append(huge, 0, 1, 2, 3)},
		"snappy by blocks": {Snappy, slices.Concat(xerialMagic, make([]byte, 8), []byte{0, 0, 0, 9}, append(huge, 0, 1, 2, 3))},
		"snappy's block":   {Snappy, slices.Concat(xerialMagic, make([]byte, 8), []byte{0x7f, 0, 0, 0, 1, 2})},
		"zstd":             {Zstd, append(window, 1, 0, 0)},
		"lz4's block":      {Lz4, []byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0, 0xff, 0xff, 0xff, 0x7f, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			d := Decompressor{Most: mostHere}
			defer d.Close()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := d.Decompress(lie.codec, lie.in)
			runtime.ReadMemStats(&after)
			if taken := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrCorrupt) || taken > 10<<20 {
				t.Fatalf("took %d bytes, error %v", taken, err)
			}
		})
	}
}

// bombs are batches of one codec each that are honest and one block, member or
// frame larger than may be. Each repeats a megabyte of zeros, compressed once.
func bombs(t testing.TB) map[string]bomb {
	t.Helper()
	zeros := make([]byte, 1<<20)
	const blocks = mostOfBombs>>20 + 1
	var member, frame bytes.Buffer
	zip := gzip.NewWriter(&member)
	z, err := zstd.NewWriter(&frame, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range []io.WriteCloser{zip, z} {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	block := s2.EncodeSnappy(nil, zeros)
	chunk := append(binary.BigEndian.AppendUint32(nil, uint32(len(block))), block...)
	raw := make([]byte, lz4.CompressBlockBound(len(zeros)))
	n, err := lz4.CompressBlock(zeros, raw, nil)
	if err != nil {
		t.Fatal(err)
	}
	const independentMegabytes = 0x60 // the header's checksum is not looked at
	lz4Block := append(binary.LittleEndian.AppendUint32(nil, uint32(n)), raw[:n]...)
	return map[string]bomb{
		"gzip":   {Gzip, bytes.Repeat(member.Bytes(), blocks)},
		"snappy": {Snappy, slices.Concat(xerialMagic, make([]byte, 8), bytes.Repeat(chunk, blocks))},
		"lz4":    {Lz4, slices.Concat([]byte{0x04, 0x22, 0x4d, 0x18, independentMegabytes, 0x60, 0}, bytes.Repeat(lz4Block, blocks), make([]byte, 4))},
		"zstd":   {Zstd, bytes.Repeat(frame.Bytes(), blocks)},
	}
}

type bomb struct {
	codec Codec
	in    []byte
}

// mostHere is how large the other batches of these tests may be.
const mostHere = 64 << 20

// FuzzDecompress: whatever a broker sends, there is no panic, and memory stays in bounds.
func FuzzDecompress(f *testing.F) {
	for _, b := range bombs(f) {
		f.Add(int8(b.codec), b.in[:min(len(b.in), 4<<10)])
	}
	const most = 1 << 20
	f.Fuzz(func(t *testing.T, codec int8, in []byte) {
		d := Decompressor{Most: most}
		defer d.Close()
		out, err := d.Decompress(Codec(codec), in)
		if Codec(codec) == Uncompressed {
			return
		}
		if err == nil && len(out) > most+4<<20 || cap(d.out) > 2*most+8<<20 {
			t.Fatalf("%d bytes became %d, in %d of memory", len(in), len(out), cap(d.out))
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("error %v is of neither kind", err)
		}
	})
}

// mostOfBombs is how large the batches of these tests may be.
const mostOfBombs = 16 << 20

// TestBombs decompresses what is honest and yet too large, of every codec.
func TestBombs(t *testing.T) {
	for name, b := range bombs(t) {
		t.Run(name, func(t *testing.T) {
			d := Decompressor{Most: mostOfBombs}
			defer d.Close()
			out, err := d.Decompress(b.codec, b.in)
			if !errors.Is(err, ErrTooLarge) {
				t.Fatalf("%d bytes became %d, error %v", len(b.in), len(out), err)
			}
		})
	}
}
