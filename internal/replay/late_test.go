package replay

import (
	"flag"
	"fmt"
	"slices"
	"testing"
)

// A model of what a part does with many batches on their way, against brokers that check
// nothing but epochs and sequences (before Kafka 3.6): a batch that was sent may come at
// any time later, on a connection that its run has long given up. All orders are tried.

// rules are what a run could do wrong. All of them false is what it does; each one that is
// true must be seen.
type rules struct {
	abortUnanswered  bool // ends a transaction in its own epoch while batches are unanswered
	commitUnanswered bool // commits when the batches that were answered were answered well
	trustMemory      bool // goes on from where it thinks it is, and does not look
	lookBefore       bool // looks before it fences
	returnShutOut    bool // initializes and goes on from memory when it was shut out
	joinLate         bool // sends before the partition is part of the transaction
	commitTwice      bool // sends a commit again, in the same epoch, when the answer was lost
}

// bounds are how far the model goes.
type bounds struct {
	records int8
	window  int8 // batches on their way, and in a transaction
	inits   int8 // that are answered
	cuts    int8 // of connections, lost answers to commits, transactions that time out
}

type modelBatch struct{ part, epoch, sequence, value int8 } // value: a record, or a position

type modelLine struct { // of a connection
	run   int8
	cut   bool
	queue []modelBatch
}

type modelEntry struct{ epoch, value int8 } // value -1: what is open is committed; -2: aborted

type modelPartition struct {
	log         []modelEntry
	epoch, last int8 // of the producer; -1 when it is not known here
	marker      int8 // to come: 0 none, else as a value of a log
	markerEpoch int8
	joined      bool
}

type modelRun struct {
	phase    int8 // one of the phases below
	epoch    int8
	next     int8 // record
	from     int8 // first of the transaction
	sequence [2]int8
	waiting  []int8 // answers to what was sent: 0 none yet, 1 good, 2 bad, 3 none any more
	line     int8   // of the connection in use, -1 none
	told     bool   // the position is sent
	failed   bool
}

const (
	phaseBegin int8 = iota // has to fence
	phaseLook              // has fenced, has to look
	phaseReady             // no transaction
	phaseOpen
	phaseEnded
)

type modelState struct {
	bounds
	parts [2]modelPartition // records, positions
	epoch int8              // the coordinator's
	open  bool
	runs  [2]modelRun
	lines []modelLine
	late  []int8 // epochs of commits that may come
}

// key tells states apart. Lines on which nothing can come any more are left out of it.
func (s *modelState) key() string {
	b := make([]byte, 0, 128)
	put := func(values ...int8) {
		for _, v := range values {
			b = append(b, byte(v))
		}
	}
	flag := func(is bool) int8 {
		if is {
			return 1
		}
		return 0
	}
	put(s.inits, s.cuts, s.epoch, flag(s.open), int8(len(s.late)))
	put(s.late...)
	for i := range s.parts {
		p := &s.parts[i]
		put(p.epoch, p.last, p.marker, p.markerEpoch, flag(p.joined), int8(len(p.log)))
		for _, e := range p.log {
			put(e.epoch, e.value)
		}
	}
	for i := range s.runs {
		r := &s.runs[i]
		put(r.phase, r.epoch, r.next, r.from, r.sequence[0], r.sequence[1], r.line, flag(r.told), flag(r.failed),
			int8(len(r.waiting)))
		put(r.waiting...)
	}
	for _, l := range s.lines {
		put(l.run, flag(l.cut), int8(len(l.queue)))
		for _, batch := range l.queue {
			put(batch.part, batch.epoch, batch.sequence, batch.value)
		}
	}
	return string(b)
}

// dropLines forgets the lines on which nothing can come any more.
func (s *modelState) dropLines() {
	for i := len(s.lines) - 1; i >= 0; i-- {
		if !s.lines[i].cut || len(s.lines[i].queue) > 0 {
			continue
		}
		s.lines = slices.Delete(s.lines, i, i+1)
		for n := range s.runs {
			if s.runs[n].line > int8(i) {
				s.runs[n].line--
			}
		}
	}
}

func (s *modelState) clone() *modelState {
	c := *s
	for i := range c.parts {
		c.parts[i].log = slices.Clone(s.parts[i].log)
	}
	for i := range c.runs {
		c.runs[i].waiting = slices.Clone(s.runs[i].waiting)
	}
	c.late = slices.Clone(s.late)
	c.lines = slices.Clone(s.lines)
	for i := range c.lines {
		c.lines[i].queue = slices.Clone(s.lines[i].queue)
	}
	return &c
}

// committed is what a reader of committed records sees, and whether something is open.
func (p *modelPartition) committed() (values []int8, open bool) {
	var pending []int8
	for _, e := range p.log {
		switch e.value {
		case -1:
			values = append(values, pending...)
			pending = nil
		case -2:
			pending = nil
		default:
			pending = append(pending, e.value)
		}
	}
	return values, len(pending) > 0
}

func (s *modelState) position() int8 {
	values, _ := s.parts[1].committed()
	if len(values) == 0 {
		return 0
	}
	return values[len(values)-1]
}

// wrong is what must never be.
func (s *modelState) wrong() string {
	records, open := s.parts[0].committed()
	for i, r := range records {
		if int(r) != i {
			return fmt.Sprintf("committed are %d", records)
		}
	}
	if open && !s.open && s.parts[0].marker == 0 {
		for _, l := range s.lines {
			if len(l.queue) > 0 {
				return ""
			}
		}
		return "a transaction is open that nobody ends"
	}
	return ""
}

// end ends the coordinator's transaction: markers are on their way.
func (s *modelState) end(value, epoch int8) {
	s.open = false
	for i := range s.parts {
		if p := &s.parts[i]; p.joined {
			p.joined, p.marker, p.markerEpoch = false, value, epoch
		}
	}
}

func (s *modelState) settled() bool { return s.parts[0].marker == 0 && s.parts[1].marker == 0 }

// arrive is a batch at the leader of its partition.
func (s *modelState) arrive(b modelBatch) bool {
	p := &s.parts[b.part]
	switch {
	case b.epoch < p.epoch, p.epoch == b.epoch && b.sequence != p.last+1,
		p.epoch >= 0 && b.epoch > p.epoch && b.sequence != 0:
		return false
	}
	p.epoch, p.last = b.epoch, b.sequence
	p.log = append(p.log, modelEntry{b.epoch, b.value})
	return true
}

// nextStates are all that can happen.
func (s *modelState) nextStates(broken rules) (all []*modelState) {
	try := func(do func(*modelState)) {
		c := s.clone()
		do(c)
		c.dropLines()
		all = append(all, c)
	}
	if s.open && s.cuts > 0 && s.settled() {
		try(func(c *modelState) { // the coordinator gives the transaction up
			c.cuts--
			c.epoch++
			c.end(-2, c.epoch)
		})
	}
	for i := range s.parts {
		if s.parts[i].marker != 0 {
			try(func(c *modelState) {
				p := &c.parts[i]
				p.log = append(p.log, modelEntry{p.markerEpoch, p.marker})
				if p.markerEpoch > p.epoch {
					p.epoch, p.last = p.markerEpoch, -1
				}
				p.marker = 0
			})
		}
	}
	for i, epoch := range s.late {
		try(func(c *modelState) {
			c.late = slices.Delete(c.late, i, i+1)
			if c.open && c.epoch == epoch && c.settled() {
				c.end(-1, epoch)
			}
		})
		try(func(c *modelState) { c.late = slices.Delete(c.late, i, i+1) })
	}
	for i, l := range s.lines {
		if len(l.queue) > 0 {
			try(func(c *modelState) {
				b := c.lines[i].queue[0]
				c.lines[i].queue = c.lines[i].queue[1:]
				took := c.arrive(b)
				if r := &c.runs[l.run]; !l.cut && r.line == int8(i) {
					answer := slices.Index(r.waiting, 0)
					r.waiting[answer] = 1
					if !took {
						r.waiting[answer] = 2
					}
				}
			})
		}
		if l.cut && len(l.queue) > 0 { // what is left of it is lost
			try(func(c *modelState) { c.lines[i].queue = nil })
		}
		if !l.cut && s.cuts > 0 && s.runs[l.run].line == int8(i) {
			try(func(c *modelState) {
				c.cuts--
				c.lines[i].cut = true
				r := &c.runs[l.run]
				r.line = -1
				for n, answer := range r.waiting {
					if answer == 0 {
						r.waiting[n] = 3
					}
				}
			})
		}
	}
	for n := range s.runs {
		s.nextOfRun(n, broken, try)
	}
	return all
}

// send puts a batch of a run on its connection, a new one if it was cut.
func (s *modelState) send(n int, part, value int8) {
	r := &s.runs[n]
	if r.line < 0 {
		s.lines = append(s.lines, modelLine{run: int8(n)})
		r.line = int8(len(s.lines) - 1)
	}
	l := &s.lines[r.line]
	l.queue = append(l.queue, modelBatch{part, r.epoch, r.sequence[part], value})
	r.sequence[part]++
	r.waiting = append(r.waiting, 0)
}

// hangUp gives up the connection of a run.
func (s *modelState) hangUp(r *modelRun) {
	if r.line >= 0 {
		s.lines[r.line].cut = true
	}
	r.line, r.waiting, r.told = -1, nil, false
}

func (s *modelState) nextOfRun(n int, broken rules, try func(func(*modelState))) {
	r := &s.runs[n]
	init := func(do func(*modelState, *modelRun)) { // once everything before is ended
		if s.inits == 0 || !s.settled() {
			return
		}
		if s.open {
			try(func(c *modelState) {
				c.epoch++
				c.end(-2, c.epoch)
			})
			return
		}
		try(func(c *modelState) {
			c.inits--
			c.epoch++
			me := &c.runs[n]
			me.epoch, me.sequence = c.epoch, [2]int8{}
			do(c, me)
		})
	}
	switch r.phase {
	case phaseBegin:
		if r.failed { // that it was shut out it may see, or not yet
			try(func(c *modelState) { c.runs[n].phase = phaseEnded })
		}
		init(func(c *modelState, me *modelRun) {
			me.phase = phaseLook
			if me.failed && (broken.trustMemory || broken.returnShutOut) {
				me.phase = phaseReady
			}
			if broken.lookBefore {
				me.phase = phaseReady
			}
		})
		if broken.lookBefore {
			try(func(c *modelState) { c.runs[n].next = c.position() })
		}
	case phaseLook:
		try(func(c *modelState) {
			c.runs[n].next = c.position()
			c.runs[n].phase = phaseReady
		})
	case phaseReady:
		if r.next == s.records || r.epoch != s.epoch {
			try(func(c *modelState) {
				c.runs[n].phase = phaseEnded
				if broken.returnShutOut && r.epoch != s.epoch {
					c.runs[n].phase, c.runs[n].failed = phaseBegin, true
				}
			})
			return
		}
		if s.settled() && !s.open {
			try(func(c *modelState) {
				c.open = true
				c.parts[0].joined, c.parts[1].joined = !broken.joinLate, true
				me := &c.runs[n]
				me.phase, me.from = phaseOpen, me.next
			})
		}
	case phaseOpen:
		s.nextOfOpen(n, broken, try)
	}
}

func (s *modelState) nextOfOpen(n int, broken rules, try func(func(*modelState))) {
	r := &s.runs[n]
	bad, pending, lost := slices.Contains(r.waiting, 2), slices.Contains(r.waiting, 0), slices.Contains(r.waiting, 3)
	if r.next < s.records && r.next-r.from < s.window && !r.told {
		try(func(c *modelState) {
			me := &c.runs[n]
			c.send(n, 0, me.next)
			me.next++
		})
	}
	if (bad || lost) && !broken.commitUnanswered || bad {
		try(func(c *modelState) { // whatever else it has on its way
			me := &c.runs[n]
			c.hangUp(me)
			me.phase, me.failed = phaseBegin, true
			me.next = me.from
			if broken.abortUnanswered {
				if c.open && c.epoch == me.epoch && c.settled() {
					c.end(-2, me.epoch)
				}
			}
		})
	}
	if !pending && !lost { // a run that ends, and has all answers, aborts in its own epoch
		try(func(c *modelState) {
			me := &c.runs[n]
			if c.open && c.epoch == me.epoch && c.settled() {
				c.end(-2, me.epoch)
			}
			c.hangUp(me)
			me.phase = phaseEnded
		})
	}
	try(func(c *modelState) { // it is killed
		c.hangUp(&c.runs[n])
		c.runs[n].phase = phaseEnded
	})
	if pending || bad || lost && !broken.commitUnanswered || r.next == r.from {
		return
	}
	if !r.told {
		try(func(c *modelState) {
			me := &c.runs[n]
			me.told = true
			c.send(n, 1, me.next)
		})
		return
	}
	try(func(c *modelState) {
		me := &c.runs[n]
		if c.epoch != me.epoch || !c.open || !c.settled() {
			c.hangUp(me)
			me.phase = phaseEnded
			return
		}
		c.end(-1, me.epoch)
		me.waiting, me.told, me.phase = nil, false, phaseReady
	})
	if s.cuts > 0 { // the commit may come later, or has come and nobody hears of it
		try(func(c *modelState) {
			me := &c.runs[n]
			c.cuts--
			c.late = append(c.late, me.epoch)
			c.hangUp(me)
			if broken.commitTwice && c.epoch == me.epoch && c.open && c.settled() {
				c.end(-1, me.epoch)
				me.phase = phaseReady
				return
			}
			me.phase, me.failed, me.next = phaseBegin, true, me.from
		})
	}
}

// explore tries everything, and returns what was wrong first.
func explore(within bounds, broken rules) (states int, wrong string) {
	first := &modelState{bounds: within, epoch: -1}
	for i := range first.parts {
		first.parts[i].epoch, first.parts[i].last = -1, -1
	}
	for i := range first.runs {
		first.runs[i].line = -1
	}
	seen := map[string]bool{first.key(): true}
	todo := []*modelState{first}
	for len(todo) > 0 {
		s := todo[0]
		todo = todo[1:]
		if wrong := s.wrong(); wrong != "" {
			return len(seen), wrong
		}
		for _, c := range s.nextStates(broken) {
			if key := c.key(); !seen[key] {
				seen[key] = true
				todo = append(todo, c)
			}
		}
	}
	return len(seen), ""
}

var bigModel = flag.Bool("bigmodel", false, "let the model of late batches go further: minutes, and gigabytes")

// TestNothingComesLate: whatever comes when, what is committed is every record once and in
// order, and nothing stays open; and each rule is needed.
func TestNothingComesLate(t *testing.T) {
	t.Parallel()
	within := bounds{records: 2, window: 2, inits: 2, cuts: 1}
	if *bigModel {
		within = bounds{records: 2, window: 2, inits: 3, cuts: 2}
	}
	states, wrong := explore(within, rules{})
	t.Logf("%d states", states)
	if wrong != "" {
		t.Error(wrong)
	}
	for name, broken := range map[string]rules{
		"aborted in its own epoch, unanswered": {abortUnanswered: true},
		"committed, unanswered":                {commitUnanswered: true},
		"from memory":                          {trustMemory: true},
		"a look before the fence":              {lookBefore: true},
		"back, from memory":                    {returnShutOut: true},
		"sent before it joined":                {joinLate: true},
		"committed twice":                      {commitTwice: true},
	} {
		if n, wrong := explore(bounds{records: 3, window: 2, inits: 3, cuts: 2}, broken); wrong == "" {
			t.Errorf("%s: nothing is wrong in %d states", name, n)
		} else {
			t.Logf("%s: %s, in %d states", name, wrong, n)
		}
	}
}
