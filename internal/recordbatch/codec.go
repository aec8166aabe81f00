// The codecs of batches.

package recordbatch

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is how the records of a batch are compressed, by Kafka's own number.
type Codec int8

// The codecs of Kafka.
const (
	Uncompressed Codec = iota
	Gzip
	Snappy
	Lz4
	Zstd // since Kafka 2.1 (KIP-110)
)

// DefaultCodec is that of targets which keep what producers send
// (compression.type=producer). It is cheap for both sides, and every version of
// Kafka takes it. What the source had is not known: the archive holds records, not
// batches.
const DefaultCodec = Snappy

// CodecNames are the codecs as producers spell them (compression.type), by number.
var CodecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// String returns the name of the codec.
func (c Codec) String() string {
	if c < 0 || int(c) >= len(CodecNames) {
		return fmt.Sprintf("codec %d", int8(c))
	}
	return CodecNames[c]
}

// ParseChoice is ParseCodec where a codec may be chosen; nil for an empty name, which chooses none.
func ParseChoice(name string) (*Codec, error) {
	if name == "" {
		return nil, nil
	}
	codec, err := ParseCodec(name)
	return &codec, err
}

// ParseCodec finds a codec by its name.
func ParseCodec(name string) (Codec, error) {
	i := slices.Index(CodecNames, name)
	if i < 0 {
		return 0, fmt.Errorf("no codec is called %q: want one of %s", name, strings.Join(CodecNames, ", "))
	}
	return Codec(i), nil
}

// KeptCodec is what batches for a topic are best compressed with, by its setting
// compression.type: the codec that it keeps them in, so that the broker has nothing to
// do. Keeps is false where it keeps whatever producers send.
func KeptCodec(compressionType string) (codec Codec, keeps bool) {
	if compressionType == "uncompressed" {
		return Uncompressed, true
	}
	if codec, err := ParseCodec(compressionType); err == nil {
		return codec, true
	}
	return DefaultCodec, false // producer
}

// A coder compresses the records of one batch, a block at a time, and appends what
// becomes of them. Everything of a block is appended immediately, so that the size of the
// batch is known while it grows.
type coder interface {
	// blockBytes is how much is compressed at a time.
	blockBytes() int
	// begin appends what stands before the first block, if anything does.
	begin(dst []byte) []byte
	block(dst, block []byte) []byte
	// end appends what follows the last block.
	end(dst []byte) []byte
	// atMost bounds what so many more bytes and the end can take.
	atMost(n int) int
}

// newCoder returns a coder for one batch.
func (c Codec) newCoder() coder {
	switch c {
	case Gzip:
		return &gzipCoder{}
	case Snappy:
		return snappyCoder{}
	case Lz4:
		return lz4Coder{}
	case Zstd:
		return &zstdCoder{}
	}
	return noCoder{}
}

// codecBlock is how much is compressed at a time, in bytes: as much as Java's
// producers give to lz4, and twice what they give to snappy, for a few bytes less.
const codecBlock = 64 << 10

type noCoder struct{}

func (noCoder) blockBytes() int                { return codecBlock }
func (noCoder) begin(dst []byte) []byte        { return dst }
func (noCoder) block(dst, block []byte) []byte { return append(dst, block...) }
func (noCoder) end(dst []byte) []byte          { return dst }
func (noCoder) atMost(n int) int               { return n }

// xerialHeader begins a stream of snappy blocks as Java's producers write it: each
// block follows its length, four bytes big-endian. Its name is that of the library
// (snappy-java of org.xerial); both numbers are versions.
var xerialHeader = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}

type snappyCoder struct{}

func (snappyCoder) blockBytes() int         { return codecBlock }
func (snappyCoder) begin(dst []byte) []byte { return append(dst, xerialHeader...) }
func (snappyCoder) end(dst []byte) []byte   { return dst }

func (snappyCoder) block(dst, block []byte) []byte {
	dst = slices.Grow(dst, 4+s2.MaxEncodedLen(len(block)))
	compressed := s2.EncodeSnappy(dst[len(dst)+4:cap(dst)], block)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(compressed)))
	return dst[:len(dst)+len(compressed)]
}

// atMost rests on the library, which keeps a block as it is where it finds nothing.
func (snappyCoder) atMost(n int) int {
	return n + (n/codecBlock+1)*(4+s2.MaxEncodedLen(codecBlock)-codecBlock)
}

// lz4Header begins a frame of independent blocks of at most 64 KiB without
// checksums, which the batch has (lz4_Frame_format.md, v1.6): magic, flags, size of
// blocks, and the checksum of the last two. Java's consumers take no other kind of blocks.
var lz4Header = []byte{0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82}

const lz4Raw = 1 << 31 // of a block's length: it is not compressed

// lz4Tables are what finds repetitions, 256 KiB each.
var lz4Tables = sync.Pool{New: func() any { return new(lz4.Compressor) }}

type lz4Coder struct{}

func (lz4Coder) blockBytes() int         { return codecBlock }
func (lz4Coder) begin(dst []byte) []byte { return append(dst, lz4Header...) }
func (lz4Coder) end(dst []byte) []byte   { return append(dst, 0, 0, 0, 0) }

func (lz4Coder) block(dst, block []byte) []byte {
	table := lz4Tables.Get().(*lz4.Compressor)
	defer lz4Tables.Put(table)
	dst = slices.Grow(dst, 4+lz4.CompressBlockBound(len(block)))
	n, err := table.CompressBlock(block, dst[len(dst)+4:cap(dst)])
	if err != nil || n == 0 || n >= len(block) {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(block))|lz4Raw)
		return append(dst, block...)
	}
	dst = binary.LittleEndian.AppendUint32(dst, uint32(n))
	return dst[:len(dst)+n]
}

func (lz4Coder) atMost(n int) int { return (n/codecBlock+2)*4 + n }

// appender is a writer to the end of a slice.
type appender struct{ bytes []byte }

// Write implements io.Writer.
func (a *appender) Write(p []byte) (int, error) {
	a.bytes = append(a.bytes, p...)
	return len(p), nil
}

// gzipWriters are those of batches that are sealed: each takes about a megabyte.
var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

type gzipCoder struct {
	to     appender
	writer *gzip.Writer
}

func (*gzipCoder) blockBytes() int { return codecBlock }

// begin takes from a batch that was given up what it had begun.
func (c *gzipCoder) begin(dst []byte) []byte {
	if c.writer != nil {
		c.writer.Reset(&c.to)
	}
	return dst
}

func (c *gzipCoder) block(dst, block []byte) []byte {
	if c.writer == nil {
		c.writer = gzipWriters.Get().(*gzip.Writer)
		c.writer.Reset(&c.to)
	}
	c.to.bytes = dst
	_, _ = c.writer.Write(block) // an appender does not fail
	_ = c.writer.Flush()
	return c.to.bytes
}

func (c *gzipCoder) end(dst []byte) []byte {
	c.to.bytes = dst
	_ = c.writer.Close()
	gzipWriters.Put(c.writer)
	c.writer = nil
	return c.to.bytes
}

// atMost counts header and trailer, and what stored blocks and flushing add.
func (*gzipCoder) atMost(n int) int { return n + (n/codecBlock+1)*32 + 64 }

const (
	zstdBlock = 128 << 10 // its own largest block (RFC 8878)

	// zstdWindow is how far back repetitions are looked for. Batches are a few
	// megabytes at most, and every batch that is filled has an encoder of its own.
	zstdWindow = 512 << 10
)

// zstdEncoders are those of batches that are sealed: each takes a few megabytes.
// Checksums are left out, as by Java's producers: the batch has one.
var zstdEncoders = sync.Pool{New: func() any {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow),
		zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic(err) // options that do not fit each other, which no input changes
	}
	return encoder
}}

type zstdCoder struct {
	to      appender
	encoder *zstd.Encoder
}

func (*zstdCoder) blockBytes() int { return zstdBlock }

// begin takes from a batch that was given up what it had begun.
func (c *zstdCoder) begin(dst []byte) []byte {
	if c.encoder != nil {
		c.encoder.Reset(&c.to)
	}
	return dst
}

func (c *zstdCoder) block(dst, block []byte) []byte {
	if c.encoder == nil {
		c.encoder = zstdEncoders.Get().(*zstd.Encoder)
		c.encoder.Reset(&c.to)
	}
	c.to.bytes = dst
	_, _ = c.encoder.Write(block)
	_ = c.encoder.Flush()
	return c.to.bytes
}

func (c *zstdCoder) end(dst []byte) []byte {
	c.to.bytes = dst
	_ = c.encoder.Close()
	zstdEncoders.Put(c.encoder)
	c.encoder = nil
	return c.to.bytes
}

// atMost counts the headers of the frame and of its blocks, the last of them empty.
func (*zstdCoder) atMost(n int) int { return n + (n/zstdBlock+2)*8 + 32 }
