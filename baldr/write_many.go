package baldr

// manyMembers makes data members of about Options.MemberBytes. With one worker
// all happens in the calling goroutine. With more, the calling goroutine gathers
// records and writes sealed members in the order of their records; each is
// sealed by a goroutine that lives no longer than that. Which deflater sealed a
// member leaves no trace in it.
type manyMembers struct {
	w         *Writer
	current   *pending
	deflaters chan *deflater // one a worker; nil until it is needed
	sealing   []*pending     // in the order of their records
	free      []*pending
}

func newManyMembers(w *Writer) *manyMembers {
	m := &manyMembers{w: w, current: newPending(), deflaters: make(chan *deflater, w.opts.Workers)}
	for range w.opts.Workers {
		m.deflaters <- nil
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
	m.current.add(r, limit, valuesOnly)
	if m.w.opts.Workers == 1 && len(m.current.frames) >= feedBytes {
		return m.feed()
	}
	return nil
}

// feedBytes is how much is deflated at once when there is nobody to hand a whole
// member to: so little that it is still in a core's cache.
const feedBytes = 32 << 10

func (m *manyMembers) feed() error {
	d := m.takeDeflater()
	err := d.deflate(m.current)
	m.deflaters <- d
	return err
}

// addAlone writes a record that is a member by itself. Such records may be very
// large, so no other member is in memory with it, and its value is not copied.
func (m *manyMembers) addAlone(r *Record) error {
	if err := m.drain(0); err != nil {
		return err
	}
	m.current.addBorrowed(r, m.w.opts.ValuesOnly)
	return m.sealAndWrite()
}

// flush hands the current member on, if there is anything in it.
func (m *manyMembers) flush() error {
	if m.current.empty() {
		return nil
	}
	if m.w.opts.Workers == 1 {
		return m.sealAndWrite()
	}
	go m.seal(m.current)
	m.sealing = append(m.sealing, m.current)
	m.current = nil
	// Twice as many members as workers, so that a worker that is done before an
	// older member is finds its next one waiting.
	if err := m.drain(2*m.w.opts.Workers - 1); err != nil {
		return err
	}
	m.current = m.take()
	return nil
}

func (m *manyMembers) sealAndWrite() error {
	m.seal(m.current)
	<-m.current.done
	return m.write(m.current)
}

func (m *manyMembers) seal(p *pending) {
	d := m.takeDeflater()
	p.err = d.seal(p)
	m.deflaters <- d
	p.done <- struct{}{}
}

func (m *manyMembers) takeDeflater() *deflater {
	if d := <-m.deflaters; d != nil {
		return d
	}
	return newDeflater(m.w.opts.Level)
}

// drain writes the oldest members until at most keep are being sealed.
func (m *manyMembers) drain(keep int) error {
	for len(m.sealing) > keep {
		oldest := m.sealing[0]
		m.sealing = append(m.sealing[:0], m.sealing[1:]...)
		<-oldest.done
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

// finish writes all that is left, and returns a deflater that is not in use.
func (m *manyMembers) finish() (*deflater, error) {
	if err := m.flush(); err != nil {
		return nil, err
	}
	if err := m.drain(0); err != nil {
		return nil, err
	}
	return m.takeDeflater(), nil
}
