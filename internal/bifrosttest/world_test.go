package bifrosttest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/repair"
)

// outcome is what a fault does to one call of a port.
type outcome int

const (
	works         outcome = iota
	failsBefore           // an error, and nothing was done: throttled, unreachable
	answerLost            // it was done, the caller hears an error
	answerRetried         // it was done, the caller hears what a retry of the SDK hears: the condition no longer holds
	diesBefore            // the process is killed and nothing was done
	diesAfter             // it was done, and the process is killed
	landsLate             // of a completion: the caller hears an error, and it is decided later, see decideLater
	landsLateDead         // the same, and the process is killed
)

// lateBy is when a completion is decided that lands late: behind the ticks that
// would have opened the partition without a pause.
const lateBy = fencePause - 10*time.Second

// later is a completion that is not decided yet.
type later struct {
	at    time.Time
	fails bool
}

// decideLater lets the store decide about the completion that has just begun, in so
// much time, which is less than the fence pause: that is what the rules assume.
func (w *world) decideLater(in time.Duration, fails bool) {
	at := w.clock.Now().Add(in)
	if n := len(w.laters); n > 0 && at.Before(w.laters[n-1].at) {
		at = w.laters[n-1].at // the store decides in order
	}
	w.laters = append(w.laters, later{at, fails})
}

// land decides what is due.
func (w *world) land() {
	for len(w.laters) > 0 && !w.clock.Now().Before(w.laters[0].at) {
		w.note("-- a completion is decided, fails %v", w.laters[0].fails)
		w.store.EndCompletion(w.laters[0].fails)
		w.laters = w.laters[1:]
		w.reached["late completion"]++
	}
}

func (o outcome) String() string {
	return [...]string{"works", "fails before", "answer lost", "answer lost and retried", "dies before", "dies after", "lands late", "dies and lands late"}[o]
}

var outcomes = []outcome{works, failsBefore, answerLost, answerRetried, diesBefore, diesAfter}

// errInjected is what a call with a fault says; nothing in the rules knows it.
var errInjected = errors.New("injected fault")

// call is one call of a port that a process is about to make.
type call struct {
	name   string
	effect bool // it changes something outside the process
}

// world is all that is outside the rules: the twins, the time and the processes.
// One process runs at a time, and only from one call of a port to the next.
type world struct {
	lastSeen    bifrost.LastSeen // of functions that are warm
	setup       setup
	clock       *Clock
	kafka       *Kafka
	store       *Store
	*stack                 // the one that starts ticks and workers now
	stacks      []*stack   // usually one
	processes   []*process // alive, the oldest first
	started     int
	honestAt    time.Time                    // when brokers stop saying what is not so
	laters      []later                      // completions that the store has not decided yet, the oldest first
	lateIn      func() (time.Duration, bool) // when the next one that lands late is decided, and whether it fails
	generations int
	steps       int
	effects     int      // calls that changed something outside their process
	broken      []string // invariants that were found broken
	truth       *truth
	reached     map[string]int // what happened how often
	decides     bool           // a person decides about what diverged
	recording   bool
	trace       []string
}

// stack is one deployment of Bifrost: tables, and a queue of its own.
type stack struct {
	ledger *Ledger
	lambda *Lambda
	older  bool // its last tick took its tables for older than the bucket
}

func newStack() *stack { return &stack{ledger: NewLedger(), lambda: &Lambda{}} }

// setup is what differs between worlds.
type setup struct {
	settings    bifrost.Settings
	maxRawBytes int64         // a worker ends its range early at so many
	timeout     time.Duration // of a worker, which goes on to other ranges; zero: one range each
	lastFirst   bool          // workers of later ranges run before those of earlier ones
}

// group is the first element of every key in the simulated bucket.
const group = "g"

const (
	lease      = 5 * time.Minute
	maxAge     = 2 * time.Minute
	tickGap    = time.Minute
	fencePause = 150 * time.Second
)

// smallRanges makes ranges of a few offsets out of records of a few bytes.
func smallRanges() setup {
	return setup{
		settings: bifrost.Settings{
			Group: group, MaxInFlight: 4, Lease: lease, FencePause: fencePause, Together: 3,
			Sizing: bifrost.Sizing{TargetBytes: 2 * valueFrame, MaxAge: maxAge},
		},
		maxRawBytes: 1 << 20,
	}
}

// valueFrame is the size of the frame of a record of one byte.
const valueFrame = 9

func newWorld(s setup) *world {
	clock := NewClock(noon)
	first := newStack()
	return &world{
		setup: s, clock: clock, kafka: NewKafka("cluster", clock.Now), store: NewStore(),
		stack: first, stacks: []*stack{first}, truth: newTruth(), reached: map[string]int{},
		lateIn: func() (time.Duration, bool) { return lateBy, false },
	}
}

// process is one invocation of a function.
type process struct {
	*stack  // whose tables it works on
	world   *world
	name    string
	next    func() (call, bool)
	stop    func()
	yield   func(call) bool
	at      call    // what it is about to do
	outcome outcome // of that, as the scheduler decides
	dead    bool
	again   func() *process // starts its event once more
	wakeAt  time.Time       // frozen until then
	asleep  bool            // frozen until it is woken
	misled  bool            // Kafka has told it what is not so
}

// killed unwinds a process that died. Its deferred calls reach no port any more.
type killed struct{}

func (w *world) start(name string, body func(*process)) *process {
	w.started++
	p := &process{world: w, stack: w.stack, name: fmt.Sprintf("%s#%d", name, w.started)}
	p.next, p.stop = iter.Pull(func(yield func(call) bool) {
		defer func() {
			if cause := recover(); cause != nil && cause != any(killed{}) {
				panic(cause)
			}
		}()
		p.yield = yield
		body(p)
	})
	w.processes = append(w.processes, p)
	w.note("%s starts", p.name)
	w.run(p)
	return p
}

// run lets the process go on to its next call, or to its end.
func (w *world) run(p *process) {
	at, alive := p.next()
	p.at = at
	if !alive {
		w.processes = slices.DeleteFunc(w.processes, func(other *process) bool { return other == p })
	}
}

// step makes the call that p stands before, with the outcome.
func (w *world) step(p *process, o outcome) {
	w.steps++
	p.outcome = o
	w.run(p)
}

// kill ends a process where it stands.
func (w *world) kill(p *process) {
	w.note("%s is killed before %s", p.name, p.at.name)
	p.stop()
	w.processes = slices.DeleteFunc(w.processes, func(other *process) bool { return other == p })
}

// close ends what is still running, so that nothing is left behind.
func (w *world) close() {
	for _, p := range slices.Clone(w.processes) {
		w.kill(p)
	}
}

func (p *process) die() {
	p.dead = true
	panic(killed{})
}

// do makes a call of a port: the scheduler runs others first, then the call has
// the outcome that it decides.
func (p *process) do(name string, effect bool, retried error, work func() error) error {
	if p.dead {
		return errInjected
	}
	if !p.yield(call{name, effect}) {
		p.die()
	}
	w, o := p.world, p.outcome
	if strings.HasPrefix(name, "kafka: ") && w.clock.Now().Before(w.honestAt) {
		p.misled = true
	}
	if o == diesBefore {
		w.note("%s %s: %v", p.name, name, o)
		p.die()
	}
	err := errInjected
	if o != failsBefore {
		err = work()
		if effect {
			w.effects++
			w.observeCall(p.ledger, name)
		}
	}
	w.note("%s %s: %s", p.name, name, told(o, err))
	switch {
	case o == diesAfter, o == landsLateDead:
		p.die()
	case o == answerRetried && err == nil && retried != nil:
		return retried
	case o == answerLost, o == answerRetried:
		return errInjected
	}
	return err
}

func told(o outcome, err error) string {
	text := "ok"
	if err != nil {
		text = err.Error()
	}
	if o != works {
		text += " (" + o.String() + ")"
	}
	return text
}

func (w *world) note(format string, args ...any) {
	if w.recording {
		w.trace = append(w.trace, fmt.Sprintf("%s %s", w.clock.Now().Format("15:04:05"), fmt.Sprintf(format, args...)))
	}
}

func (w *world) breaks(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(w.broken, text) {
		w.broken = append(w.broken, text)
		w.note("BROKEN: %s", text)
	}
}

func (w *world) newGeneration() string {
	w.generations++
	return fmt.Sprintf("generation-%d", w.generations)
}

// pass moves the time; what brokers said for a moment, they say no more.
func (w *world) pass(d time.Duration) {
	w.clock.Advance(d)
	w.land()
	if !w.clock.Now().Before(w.honestAt) {
		w.heal()
	}
}

// lie makes brokers say what is not so, for less than the ten seconds that the
// rules assume at most.
func (w *world) lie(d time.Duration, lie func()) {
	lie()
	w.truth.lied = true
	w.honestAt = w.clock.Now().Add(d)
}

func (w *world) heal() {
	if w.kafka.stale == AllStale {
		w.kafka.StaleMetadata(NoneStale)
	}
	for _, t := range w.kafka.Ever() {
		for _, log := range t.Logs {
			log.Dip(0)
		}
	}
}

// startTick starts a discover function.
func (w *world) startTick() *process {
	p := w.start("discover", func(p *process) {
		all := ports{p}
		d := bifrost.Discoverer{
			Cluster: all, History: all, Retention: all, Ledger: all, Store: all, Bucket: all, Dispatcher: all,
			Settings: w.setup.settings, Now: w.clock.Now, NewGeneration: w.newGeneration, LastSeen: &w.lastSeen,
			Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		}
		summary, err := d.Tick(context.Background(), time.Time{})
		p.older = summary.Older
		w.note("%s ends: %s, error %v", p.name, words(summary), err)
	})
	p.again = w.startTick
	return p
}

// startRebuild starts a person's command that makes the tables anew. It ends where
// it would wait for the fence pause, and is to be run again.
func (w *world) startRebuild() *process {
	p := w.start("rebuild", func(p *process) {
		all := ports{p}
		r := repair.Rebuilder{
			Group: group, Ledger: all, Store: all, Bucket: all, Sizing: w.setup.settings.Sizing, FencePause: w.setup.settings.FencePause,
			Now: w.clock.Now, NewGeneration: w.newGeneration, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		}
		summary, err := r.Rebuild(context.Background())
		failed := slices.ContainsFunc(summary.Failed, func(f bifrost.TickFailure) bool {
			return !strings.Contains(f.Error, "gives the plain path to") // a foreign object stays, and is told of each time
		})
		if err == nil && !failed {
			w.reached["rebuild"]++
		}
		w.note("%s ends: %+v, error %v", p.name, summary, err)
	})
	p.again = w.startRebuild
	return p
}

// stopPlanning kills whoever may plan by what it has read: a backup that is made, or
// restored, under such a process is not noticed (docs/decisions/0017).
func (w *world) stopPlanning() {
	for _, p := range slices.Clone(w.processes) {
		if !strings.HasPrefix(p.name, "archive") {
			w.kill(p)
		}
	}
}

// decide starts a person's command on a partition that is DIVERGED.
func (w *world) decide(diverged bifrost.Partition, from int64) *process {
	p := w.start(fmt.Sprintf("accept %s from %d", diverged, from), func(p *process) {
		all := ports{p}
		a := repair.Accepter{
			Group: group, Ledger: all, Store: all, Bucket: all,
			Format: baldr.Options{Level: 1}, Writer: "simulation", Now: w.clock.Now,
		}
		next, err := a.AcceptDiverged(context.Background(), diverged, from)
		if err == nil {
			w.reached["decision"]++
		}
		w.note("%s ends: goes on as %s, error %v", p.name, next, err)
	})
	p.again = func() *process { return w.decide(diverged, from) }
	return p
}

// diverged returns what waits for a decision, with the lowest offset at which each
// log was cut.
func (w *world) diverged() map[bifrost.Partition]int64 {
	waiting := map[bifrost.Partition]int64{}
	progress, _ := w.ledger.ListProgress(context.Background())
	for _, p := range progress {
		topic := w.topicOf(p.TopicID)
		if p.Status == bifrost.StatusDiverged && topic != nil && topic.Logs[p.Number].cut >= 0 {
			waiting[p.Partition] = min(topic.Logs[p.Number].cut, max(p.PlannedOffset, p.KnownUntil))
		}
	}
	return waiting
}

// decideAll decides about everything that waits, in order.
func (w *world) decideAll(step func(*process)) {
	waiting := w.diverged()
	for _, p := range slices.SortedFunc(maps.Keys(waiting), comparePartitions) {
		w.follow(w.decide(p, waiting[p]), step)
	}
}

// follow steps a process to its end, or until it falls asleep.
func (w *world) follow(p *process, step func(*process)) {
	for slices.Contains(w.processes, p) && !p.asleep {
		step(p)
	}
}

// startWorker starts an archive function.
func (w *world) startWorker(task bifrost.Task) *process {
	name := fmt.Sprintf("archive %s/%d %s try %d", task.Name, task.Partition, task.Range(), task.Attempt)
	p := w.start(name, func(p *process) {
		all := ports{p}
		worker := bifrost.Worker{
			Archiver: &bifrost.Archiver{
				Group: group, Source: all, Store: all, Ledger: all, MaxRawBytes: w.setup.maxRawBytes,
				Format: baldr.Options{Level: 1}, // whose tables are the smallest: most of the time goes into making them
				Writer: "simulation", Now: w.clock.Now,
			},
			Ledger: all, Lease: lease, Reserve: time.Minute, Now: w.clock.Now, NewID: w.newGeneration,
		}
		deadline := time.Time{}
		if w.setup.timeout > 0 {
			deadline = w.clock.Now().Add(w.setup.timeout)
		}
		results, err := worker.Work(context.Background(), task, deadline)
		for _, r := range results {
			w.reached["range "+r.Outcome]++
		}
		w.note("%s ends: %s, error %v", p.name, words(results), err)
	})
	p.again = func() *process { return w.startWorker(task) }
	return p
}

// words writes what a function returns as a person at the console reads it.
func words(result any) string {
	text, err := json.Marshal(result)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// finish runs a process to its end without faults.
func (w *world) finish(p *process) {
	for slices.Contains(w.processes, p) {
		w.step(p, works)
	}
}

// describe is the trace with what was broken, for a person.
func (w *world) describe() string {
	return strings.Join(w.trace, "\n") + "\n\n" + strings.Join(w.broken, "\n")
}
