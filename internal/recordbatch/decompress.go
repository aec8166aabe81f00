// How what producers compressed is undone.

package recordbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// ErrTooLarge is the cause of every error about a batch that is complete but too large
// for the memory that there is. The bound also keeps a few kilobytes that claim to be
// gigabytes from ending the function.
var ErrTooLarge = errors.New("the batch is too large")

// TooLarge makes such an error, which says by what, and what to do.
func TooLarge(how string, most int64) error {
	return fmt.Errorf("%w: %s it is more than %d bytes, which is all that the memory here allows: "+
		"give the function more, or archive it with bifrost flush on a machine that has more "+
		"(docs/kafka.md, \"Large batches\")", ErrTooLarge, how, most)
}

// Decompressor undoes what producers did to the records of a batch. Its memory
// is used again for the next batch.
type Decompressor struct {
	Most int64 // bytes of the largest batch, uncompressed

	out        []byte
	compressed bytes.Reader
	gzip       *gzip.Reader
	zstd       *zstd.Decoder
}

// Decompress returns the records of a batch. They are valid until the next call.
func (d *Decompressor) Decompress(codec Codec, in []byte) (out []byte, err error) {
	if codec == Uncompressed {
		return in, nil
	}
	switch codec {
	case Gzip:
		out, err = d.gunzip(in)
	case Snappy:
		out, err = d.unsnappy(d.out[:0], in)
	case Lz4:
		out, err = d.unlz4(d.out[:0], in)
	case Zstd:
		out, err = d.unzstd(in)
	default:
		return nil, Corrupt("compression codec %d", int8(codec))
	}
	if err != nil {
		return nil, err
	}
	d.out = out
	return out, nil
}

func (d *Decompressor) tooLarge() error { return TooLarge("uncompressed", d.Most) }

func (d *Decompressor) gunzip(in []byte) ([]byte, error) {
	d.compressed.Reset(in)
	if d.gzip == nil {
		d.gzip = new(gzip.Reader)
	}
	if err := d.gzip.Reset(&d.compressed); err != nil {
		return nil, Corrupt("gzip: %v", err)
	}
	out := d.out[:0]
	for {
		out = slices.Grow(out, 512)
		n, err := d.gzip.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case err == io.EOF:
			return out, nil
		case err != nil:
			return nil, Corrupt("gzip: %v", err)
		case int64(len(out)) > d.Most:
			return nil, d.tooLarge()
		}
	}
}

// zstdBlockMinimum is the length of the shortest block of zstd (RFC 8878). With what a
// block holds at most it bounds what a frame of a given length can honestly claim to be.
const zstdBlockMinimum = 4

func (d *Decompressor) unzstd(in []byte) ([]byte, error) {
	if d.zstd == nil {
		decoder, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(uint64(d.Most)))
		if err != nil {
			return nil, err
		}
		d.zstd = decoder
	}
	var frame zstd.Header
	if err := frame.Decode(in); err != nil {
		return nil, Corrupt("zstd: %v", err)
	}
	if honest := uint64(len(in)/zstdBlockMinimum+1) * zstdBlock; frame.HasFCS && frame.FrameContentSize > honest {
		return nil, Corrupt("zstd: %d bytes claim to be %d", len(in), frame.FrameContentSize)
	}
	out, err := d.zstd.DecodeAll(in, d.out[:0])
	if errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
		return nil, d.tooLarge()
	}
	if err != nil {
		return nil, Corrupt("zstd: %v", err)
	}
	return out, nil
}

// Close gives back what the decoders hold.
func (d *Decompressor) Close() {
	if d.zstd != nil {
		d.zstd.Close()
	}
}

// snappyRatio is more than snappy can reach: three bytes copy 64.
const snappyRatio = 32

var (
	xerialMagic       = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}
	xerialHeaderBytes = len(xerialMagic) + 8 // two versions
)

// unsnappy appends what one snappy block holds or, as Java's producers write it
// (the xerial framing), a sequence of blocks with their lengths.
func (d *Decompressor) unsnappy(out, in []byte) ([]byte, error) {
	if !bytes.HasPrefix(in, xerialMagic) {
		return d.snappyBlock(out, in)
	}
	if len(in) < xerialHeaderBytes {
		return nil, Corrupt("snappy: header cut")
	}
	for in = in[xerialHeaderBytes:]; len(in) > 0; {
		if len(in) < 4 {
			return nil, Corrupt("snappy: length cut")
		}
		length := int64(int32(binary.BigEndian.Uint32(in)))
		in = in[4:]
		if length < 0 || length > int64(len(in)) {
			return nil, Corrupt("snappy: a block of %d bytes in %d", length, len(in))
		}
		var err error
		if out, err = d.snappyBlock(out, in[:length]); err != nil {
			return nil, err
		}
		in = in[length:]
	}
	return out, nil
}

func (d *Decompressor) snappyBlock(out, in []byte) ([]byte, error) {
	length, err := s2.DecodedLen(in)
	if err != nil {
		return nil, Corrupt("snappy: %v", err)
	}
	if length > snappyRatio*len(in) {
		return nil, Corrupt("snappy: %d bytes claim to be %d", len(in), length)
	}
	if int64(len(out)+length) > d.Most {
		return nil, d.tooLarge()
	}
	start := len(out)
	out = slices.Grow(out, length)[:start+length]
	if _, err := s2.Decode(out[start:], in); err != nil {
		return nil, Corrupt("snappy: %v", err)
	}
	return out, nil
}

// Parts of a frame of lz4 (lz4_Frame_format.md, v1.6).
const (
	lz4Magic              = 0x184D2204
	lz4IndependentBit     = 0x20
	lz4BlockChecksumBit   = 0x10
	lz4ContentSizeBit     = 0x08
	lz4ContentChecksumBit = 0x04
	lz4DictionaryBit      = 0x01
	lz4RawBit             = 1 << 31 // of a block's length: it is not compressed
	lz4Window             = 64 << 10
	lz4HeaderBytes        = 7 // magic, flags, block size, checksum
)

// unlz4 appends what a frame of lz4 holds. The library's own reader is made for
// streams: it copies every byte once more. The frame's checksums are not
// compared, because the batch has one; some old producers compute the header's
// wrongly (KAFKA-3160).
func (d *Decompressor) unlz4(out, in []byte) ([]byte, error) {
	if len(in) < lz4HeaderBytes || binary.LittleEndian.Uint32(in) != lz4Magic {
		return nil, Corrupt("lz4: no frame")
	}
	flags, size := in[4], in[5]>>4&0x07
	if flags&lz4DictionaryBit != 0 || size < 4 {
		return nil, Corrupt("lz4: flags %#02x, block size %d", flags, size)
	}
	largest := 1 << (8 + 2*size) // 64 KiB to 4 MiB
	in = in[lz4HeaderBytes:]
	if flags&lz4ContentSizeBit != 0 {
		in = in[min(8, len(in)):]
	}
	for {
		if len(in) < 4 {
			return nil, Corrupt("lz4: frame cut")
		}
		field := binary.LittleEndian.Uint32(in)
		in = in[4:]
		if field == 0 {
			return out, nil
		}
		length := int(field &^ lz4RawBit)
		if length > len(in) {
			return nil, Corrupt("lz4: a block of %d bytes in %d", length, len(in))
		}
		var err error
		raw, independent := field&lz4RawBit != 0, flags&lz4IndependentBit != 0
		if out, err = d.lz4Block(out, in[:length], largest, raw, independent); err != nil {
			return nil, err
		}
		if int64(len(out)) > d.Most {
			return nil, d.tooLarge()
		}
		in = in[length:]
		if flags&lz4BlockChecksumBit != 0 {
			in = in[min(4, len(in)):]
		}
	}
}

func (d *Decompressor) lz4Block(out, in []byte, largest int, raw, independent bool) ([]byte, error) {
	if raw {
		return append(out, in...), nil
	}
	start := len(out)
	out = slices.Grow(out, largest)
	var dictionary []byte
	if !independent {
		dictionary = out[max(0, start-lz4Window):start]
	}
	n, err := lz4.UncompressBlockWithDict(in, out[start:start+largest], dictionary)
	if err != nil {
		return nil, Corrupt("lz4: %v", err)
	}
	return out[:start+n], nil
}
