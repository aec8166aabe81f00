// The inflater: from memory to memory.

package deflate

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"
)

// A fastInflater inflates from memory to memory. A library's inflater reads its input
// byte by byte and keeps its own window, since it knows the size of neither side; without
// these the inner loop is short, and almost twice as fast. Everything inflated here has a
// checksum, so a mistake cannot pass for data.
type fastInflater struct {
	src []byte
	in  int    // bytes of src that are in bits, or past
	dst []byte // exactly what there should be
	out int    // bytes of dst that are done

	// The next bits of src, the first one lowest. Above the count there may be
	// more of them, so that whoever adds bytes by another way than refill must
	// clear those.
	bits  uint64
	count uint

	literals  literalTable // and lengths
	distances distanceTable
	ofLengths lengthTable
	lengths   [maxLiteralCodes + maxDistanceCodes]uint8 // of codes, as a block lists them

	noting bool    // references are to be noted
	notes  []Match // the first of them are, the others are room for more
	noted  int     // how many are
}

var (
	errCode   = errors.New("invalid deflated data: a code that its block does not define")
	errTable  = errors.New("invalid deflated data: a block with impossible codes")
	errBlock  = errors.New("invalid deflated data: a block of unknown type, or with a wrong length")
	errWindow = errors.New("invalid deflated data: a reference to before its beginning")
)

// inflate does what Inflate promises.
func (f *fastInflater) inflate(dst, src []byte, each func(done int) error) (used int, err error) {
	f.src, f.in, f.dst, f.out, f.bits, f.count = src, 0, dst, 0, 0, 0
	f.noted = 0
	f.notes = f.notes[:0]
	for last := false; !last; {
		header, err := f.take(3)
		if err != nil {
			return 0, err
		}
		last = header&1 != 0
		if err := f.block(header >> 1); err != nil {
			return 0, err
		}
		if err := each(f.out); err != nil {
			return 0, err
		}
	}
	if f.out != len(dst) {
		return 0, ErrSize
	}
	return f.in - int(f.count/8), nil
}

func (f *fastInflater) block(kind uint) error {
	switch kind {
	case 0:
		return f.stored()
	case 1:
		f.fixed()
	case 2:
		if err := f.dynamic(); err != nil {
			return err
		}
	default:
		return errBlock
	}
	return f.codes()
}

// take takes at most 16 bits.
func (f *fastInflater) take(count uint) (uint, error) {
	f.fill()
	if f.count < count {
		return 0, io.ErrUnexpectedEOF
	}
	value := uint(f.bits) & (1<<count - 1)
	f.skip(count)
	return value, nil
}

func (f *fastInflater) skip(count uint) {
	f.bits >>= count
	f.count -= count
}

// fill adds whole bytes until there are more than 56 bits, or nothing is left.
func (f *fastInflater) fill() {
	f.bits &= 1<<f.count - 1
	for f.count <= 56 && f.in < len(f.src) {
		f.bits |= uint64(f.src[f.in]) << f.count
		f.in++
		f.count += 8
	}
}

// stored copies a block that is not compressed (RFC 1951, 3.2.4).
func (f *fastInflater) stored() error {
	f.in -= int(f.count / 8) // it begins at the next byte
	f.bits, f.count = 0, 0
	if len(f.src)-f.in < 4 {
		return io.ErrUnexpectedEOF
	}
	size, check := binary.LittleEndian.Uint16(f.src[f.in:]), binary.LittleEndian.Uint16(f.src[f.in+2:])
	f.in += 4
	switch {
	case size != ^check:
		return errBlock
	case int(size) > len(f.src)-f.in:
		return io.ErrUnexpectedEOF
	case int(size) > len(f.dst)-f.out:
		return ErrSize
	}
	f.out += copy(f.dst[f.out:], f.src[f.in:f.in+int(size)])
	f.in += int(size)
	return nil
}

// codes inflates the rest of a block whose codes are known: fast while there is
// room on both sides, and with care near the end of one.
func (f *fastInflater) codes() error {
	for {
		ended, err := f.fast()
		if ended || err != nil {
			return err
		}
		ended, err = f.step()
		if ended || err != nil {
			return err
		}
	}
}

const (
	roomIn  = 16                                  // of src, for one round of fast: two refills
	roomOut = refilledBits + maxMatch + wordBytes // of dst

	// at least so many are there after a refill; a literal takes one or more
	refilledBits = 56
	lengthNeeds  = maxCodeBits + maxLengthExtra // bits
	leastMatch   = 3
	maxMatch     = 258
	wordBytes    = 16 // copied at once, beyond the end of a match too
)

// fast inflates as long as a whole round has room: it need not look at the end of
// src or dst then. A round is literals as far as the bits go, and the reference
// behind them. It reports whether the block has ended.
func (f *fastInflater) fast() (ended bool, err error) {
	src, dst, in, out, bits, count := f.src, f.dst, f.in, f.out, f.bits, f.count
	if f.noting {
		dst = dst[:min(len(dst), out+f.roomForNotes()*leastMatch)]
	}
	literals, distances := &f.literals, &f.distances
rounds:
	for len(src)-in >= roomIn && len(dst)-out >= roomOut {
		// All bytes that fit, in one step: one that fits in part comes again.
		bits |= binary.LittleEndian.Uint64(src[in:]) << (count & 63)
		in += int(63-count) >> 3
		count |= refilledBits
		e := literals[bits&(1<<literalBits-1)]
		for e.is(literal) {
			bits >>= e.bits()
			count -= e.bits()
			dst[out] = byte(e >> 16)
			out++
			if count < lengthNeeds {
				continue rounds
			}
			e = literals[bits&(1<<literalBits-1)]
		}
		if e.is(special) {
			if e.is(long) {
				e = literals[e.subtable(bits>>literalBits)]
			}
			if e.is(literal | special) {
				f.in, f.out, f.bits, f.count = in, out, bits, count
				if ended, err = f.rare(e); ended || err != nil {
					return ended, err
				}
				out, bits, count = f.out, f.bits, f.count
				continue
			}
		}
		length := int(e.value(bits))
		bits >>= e.bits()
		count -= e.bits()
		bits |= binary.LittleEndian.Uint64(src[in:]) << (count & 63)
		in += int(63-count) >> 3
		count |= refilledBits
		e = distances[bits&(1<<distanceBits-1)]
		if e.is(long) {
			e = distances[e.subtable(bits>>distanceBits)]
		}
		distance := int(e.value(bits))
		if e.is(special) {
			return false, errCode
		}
		bits >>= e.bits()
		count -= e.bits()
		if distance > out {
			return false, errWindow
		}
		from, end := out-distance, out+length
		if f.noted < len(f.notes) {
			f.notes[f.noted] = Match{uint32(out), uint16(length), uint16(distance)}
			f.noted++
		}
		if distance < wordBytes {
			copyOverlap(dst, out, from, end)
		} else {
			for ; out < end; out, from = out+wordBytes, from+wordBytes {
				*(*[wordBytes]byte)(dst[out:]) = *(*[wordBytes]byte)(dst[from:])
			}
		}
		out = end
	}
	f.in, f.out, f.bits, f.count = in, out, bits, count
	return false, nil
}

// roomForNotes makes room for more references if little is left: fast ends when there is none.
// It returns for how many there is.
func (f *fastInflater) roomForNotes() int {
	const least = 1 << 10
	if len(f.notes)-f.noted < least {
		f.notes = slices.Grow(f.notes, len(f.notes)/2+4*least)
		f.notes = f.notes[:cap(f.notes)]
	}
	return len(f.notes) - f.noted
}

// copyOverlap copies bytes that were perhaps copied just before.
func copyOverlap(dst []byte, out, from, end int) {
	for ; out < end; out, from = out+1, from+1 {
		dst[out] = dst[from]
	}
}

// rare does what a code means that is not a length: a literal, the end of the
// block, or nothing.
func (f *fastInflater) rare(e entry) (ended bool, err error) {
	switch {
	case e.is(literal):
		if f.out == len(f.dst) {
			return false, ErrSize
		}
		f.dst[f.out] = byte(e >> 16)
		f.out++
	case !e.is(blockEnd):
		return false, errCode
	}
	f.skip(e.bits())
	return e.is(blockEnd), nil
}

// step inflates one literal or one reference near the end of src or dst.
func (f *fastInflater) step() (ended bool, err error) {
	f.fill()
	e := f.literals[f.bits&(1<<literalBits-1)]
	if e.is(long) {
		e = f.literals[e.subtable(f.bits>>literalBits)]
	}
	if e.bits() > f.count {
		return false, io.ErrUnexpectedEOF
	}
	if e.is(literal | special) {
		return f.rare(e)
	}
	length := int(e.value(f.bits))
	f.skip(e.bits())
	distance, err := f.distance()
	if err != nil {
		return false, err
	}
	return false, f.repeat(length, distance)
}

func (f *fastInflater) distance() (int, error) {
	f.fill()
	e := f.distances[f.bits&(1<<distanceBits-1)]
	if e.is(long) {
		e = f.distances[e.subtable(f.bits>>distanceBits)]
	}
	switch {
	case e.bits() > f.count:
		return 0, io.ErrUnexpectedEOF
	case e.is(special):
		return 0, errCode
	}
	distance := int(e.value(f.bits))
	f.skip(e.bits())
	return distance, nil
}

// repeat writes length bytes again that stand distance before.
func (f *fastInflater) repeat(length, distance int) error {
	if distance > f.out {
		return errWindow
	}
	if length > len(f.dst)-f.out {
		return ErrSize
	}
	if f.noting {
		f.roomForNotes()
		f.notes[f.noted] = Match{uint32(f.out), uint16(length), uint16(distance)}
		f.noted++
	}
	copyOverlap(f.dst, f.out, f.out-distance, f.out+length)
	f.out += length
	return nil
}
