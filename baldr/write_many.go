// How an object of many data members is written.

package baldr

import "sync/atomic"

// manyMembers makes data members of about Options.MemberBytes.
//
// The goroutine that calls the Writer is one of its workers. With one worker everything
// happens there, and records are deflated as they come. With more, members are collected
// and handed to goroutines, each of which seals one and ends; when all of those are busy
// and one more member is waiting, the calling goroutine deflates the next member itself.
// Which goroutine sealed a member leaves no trace in it, and only the calling goroutine
// writes members, in the order of their records.
type manyMembers struct {
	w          *Writer
	current    *pending
	own        *deflater      // of the calling goroutine; nil until it is needed
	others     chan *deflater // of the other workers, likewise; at the end with room for own
	unfinished atomic.Int64   // members handed over and not sealed
	queue      []*pending     // to be written, in the order of their records
	free       []*pending
}

func newManyMembers(w *Writer) *manyMembers {
	m := &manyMembers{w: w, current: newPending(), others: make(chan *deflater, w.opts.Workers)}
	for range w.opts.Workers - 1 {
		m.others <- nil
	}
	return m
}

func (m *manyMembers) add(r *Record) error {
	limit, valuesOnly := m.w.opts.MemberBytes, m.w.opts.ValuesOnly
	if !m.current.fits(r, limit, valuesOnly) {
		if err := m.flush(); err != nil {
			return err
		}
		if !m.current.fits(r, limit, valuesOnly) {
			return m.addAlone(r)
		}
	}
	if m.current.empty() {
		others := m.w.opts.Workers - 1
		m.current.handOver = others > 0 && m.unfinished.Load() <= int64(others)
	}
	m.current.add(r, limit, valuesOnly)
	if !m.current.handOver && len(m.current.frames) >= feedBytes {
		return m.ownDeflater().deflate(m.current)
	}
	return nil
}

// feedBytes is how much the calling goroutine deflates at a time: so little that it is
// still in a core's cache.
const feedBytes = 32 << 10

// addAlone writes a record that is a member by itself. Such records may be very
// large, so no other member is in memory with it, and its value is not copied.
func (m *manyMembers) addAlone(r *Record) error {
	if err := m.drain(0); err != nil {
		return err
	}
	m.current.addBorrowed(r, m.w.opts.ValuesOnly)
	if err := m.flush(); err != nil {
		return err
	}
	return m.drain(0)
}

// flush ends the current member, if there is anything in it, and begins another.
func (m *manyMembers) flush() error {
	if m.current.empty() {
		return nil
	}
	if m.current.handOver {
		m.unfinished.Add(1)
		go m.sealElsewhere(m.current)
	} else {
		m.current.seal(m.ownDeflater())
	}
	m.queue = append(m.queue, m.current)
	// Enough for the members handed over and as many again, which may be done
	// and wait for an older one.
	if err := m.drain(2*m.w.opts.Workers - 1); err != nil {
		return err
	}
	m.current = m.take()
	return nil
}

func (m *manyMembers) sealElsewhere(p *pending) {
	defer m.unfinished.Add(-1)
	d := <-m.others
	if d == nil {
		d = newDeflater(m.w.opts.Level)
	}
	p.seal(d)
	m.others <- d
}

func (m *manyMembers) ownDeflater() *deflater {
	if m.own == nil {
		m.own = newDeflater(m.w.opts.Level)
	}
	return m.own
}

// drain writes the members whose turn has come. Those that are not sealed yet
// it waits for only when more than keep are left.
func (m *manyMembers) drain(keep int) error {
	for len(m.queue) > 0 {
		oldest := m.queue[0]
		if len(m.queue) <= keep && len(oldest.done) == 0 {
			return nil
		}
		<-oldest.done
		m.queue = append(m.queue[:0], m.queue[1:]...)
		if err := m.write(oldest); err != nil {
			return err
		}
		m.free = append(m.free, oldest)
	}
	return nil
}

func (m *manyMembers) write(p *pending) error {
	if p.err != nil {
		return p.err
	}
	m.w.rows = p.facts.appendRow(m.w.rows)
	if err := m.w.write(p.head); err != nil {
		return err
	}
	if err := m.w.write(p.body); err != nil {
		return err
	}
	p.release(m.w.opts.MemberBytes)
	return nil
}

func (m *manyMembers) take() *pending {
	if len(m.free) == 0 {
		return newPending()
	}
	last := len(m.free) - 1
	p := m.free[last]
	m.free = m.free[:last]
	return p
}

// finish writes all that is left, and returns a deflater that is not in use. The
// calling goroutine has no more to do, so a member that waits takes its deflater.
func (m *manyMembers) finish() (*deflater, error) {
	if err := m.flush(); err != nil {
		return nil, err
	}
	m.others <- m.ownDeflater()
	if err := m.drain(0); err != nil {
		return nil, err
	}
	m.own = nil
	m.spare()
	return m.ownDeflater(), nil
}

// spare leaves what took memory to other Writers, but for one deflater.
func (m *manyMembers) spare() {
	for range m.w.opts.Workers {
		d := <-m.others
		switch {
		case d == nil:
		case m.own == nil:
			m.own = d
		default:
			d.spare()
		}
	}
	for _, p := range append(m.free, m.current) {
		p.release(min(m.w.opts.MemberBytes, DefaultMemberBytes))
		sparePending.Put(p)
	}
	m.free, m.current = nil, nil
}
