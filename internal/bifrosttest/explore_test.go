package bifrosttest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// scenario is a small world in which every fault is tried at every step.
type scenario struct {
	name   string
	setup  func(*setup)              // nil for smallRanges
	begin  func(*world)              // before the first tick
	during func(w *world, round int) // at the start of each round, from 1
	event  func(*world)              // happens once, at a step of its own
	accept bool                      // a person decides about what diverged
}

// manner is how a fault meets the rest of the world.
type manner int

const (
	alone     manner = iota
	doubled          // the same event runs a second time, to its end, before the call is made
	overtaken        // the process stands still to the end of the round, then makes the call
	zombie           // the process stands still until the world is at rest, then makes the call
	event            // the scenario's event happens before the call
	rivalled         // the same event runs a second time, makes the same call and is killed, before the call is made
	outpaced         // the process stands still until the next tick is over, then makes the call
)

func (m manner) String() string {
	return [...]string{"alone", "doubled", "overtaken", "zombie", "event", "rivalled", "outpaced"}[m]
}

// fault is what happens at one step of an execution.
type fault struct {
	step    int
	manner  manner
	outcome outcome
	event   bool // the scenario's event happens first
}

func (f fault) String() string {
	text := fmt.Sprintf("%d:%d:%d", f.step, f.manner, f.outcome)
	if f.event {
		text += ":e"
	}
	return text
}

// execution runs one scenario with its faults.
type execution struct {
	*world
	scenario scenario
	faults   []fault // in order of step
	sleepers []sleeper
	happened bool   // the event, which happens once
	calls    []call // made without a fault: the steps that others enumerate
}

type sleeper struct {
	process *process
	fault   fault
}

const (
	maxRounds = 40 // without faults, for the world to be at rest
	quietFor  = 2
)

func (s scenario) world() *world {
	conf := smallRanges()
	if s.setup != nil {
		s.setup(&conf)
	}
	return newWorld(conf)
}

// execute runs a scenario with faults to its end and judges it.
func (s scenario) execute(recording bool, faults ...fault) *execution {
	e := &execution{world: s.world(), scenario: s, faults: faults}
	e.recording, e.decides = recording, s.accept
	s.begin(e.world)
	defer e.close()
	for round := 1; ; round++ {
		if s.during != nil {
			s.during(e.world, round)
		}
		e.round(e.advanceBy, func() { e.wake(func(f fault) bool { return f.manner == outpaced }) })
		e.catchUp()
		if e.decides {
			e.decideAll(e.advanceBy)
		}
		resting := e.quiet() == ""
		switch {
		case e.wake(func(f fault) bool { return f.manner == overtaken || resting || round >= maxRounds }):
		case resting && round > quietFor && len(e.faults) == 0:
			e.judge()
			return e
		case resting && round > quietFor:
			e.faults = nil // beyond the last step
		case round > maxRounds:
			e.breaks("L1: not at rest after %d ticks: %s", round, e.quiet())
			e.judge()
			return e
		}
	}
}

// advanceBy makes the next call of a process, with the fault of this step.
func (e *execution) advanceBy(p *process) {
	e.calls = append(e.calls, p.at)
	if len(e.faults) == 0 || e.faults[0].step != e.steps {
		e.step(p, works)
		return
	}
	f := e.faults[0]
	e.faults = e.faults[1:]
	e.note("-- step %d, %s before %s: %v, %v", e.steps, p.name, p.at.name, f.manner, f.outcome)
	if (f.event || f.manner == event) && !e.happened {
		e.happened = true
		e.scenario.event(e.world)
	}
	switch f.manner {
	case doubled:
		e.finish(e.again(p))
	case rivalled:
		e.rival(p)
	case overtaken, zombie, outpaced:
		p.asleep = true
		e.sleepers = append(e.sleepers, sleeper{p, f})
		return
	}
	e.step(p, f.outcome)
}

// ticks is how many ticks there have been.
func (e *execution) ticks() int64 { return int64(e.clock.Now().Sub(noon) / tickGap) }

// again starts the event of a process once more.
func (e *execution) again(p *process) *process {
	current := e.stack
	defer func() { e.stack = current }()
	e.stack = p.stack
	return p.again()
}

// rival starts the event of a process once more and kills it after it has made
// the call that the process stands before.
func (e *execution) rival(p *process) {
	rival := e.again(p)
	for slices.Contains(e.processes, rival) {
		same := rival.at.name == p.at.name
		e.step(rival, works)
		if same && slices.Contains(e.processes, rival) {
			e.kill(rival)
		}
	}
}

// wake lets the sleepers go on whose time has come, and reports whether there
// were any.
func (e *execution) wake(due func(fault) bool) (any bool) {
	sleepers := e.sleepers
	e.sleepers = nil
	for _, s := range sleepers {
		if !due(s.fault) || !slices.Contains(e.processes, s.process) {
			e.sleepers = append(e.sleepers, s)
			continue
		}
		any = true
		e.note("-- %s goes on", s.process.name)
		s.process.asleep = false
		e.step(s.process, s.fault.outcome)
		e.finish(s.process)
	}
	return any
}

// name is how a person asks for this execution again.
func (s scenario) named(faults []fault) string {
	words := []string{s.name}
	for _, f := range faults {
		words = append(words, f.String())
	}
	return strings.Join(words, ",")
}

// ---- the scenarios

var scenarios = []scenario{
	{name: "plain", begin: plainLog},
	{name: "transactions", begin: func(w *world) {
		log := w.kafka.CreateTopic("orders", 1).Logs[0]
		log.Produce("a")
		log.End(log.Begin("bad"), false)
		log.End(log.Begin("good"), true)
	}},
	{name: "early end", begin: plainLog, setup: func(s *setup) { s.maxRawBytes = valueFrame }},
	{name: "grows", begin: plainLog, during: func(w *world, round int) {
		if round == 2 {
			w.kafka.Topic("orders").Logs[0].Produce("g", "h", "i")
		}
	}},
	{name: "first seen late", begin: func(w *world) {
		plainLog(w)
		w.kafka.Topic("orders").Logs[0].Retain(2)
	}},
	{name: "long-lived workers", begin: plainLog, setup: func(s *setup) { s.timeout = 4 * lease / 5 }},
	{name: "retention", begin: plainLog, event: func(w *world) { onLive(w, func(l *Log) { l.Retain(l.Start() + 2) }) }},
	{name: "deletion forgotten", begin: plainLog, event: func(w *world) { onLive(w, (*Log).Forget) }, during: func(w *world, round int) {
		if round <= 2 { // before the first sight, and while ranges are planned
			onLive(w, func(l *Log) { l.Retain(l.Start() + 2) })
		}
	}},
	{name: "compaction", begin: plainLog, setup: oneByOne, event: func(w *world) {
		onLive(w, func(l *Log) { l.Compact(func(e Entry) bool { return e.Record.Offset%2 == 0 }) })
	}},
	{name: "recreated", begin: plainLog, event: recreate},
	{name: "recreated and longer", begin: plainLog, event: func(w *world) {
		recreate(w)
		onLive(w, func(l *Log) { l.Produce("E", "F", "G", "H", "I") })
	}},
	{name: "deleted", begin: plainLog, event: deleteTopic},
	{name: "tables lost", begin: plainLog, event: loseTables},
	{name: "progress lost", begin: plainLog, event: loseProgress},
	{name: "tables lost with later ranges first", setup: laterFirst, begin: plainLog, event: func(w *world) {
		loseTables(w)
		w.setup.settings.Sizing.TargetBytes = 10 << 10 // from now on one range takes in what many did
	}},
	{name: "upgraded and tables lost", setup: laterFirst, begin: func(w *world) {
		plainLog(w)
		w.putOldMarker("orders")
	}, event: func(w *world) {
		w.store.Delete(bifrost.BirthKey(group, bifrost.Partition{Name: "orders"})) // it never was
		loseTables(w)
	}},
	{name: "foreign objects and tables lost", setup: laterFirst, begin: func(w *world) {
		plainLog(w)
		for start := range int64(6) {
			w.takeKey(bifrost.ObjectKey(group, bifrost.Partition{Name: "orders"}, start, 0))
		}
	}, event: loseTables},
	{name: "deleted and progress lost", begin: plainLog, event: func(w *world) {
		deleteTopic(w)
		loseProgress(w)
	}},
	{name: "a later incarnation deleted and its progress lost", begin: func(w *world) {
		plainLog(w)
		w.finish(w.startTick())
		recreate(w)
	}, event: func(w *world) {
		deleteTopic(w)
		loseProgress(w)
	}},
	{name: "progress lost after a new leader", begin: plainLog, event: loseProgress, during: func(w *world, round int) {
		if round == 2 {
			log := w.kafka.Topic("orders").Logs[0]
			log.Elect()
			log.Produce("x", "y")
		}
	}},
	{name: "tables lost after early ends", begin: plainLog, event: loseTables, setup: func(s *setup) { s.maxRawBytes = valueFrame }},
	{name: "appended", begin: plainLog, event: func(w *world) { onLive(w, func(l *Log) { l.Produce("x", "y") }) }},
	{name: "second stack", begin: plainLog, event: addStack},
	{name: "second stack after early ends", begin: plainLog, event: addStack, setup: func(s *setup) { s.maxRawBytes = valueFrame }},
	{name: "foreign object", begin: plainLog, event: func(w *world) { w.putForeign(uint64(w.steps)) }},
	{name: "high watermark dips", begin: plainLog, event: func(w *world) {
		w.lie(9*time.Second, func() { onLive(w, func(l *Log) { l.Dip(3) }) })
		w.finish(w.startTick())
	}},
	{name: "stale metadata", begin: plainLog, event: func(w *world) {
		w.lie(9*time.Second, func() { w.kafka.StaleMetadata(AllStale) })
		w.finish(w.startTick())
	}},
	{name: "a broker cut off", begin: plainLog, event: cutOff, during: (*world).reachAll},
	{name: "a broker cut off since a topic was made anew", begin: func(w *world) {
		plainLog(w)
		recreate(w)
	}, event: cutOff, during: (*world).reachAll},
	{name: "stale metadata of a topic made anew", begin: func(w *world) {
		plainLog(w)
		recreate(w)
	}, event: func(w *world) {
		w.lie(9*time.Second, func() { w.kafka.StaleMetadata(AllStale) })
		w.finish(w.startTick())
	}},
	{name: "leader changed", begin: plainLog, event: func(w *world) {
		onLive(w, func(l *Log) { l.Elect(); l.Produce("x") })
	}},
	{name: "log cut", begin: plainLog, event: func(w *world) { onLive(w, func(l *Log) { l.Truncate(l.LogEnd() - 2) }) }},
	{name: "log cut and grown back", begin: plainLog, event: func(w *world) {
		onLive(w, func(l *Log) { l.Truncate(l.LogEnd() - 2); l.Produce("x", "y", "z") })
	}},
	{name: "log cut and accepted", accept: true, begin: plainLog, event: func(w *world) {
		onLive(w, func(l *Log) { l.Truncate(l.LogEnd() - 2); l.Produce("x", "y", "z") })
	}},
	{name: "tables lost after a fork", accept: true, begin: plainLog, event: loseTables, during: cutInRound(3)},
	{name: "progress lost after a fork", accept: true, begin: plainLog, event: loseProgress, during: cutInRound(3)},
	{name: "topic made anew after a fork", accept: true, begin: plainLog, event: recreate, during: cutInRound(3)},
	{name: "unreadable within a range", begin: func(w *world) {
		plainLog(w)
		onLive(w, func(l *Log) { l.Fail(4) })
	}, during: mendInTheEnd},
	{name: "rows lost alone", begin: plainLog, event: func(w *world) { loseRows(w, func() bool { return true }) }},
}

// cutOff leaves the broker that lists the topics behind, for long.
func cutOff(w *world) {
	w.kafka.StaleMetadata(OneStale)
	w.truth.lied = true
}

// reachAll ends at last what cutOff began.
func (w *world) reachAll(round int) {
	if round == 10 {
		w.kafka.StaleMetadata(NoneStale)
	}
}

// mendInTheEnd lets the whole log be read again once all that could be read all the
// time is archived. That takes two attempts, a pause and, for one fault, a lease.
func mendInTheEnd(w *world, round int) {
	onLive(w, func(l *Log) {
		progress, _ := w.ledger.ListProgress(context.Background())
		if len(progress) == 0 || l.unreadable < 0 {
			return
		}
		if p := progress[0]; p.NextOffset >= l.unreadable {
			l.Mend()
		} else if round == 15 {
			w.breaks("L3: offsets [%d, %d) could be read all the time and are not archived", p.NextOffset, l.unreadable)
		}
	})
}

func plainLog(w *world) {
	w.kafka.CreateTopic("orders", 1).Logs[0].Produce("a", "b", "c", "d", "e", "f")
}

func onLive(w *world, change func(*Log)) {
	if t := w.kafka.Topic("orders"); t != nil {
		change(t.Logs[0])
	}
}

// cutInRound cuts the log in a round, after which it grows again.
func cutInRound(n int) func(*world, int) {
	return func(w *world, round int) {
		if round == n {
			onLive(w, func(l *Log) { l.Truncate(l.LogEnd() - 2); l.Produce("x", "y", "z") })
		}
	}
}

// loseRows loses rows that nobody has settled: ticks come across them. A settled
// row may be lost just when somebody moves next_offset over it; verify finds that.
func loseRows(w *world, which func() bool) {
	w.truth.tablesLost, w.truth.rowsDamaged = true, true
	w.ledger.Lose(nil, func(r bifrost.Row) bool { return r.State == bifrost.StatePlanned && which() })
}

// putForeign puts something that is not ours where the next object goes.
func (w *world) putForeign(what uint64) {
	progress, _ := w.ledger.ListProgress(context.Background())
	if len(progress) == 0 {
		return
	}
	p := progress[what%uint64(len(progress))]
	key := bifrost.ObjectKey(group, p.Partition, p.PlannedOffset, 0)
	if rows, _ := w.ledger.Rows(context.Background(), p.Partition, p.NextOffset, 1); len(rows) > 0 {
		key = bifrost.ObjectKey(group, p.Partition, rows[0].Start, 0)
	}
	if len(w.store.Versions(key)) > 0 {
		return
	}
	w.truth.foreign[key] = true
	content := []byte("not an object of Bifrost")
	if what%2 == 0 {
		content = othersObject(p)
	}
	w.store.Put(key, content)
}

// takeKey puts something foreign at a key.
func (w *world) takeKey(key string) {
	w.truth.foreign[key] = true
	w.store.Put(key, []byte("not an object of Bifrost"))
}

// putOldMarker puts the topic's marker as a Bifrost wrote it that made no birth objects.
func (w *world) putOldMarker(topic string) {
	id, err := w.kafka.Topic(topic).ID.MarshalText()
	if err != nil {
		panic(err)
	}
	w.store.Put(bifrost.MarkerKey(group, topic), fmt.Appendf(nil, `{"cluster_id":"cluster","topic":%q,"topic_id":%q}`, topic, id))
}

// othersObject is what another cluster's archive would have at the key.
func othersObject(p bifrost.Progress) []byte {
	var content bytes.Buffer
	out := baldr.NewWriter(&content, baldr.Options{Level: 1})
	record := baldr.Record{Offset: p.PlannedOffset, Value: []byte("another cluster's")}
	_ = out.WriteRecord(&record)
	_, err := out.Close(baldr.Summary{
		ClusterID: "another", Topic: p.Topic(), TopicID: p.TopicID, Partition: p.Number,
		Start: p.PlannedOffset, End: p.PlannedOffset + 1,
	})
	if err != nil {
		panic(err)
	}
	return content.Bytes()
}

// addStack starts a second stack on the same bucket: it ticks at once, and its
// workers run to their end.
func addStack(w *world) {
	current := w.stack
	w.stack = newStack()
	w.stacks = append(w.stacks, w.stack)
	w.finish(w.startTick())
	for len(w.lambda.Waiting()) > 0 {
		w.finish(w.startWorker(w.lambda.Take(0)))
	}
	w.stack = current
}

func deleteTopic(w *world) {
	if w.kafka.Topic("orders") != nil {
		w.kafka.DeleteTopic("orders")
	}
}

func recreate(w *world) {
	deleteTopic(w)
	w.kafka.CreateTopic("orders", 1).Logs[0].Produce("A", "B", "C", "D")
}

// oneByOne gives each function one range, however small.
func oneByOne(s *setup) { s.settings.Together = 1 }

// laterFirst has later ranges archived before earlier ones.
func laterFirst(s *setup) {
	oneByOne(s)
	s.lastFirst = true
}

func loseTables(w *world) {
	w.truth.tablesLost = true
	w.ledger.Lose(func(bifrost.Progress) bool { return true }, func(bifrost.Row) bool { return true })
}

func loseProgress(w *world) {
	w.truth.tablesLost = true
	w.ledger.Lose(func(bifrost.Progress) bool { return true }, nil)
}
