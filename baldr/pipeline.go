// How several workers decode members ahead of the reader.

package baldr

import (
	"bytes"
	"io"
	"slices"
)

// A pipeline reads and decodes the members of a File in order, with more than
// one worker some of them ahead of the one whose records are being returned.
type pipeline struct {
	f       *File
	next    int       // member to begin next
	loading []*loader // in order
	free    []*loader
	memory  int64 // of the members being loaded or returned
}

func (p *pipeline) run(wanted *target, yield func(Record, error) bool) {
	// The first member goes alone, and its records are returned before another
	// is read: who looks for one record pays for one member.
	p.begin(wanted != nil)
	for ahead := false; len(p.loading) > 0; ahead = p.f.opts.Workers > 1 {
		l := p.loading[0]
		p.loading = append(p.loading[:0], p.loading[1:]...)
		<-l.done
		if ahead {
			p.beginAhead()
		}
		if !l.yieldAll(wanted, p.f.opts.ValuesOnly, yield) {
			return
		}
		wanted = nil
		p.release(l)
		p.beginAhead()
	}
}

// beginAhead begins as many members as workers and memory allow.
func (p *pipeline) beginAhead() {
	for p.next < len(p.f.members) && len(p.loading) < p.f.opts.Workers {
		if p.memory > 0 && p.memory+p.f.members[p.next].loaded() > int64(p.f.opts.MemoryBytes) {
			return
		}
		p.begin(false)
	}
}

// begin begins the next member, with its envelope even if only values are
// wanted when a record has to be found in it.
func (p *pipeline) begin(withEnvelope bool) {
	l := p.take()
	l.member = &p.f.members[p.next]
	l.opts.ValuesOnly = p.f.opts.ValuesOnly && !withEnvelope
	p.next++
	p.memory += l.member.loaded()
	p.loading = append(p.loading, l)
	if p.f.opts.Workers > 1 {
		go l.load(p.f.r)
	} else {
		l.load(p.f.r)
	}
}

func (p *pipeline) take() *loader {
	if len(p.free) == 0 {
		return &loader{dataReader: dataReader{opts: p.f.opts}, done: make(chan struct{}, 1)}
	}
	l := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	return l
}

// release gives up a member's memory; that of a long one for good, since the
// next may be short, and there may be many loaders.
func (p *pipeline) release(l *loader) {
	p.memory -= l.member.loaded()
	if p.f.opts.Workers == 1 || l.member.loaded() <= 4*DefaultMemberBytes {
		p.free = append(p.free, l)
	}
}

// wait returns when nothing reads from the file any more: its owner may close it.
func (p *pipeline) wait() {
	for _, l := range p.loading {
		<-l.done
	}
}

// A loader reads one member at a time from a File.
type loader struct {
	dataReader
	member *member
	stored []byte
	err    error
	done   chan struct{}
}

// pieceBytes is the longest member that is read in one piece. Those of several
// records are always shorter.
const pieceBytes = 16 << 20

// loaded is the memory that a loader takes for the member.
func (m *member) loaded() int64 { return m.memory() + min(m.storedBytes, pieceBytes) }

func (l *loader) load(r io.ReaderAt) {
	l.err = l.read(r)
	l.done <- struct{}{}
}

func (l *loader) read(r io.ReaderAt) error {
	m := l.member
	if m.storedBytes > pieceBytes {
		l.stream.resetSize(io.NewSectionReader(r, m.position, m.storedBytes), m.position, pieceBytes)
	} else {
		l.stored = slices.Grow(l.stored[:0], int(m.storedBytes))[:m.storedBytes]
		if err := readAtFull(r, l.stored, m.position); err != nil {
			return err
		}
		l.stream.reset(bytes.NewReader(l.stored), m.position)
	}
	for {
		header, err := l.stream.nextHeader()
		if err == io.EOF {
			return damaged(m.position, "the index tells of a data member that is not there")
		}
		if err != nil {
			return err
		}
		if header.subfields.data != nil {
			return l.readListed(header)
		}
		if err := l.addSpilled(header); err != nil {
			return err
		}
	}
}

// readListed reads a data member and compares it with its row of the index.
func (l *loader) readListed(header *memberHeader) error {
	facts, err := l.readFacts(header)
	if err != nil {
		return err
	}
	if facts.open() {
		return damaged(header.pos, "an open member that the index calls closed")
	}
	err = l.readData(header, facts)
	if err != nil && err != errUnwanted {
		return err
	}
	read := l.decoder.facts
	read.position = l.member.position
	if err == errUnwanted { // what only the member's end tells
		l.decoder.left = 0
		read.storedBytes, read.crc = l.member.storedBytes, l.member.crc
	}
	if read != *l.member {
		return damaged(header.pos, "a data member is not what its row of the index says")
	}
	return nil
}

// yieldAll passes on the records of the member from the target on, and
// says whether to go on.
func (l *loader) yieldAll(wanted *target, valuesOnly bool, yield func(Record, error) bool) bool {
	if l.err != nil {
		yield(Record{}, l.err)
		return false
	}
	for {
		record, err := l.next()
		if err == io.EOF {
			return true
		}
		if err != nil {
			yield(Record{}, err)
			return false
		}
		if wanted != nil && !wanted.reached(&record) {
			continue
		}
		wanted = nil
		if valuesOnly {
			record = record.valueOnly()
		}
		if !yield(record, nil) {
			return false
		}
	}
}
