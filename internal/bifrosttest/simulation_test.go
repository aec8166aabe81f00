package bifrosttest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	simulateFor = flag.Duration("simulate", 0, "how long to try combinations of faults, and again how long to run random executions; 0 for a fixed number of each")
	seedFlag    = flag.Uint64("seed", 0, "first seed of random executions, and the one that TestReplay replays; 0 for any")
	caseFlag    = flag.String("case", "", "scenario and faults that TestReplay replays, as a failure prints them")
)

var (
	executions atomic.Int64 // what the simulation has run
	broken     atomic.Bool  // an execution broke an invariant: one trace is enough
)

func TestMain(m *testing.M) {
	flag.Parse()
	debug.SetGCPercent(400)
	code := m.Run()
	if n := executions.Load(); n > 0 {
		fmt.Printf("simulation: %d executions\n", n)
	}
	os.Exit(code)
}

// ran fails a test of the simulation that has simulated nothing.
func ran(t *testing.T, n int64, ticks int64) {
	t.Helper()
	if n == 0 {
		t.Fatal("no execution at all")
	}
	t.Logf("%d executions, at rest after %d ticks at most", n, ticks)
}

// judged executes a scenario and fails the test when an invariant broke.
func (s scenario) judged(t *testing.T, faults ...fault) *execution {
	executions.Add(1)
	e := s.execute(false, faults...)
	if len(e.broken) > 0 && broken.CompareAndSwap(false, true) {
		again := s.execute(true, faults...)
		t.Errorf("%s\n\nreplay: go test ./internal/bifrosttest -run TestReplay -case='%s'", again.describe(), s.named(faults))
	}
	return e
}

// every lists the single faults that fit a call: all that can happen to a side
// effect, in every manner, and what a read can meet.
func (s scenario) every(step int, c call) []fault {
	all := []fault{{step: step, manner: rivalled}, {step: step, manner: overtaken}, {step: step, manner: outpaced}}
	if c.effect {
		for _, m := range []manner{alone, doubled, zombie} {
			for _, o := range outcomes {
				all = append(all, fault{step: step, manner: m, outcome: o})
			}
		}
		if strings.HasPrefix(c.name, completes) {
			all = append(all, fault{step: step, outcome: landsLate}, fault{step: step, outcome: landsLateDead})
		}
	} else {
		all = append(all, fault{step: step, outcome: failsBefore}, fault{step: step, manner: zombie})
	}
	if s.event == nil {
		return all
	}
	for _, m := range []manner{alone, doubled, rivalled, outpaced, overtaken, zombie} {
		all = append(all, fault{step: step, manner: m, event: true})
	}
	if strings.HasPrefix(c.name, completes) {
		all = append(all, fault{step: step, outcome: landsLate, event: true}, fault{step: step, outcome: landsLateDead, event: true})
	}
	return append(all, fault{step: step, outcome: diesBefore, event: true}, fault{step: step, outcome: diesAfter, event: true})
}

// TestEveryFault is the exhaustive part: in every scenario every side effect
// fails before and after it is done, loses its answer or kills its process, while
// the process runs once, twice at once, or as a late zombie; and where the
// scenario has an event, it happens before every call, while the process runs
// alone, stands still, has a rival or dies. With -short it is every third of that.
func TestEveryFault(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			n, ticks := int64(1), int64(0)
			calls := s.judged(t).calls
			for step, c := range calls {
				for i, f := range s.every(step, c) {
					if !c.effect && !f.event && *simulateFor == 0 {
						continue // a process that stands still before a read stood still after the effect before it
					}
					if testing.Short() && (step+i)%3 > 0 {
						continue
					}
					e := s.judged(t, f)
					if broken.Load() {
						return
					}
					n, ticks = n+1, max(ticks, e.ticks())
				}
			}
			ran(t, n, ticks)
		})
	}
}

// TestCombinedFaults tries two and three faults in one execution, drawn at random.
func TestCombinedFaults(t *testing.T) {
	t.Parallel()
	calls := map[string][]call{}
	for _, s := range scenarios {
		calls[s.name] = s.judged(t).calls
	}
	inParallel(t, 500, func(random *rand.Rand) int64 {
		s := scenarios[random.IntN(len(scenarios))]
		return s.judged(t, s.draw(random, calls[s.name])...).ticks()
	})
}

// draw picks two or three faults, often with the scenario's event among them.
func (s scenario) draw(random *rand.Rand, calls []call) []fault {
	var faults []fault
	for range 2 + random.IntN(2) {
		step := random.IntN(len(calls))
		all := s.every(step, calls[step])
		faults = append(faults, all[random.IntN(len(all))])
	}
	slices.SortFunc(faults, func(a, b fault) int { return a.step - b.step })
	return slices.CompactFunc(faults, func(a, b fault) bool { return a.step == b.step })
}

// TestRandom runs long executions with every kind of fault and happening.
func TestRandom(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	reached := map[string]int{}
	inParallel(t, 150, func(random *rand.Rand) int64 {
		seed := random.Uint64()
		executions.Add(1)
		l, ticks := runLong(seed, false)
		if len(l.broken) > 0 && broken.CompareAndSwap(false, true) {
			again, _ := runLong(seed, true)
			t.Errorf("%s\n\nreplay: go test ./internal/bifrosttest -run TestReplay -seed=%d", again.describe(), seed)
		}
		mutex.Lock()
		defer mutex.Unlock()
		for what, n := range l.reached {
			reached[what] += n
		}
		return int64(ticks)
	})
	// The fixed seeds reach everything; others may not, when there are few of them.
	for _, what := range []string{
		"object", "object with compacted offsets", "gap retention", "gap topic_deleted", "gap before_first_sight",
		"range archived", "range adopted", "range lost", "range done_already", "range gone", "partition OPEN", "partition CLOSED", "partition FORKED", "gap forked", "restore", "rebuild",
	} {
		if reached[what] == 0 && *simulateFor == 0 {
			t.Errorf("no execution reached: %s", what)
		}
	}
	t.Logf("reached %v", reached)
}

// inParallel calls work a fixed number of times, or for as long as -simulate
// says. Each call has a random source of its own that the seed decides.
func inParallel(t *testing.T, times int64, work func(*rand.Rand) (ticks int64)) {
	t.Helper()
	seed := *seedFlag
	if seed == 0 && *simulateFor > 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("first seed %d", seed)
	var next, done, worst atomic.Int64
	until := time.Now().Add(*simulateFor)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for !broken.Load() {
				n := next.Add(1)
				if more := n <= times || (*simulateFor > 0 && time.Now().Before(until)); !more {
					return
				}
				ticks := work(rand.New(rand.NewPCG(seed, uint64(n))))
				done.Add(1)
				for {
					old := worst.Load()
					if ticks <= old || worst.CompareAndSwap(old, ticks) {
						break
					}
				}
			}
		})
	}
	workers.Wait()
	ran(t, done.Load(), worst.Load())
}

// TestReplay replays what -seed or -case names and prints what happened. Without
// them it checks that a seed decides everything: two executions are the same
// step by step.
func TestReplay(t *testing.T) {
	t.Parallel()
	switch {
	case *caseFlag != "":
		s, faults := findCase(t, *caseFlag)
		report(t, s.execute(true, faults...).world)
	case *seedFlag != 0:
		l, _ := runLong(*seedFlag, true)
		report(t, l.world)
	default:
		for seed := range uint64(10) {
			first, _ := runLong(seed, true)
			second, _ := runLong(seed, true)
			executions.Add(2)
			if len(first.trace) == 0 || !slices.Equal(first.trace, second.trace) {
				t.Fatalf("seed %d: two executions differ, or did nothing", seed)
			}
		}
	}
}

func report(t *testing.T, w *world) {
	t.Helper()
	executions.Add(1)
	if len(w.broken) > 0 {
		t.Fatal(w.describe())
	}
	t.Log(w.describe())
}

func findCase(t *testing.T, named string) (scenario, []fault) {
	t.Helper()
	words := strings.Split(named, ",")
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == words[0] })
	if i < 0 {
		t.Fatalf("there is no scenario %q", words[0])
	}
	var faults []fault
	for _, word := range words[1:] {
		var f fault
		word, f.event = strings.CutSuffix(word, ":e")
		if _, err := fmt.Sscanf(word, "%d:%d:%d", &f.step, &f.manner, &f.outcome); err != nil {
			t.Fatalf("fault %q: want step:manner:outcome: %v", word, err)
		}
		faults = append(faults, f)
	}
	return scenarios[i], faults
}
