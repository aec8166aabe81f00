package bifrosttest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// long is one long random execution: everything that the seed decides.
type long struct {
	*world
	*rand.Rand
	seed       uint64
	calm       int // one call in so many has a fault
	backup     *Backup
	rebuilds   int // in the part without faults
	happenings []happening
}

// happening is something that the world outside does to the archive.
type happening struct {
	name   string
	weight int
	do     func(*long)
}

func newLong(seed uint64, recording bool) *long {
	random := rand.New(rand.NewPCG(seed, 0))
	conf := smallRanges()
	conf.settings.MaxInFlight = 1 + random.IntN(6)
	conf.settings.Sizing.TargetBytes = int64(1+random.IntN(6)) * valueFrame
	conf.maxRawBytes = int64(1+random.IntN(10)) * valueFrame
	if random.IntN(2) == 0 {
		conf.timeout = 4 * lease / 5
	}
	l := &long{world: newWorld(conf), Rand: random, seed: seed, calm: 5 + random.IntN(60)}
	l.recording = recording
	l.lateIn = func() (time.Duration, bool) { return time.Duration(l.Int64N(int64(fencePause))), l.IntN(3) == 0 }
	l.kafka.BatchOffsets = int64(1 + random.IntN(4))
	if random.IntN(2) == 0 {
		l.ledger.HoldIndex()
	}
	l.happenings = l.choose()
	for n := range 1 + random.IntN(2) {
		t := l.kafka.CreateTopic(fmt.Sprintf("topic-%d", n), 1+random.IntN(2))
		for _, log := range t.Logs {
			l.produce(log)
		}
	}
	return l
}

// choose leaves some of the happenings out of this execution, so that those
// which end a partition's life do not end every one early.
func (l *long) choose() []happening {
	var chosen []happening
	for _, h := range everyHappening {
		if h.weight >= 10 || l.IntN(3) == 0 {
			chosen = append(chosen, h)
		}
	}
	return chosen
}

var everyHappening = []happening{
	{"records are produced", 40, func(l *long) { l.withLog(l.produce) }},
	{"time passes", 40, func(l *long) { l.pass(time.Duration(l.IntN(30)) * time.Second) }},
	{"much time passes", 10, func(l *long) { l.pass(time.Duration(l.IntN(900)) * time.Second) }},
	{"the index catches up", 30, func(l *long) { l.ledger.CatchUp(1 + l.IntN(5)) }},
	{"retention", 8, func(l *long) { l.withLog(func(log *Log) { log.Retain(log.Start() + l.Int64N(6)) }) }},
	{"a broker forgets what it deleted", 4, func(l *long) { l.withLog((*Log).Forget) }},
	{"compaction", 8, func(l *long) {
		l.withLog(func(log *Log) { log.Compact(func(Entry) bool { return l.IntN(3) == 0 }) })
	}},
	{"a leader fails at an offset, or no more", 6, func(l *long) {
		l.withLog(func(log *Log) {
			log.Mend()
			if l.IntN(3) > 0 {
				log.Fail(log.Start() + l.Int64N(8))
			}
		})
	}},
	{"a new leader", 8, func(l *long) { l.withLog((*Log).Elect) }},
	{"the high watermark dips", 5, func(l *long) {
		l.briefly(func() { l.withLog(func(log *Log) { log.Dip(1 + l.Int64N(4)) }) })
	}},
	{"the log is cut", 8, func(l *long) { l.withLog(func(log *Log) { log.Truncate(log.LogEnd() - l.Int64N(10)) }) }},
	{"a person decides", 10, func(l *long) {
		if waiting := l.diverged(); len(waiting) > 0 {
			all := slices.SortedFunc(maps.Keys(waiting), comparePartitions)
			p := all[l.IntN(len(all))]
			l.decide(p, l.Int64N(waiting[p]+1))
		}
	}},
	{"rows are lost alone", 1, func(l *long) { loseRows(l.world, func() bool { return l.IntN(2) == 0 }) }},
	{"the retention of a topic is changed", 3, func(l *long) {
		if t := l.anyTopic(); t != nil {
			t.Keeps.Milliseconds = []int64{-1, 0, 60_000, 600_000}[l.IntN(4)]
			t.Keeps.Bytes = []int64{-1, 0, 100, 10_000}[l.IntN(4)]
		}
	}},
	{"a topic is made anew", 3, func(l *long) {
		if t := l.anyTopic(); t != nil {
			l.kafka.DeleteTopic(t.Name)
			for _, log := range l.kafka.CreateTopic(t.Name, len(t.Logs)).Logs {
				l.produce(log)
			}
		}
	}},
	{"a topic is deleted", 1, func(l *long) {
		if t := l.anyTopic(); t != nil {
			l.kafka.DeleteTopic(t.Name)
		}
	}},
	{"a topic is hidden or shown", 2, func(l *long) {
		if t := l.anyTopic(); t != nil {
			l.kafka.Hide(t.Name, !t.hidden)
		}
	}},
	{"all metadata are stale", 3, func(l *long) { l.briefly(func() { l.kafka.StaleMetadata(AllStale) }) }},
	{"a broker is cut off, or back", 3, func(l *long) {
		stale := OneStale
		if l.kafka.stale == OneStale {
			stale = NoneStale
		}
		l.kafka.StaleMetadata(stale)
		l.truth.lied = true
	}},
	{"the tables are lost", 1, func(l *long) { loseTables(l.world) }},
	{"the progress table is lost", 1, func(l *long) { loseProgress(l.world) }},
	{"something foreign takes a key", 4, func(l *long) { l.putForeign(l.Uint64()) }},
	{"a backup is made", 10, func(l *long) {
		l.stopPlanning()
		b := l.ledger.Backup()
		l.backup = &b
	}},
	{"a backup is restored", 2, func(l *long) {
		if l.backup != nil {
			l.stopPlanning()
			l.ledger.Restore(*l.backup)
			l.truth.tablesLost, l.truth.restored = true, true
			l.truth.workerOutlivesTables = len(l.processes) > 0 // whoever plans was killed
			l.reached["restore"]++
		}
	}},
	{"a person rebuilds", 4, func(l *long) {
		if l.truth.restored {
			l.startRebuild()
		}
	}},
	{"a backup is restored without its progress rows", 1, func(l *long) {
		if l.backup != nil {
			l.ledger.Restore(*l.backup)
			loseProgress(l.world)
		}
	}},
}

func (l *long) produce(log *Log) {
	value := func() string { return string(rune('a' + l.IntN(26))) }
	if open := log.OpenTransactions(); len(open) > 0 {
		log.End(open[0], l.IntN(2) == 0)
	}
	for range l.IntN(5) {
		switch l.IntN(6) {
		case 0:
			log.End(log.Begin(value(), value()), l.IntN(2) == 0)
		case 1:
			log.Begin(value())
		default:
			log.Produce(value())
		}
	}
}

func (l *long) anyTopic() *KafkaTopic {
	var live []*KafkaTopic
	for _, t := range l.kafka.Ever() {
		if !t.Deleted {
			live = append(live, t)
		}
	}
	if len(live) == 0 {
		return nil
	}
	return live[l.IntN(len(live))]
}

func (l *long) withLog(change func(*Log)) {
	if t := l.anyTopic(); t != nil {
		change(t.Logs[l.IntN(len(t.Logs))])
	}
}

// briefly lets brokers say what is not so for less than ten seconds, which is
// what the rules assume; nor does it happen again before a tick has seen that it
// was not so, or while one that was misled has still to write down what it heard.
func (l *long) briefly(lie func()) {
	if slices.ContainsFunc(l.processes, func(p *process) bool { return p.misled }) {
		return
	}
	progress, _ := l.ledger.ListProgress(context.Background())
	for _, p := range progress {
		if p.Suspicion != "" {
			return
		}
	}
	l.lie(time.Duration(1+l.IntN(9))*time.Second, lie)
	for range l.IntN(3) { // ticks that hear it, the last of them still running
		if len(l.processes) > 0 {
			l.finish(l.processes[len(l.processes)-1])
		}
		l.startTick()
	}
}

// live is the part with faults.
func (l *long) live() {
	nextTick := l.clock.Now()
	for range moves {
		switch n := l.IntN(100); {
		case n < 6:
			l.happen()
		case n < 8 && !l.clock.Now().Before(nextTick), n == 8 && l.IntN(4) == 0:
			nextTick = l.clock.Now().Add(tickGap)
			l.startTick()
		case n < 14:
			l.takeTask()
		default:
			l.move()
		}
	}
}

func (l *long) happen() {
	sum := 0
	for _, h := range l.happenings {
		sum += h.weight
	}
	n := l.IntN(sum)
	for _, h := range l.happenings {
		if n -= h.weight; n < 0 {
			l.note("-- %s", h.name)
			h.do(l)
			return
		}
	}
}

// takeTask starts a worker, in no order, sometimes leaving the task to be
// delivered once more.
func (l *long) takeTask() {
	waiting := l.lambda.Waiting()
	if len(waiting) == 0 {
		return
	}
	i := l.IntN(len(waiting))
	if l.IntN(8) > 0 {
		l.lambda.Take(i)
	}
	l.startWorker(waiting[i])
}

// move lets one process that is not frozen make its next call, or freezes it.
func (l *long) move() {
	var ready []*process
	for _, p := range l.processes {
		if !p.wakeAt.After(l.clock.Now()) {
			ready = append(ready, p)
		}
	}
	if len(ready) == 0 {
		return
	}
	p := ready[l.IntN(len(ready))]
	o := works
	if l.IntN(l.calm) == 0 {
		o = outcomes[1+l.IntN(len(outcomes)-1)]
	}
	if strings.HasPrefix(p.at.name, completes) && l.IntN(10) == 0 {
		o = []outcome{landsLate, landsLateDead}[l.IntN(2)]
	}
	if l.IntN(40) == 0 {
		p.wakeAt = l.clock.Now().Add(time.Duration(1+l.IntN(1200)) * time.Second)
		l.note("-- %s freezes before %s", p.name, p.at.name)
		return
	}
	l.step(p, o)
}

// settle is the part without faults: zombies wake, then the world comes to rest.
func (l *long) settle() (ticks int) {
	l.note("-- no more faults")
	l.heal()
	l.kafka.StaleMetadata(NoneStale)
	l.decides = true
	for _, t := range l.kafka.Ever() {
		t.hidden = false
		for _, log := range t.Logs {
			log.Mend()
			for _, tx := range log.OpenTransactions() {
				log.End(tx, true)
			}
		}
	}
	for len(l.processes) > 0 {
		p := l.processes[l.IntN(len(l.processes))]
		if len(p.name) > 0 && l.IntN(20) == 0 {
			l.pass(time.Minute)
		}
		l.step(p, works)
	}
	l.rebuild()
	return l.drain(maxTicks + int(l.backlog())/l.setup.settings.MaxInFlight)
}

// rebuild lets the person do to its end what the ticks ask for, with ticks between.
func (l *long) rebuild() {
	for done := l.reached["rebuild"]; l.truth.restored && l.reached["rebuild"] == done; {
		if l.rebuilds++; l.rebuilds > 20 {
			l.breaks("L1: a rebuild is not through")
			return
		}
		if l.rebuilds == 10 { // it names what verify calls foreign, and a person has taken that away
			for key := range l.truth.foreign {
				l.store.Delete(key)
				delete(l.truth.foreign, key)
			}
		}
		l.finish(l.startRebuild())
		l.finish(l.startTick())
		l.pass(tickGap)
	}
}

// maxTicks is the number of ticks, a minute apart, within which lag is zero once
// faults stop, beside those that the backlog takes, as many ranges a tick as may be
// in flight: the longest pause of a range that failed often is an hour, a lease
// five minutes, and a tail waits for its age.
const maxTicks = 75

// moves is how many moves an execution makes with faults.
const moves = 600

// runLong executes a seed and returns how many ticks it took to come to rest.
func runLong(seed uint64, recording bool) (l *long, ticks int) {
	l = newLong(seed, recording)
	defer l.close()
	l.live()
	ticks = l.settle()
	l.judge()
	return l, ticks
}
