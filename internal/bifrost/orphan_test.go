package bifrost_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// dropTasks forgets every invocation that waits: those workers never run.
func (s *stack) dropTasks() {
	for len(s.lambda.Waiting()) > 0 {
		s.lambda.Take(0)
	}
}

// ended fails the test unless every row is settled and nothing is wrong.
func (s *stack) ended() {
	s.Helper()
	s.sound(verify.Options{Deep: true, Kafka: true})
	for _, r := range s.ledger.AllRows() {
		if !r.State.Done() {
			s.Fatalf("still planned: %+v; told: %q", r, s.log)
		}
	}
}

// orphan is a stack in which a later incarnation has a planned range and no
// object, its topic is deleted, and the progress table is lost.
func orphan(t *testing.T) *stack {
	s := newStack(t)
	s.kafka.CreateTopic("payments", 1).Logs[0].Produce("first incarnation")
	s.settle()
	s.kafka.DeleteTopic("payments")
	s.kafka.CreateTopic("payments", 1).Logs[0].Produce("second incarnation")
	s.tick() // makes its row
	s.clock.Advance(time.Hour)
	s.tick() // plans; the worker never runs
	s.dropTasks()
	s.kafka.DeleteTopic("payments")
	s.ledger.Lose(anyProgress, nil)
	return s
}

func TestPlannedRowOfALaterIncarnationIsEnded(t *testing.T) {
	t.Parallel()
	for name, repair := range map[string]func(*stack){
		"by rebuild": func(s *stack) { s.rebuild() },
		"by ticks":   func(*stack) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := orphan(t)
			repair(s)
			s.settle()
			for _, r := range s.ledger.AllRows() {
				if !r.State.Done() {
					t.Fatalf("still planned: %+v; told: %q", r, s.log)
				}
			}
			s.rebuild() // the first incarnation has objects, and no row that anybody waits for
			s.settle()
			s.ended()
			if summary := s.rebuild(); summary.Made+summary.Adopted+summary.Planned > 0 {
				t.Errorf("a rebuild still did something: %+v", summary)
			}
		})
	}
}

// TestOrphanAsDrawn is the execution in which TestRebuildThroughFaults met it.
func TestOrphanAsDrawn(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.maxRaw = 30
	orders := s.kafka.CreateTopic("orders", 1).Logs[0]
	orders.Produce("", "", "")
	s.kafka.CreateTopic("payments", 1)
	s.tick()
	s.kafka.DeleteTopic("payments")
	orders.Produce("")
	s.kafka.CreateTopic("payments", 1).Logs[0].Produce("")
	orders.Produce("")
	s.tick()
	s.kafka.DeleteTopic("payments")
	s.ledger.Lose(anyProgress, nil)
	s.rebuild()
	s.sound(verify.Options{})
	s.settle()
	s.clock.Advance(2 * time.Hour)
	s.settle()
	s.ended()
}

// TestEveryKindOfOrphanIsEnded: whatever life the row is of, and whoever comes first.
func TestEveryKindOfOrphanIsEnded(t *testing.T) {
	t.Parallel()
	planned := func(s *stack, name string) {
		s.produce(s.kafka.Topic(name).Logs[0], 7)
		s.tick()
		s.dropTasks()
	}
	for name, live := range map[string]func(*stack){
		"the first life, without an object": func(s *stack) {
			s.kafka.CreateTopic("orders", 1)
			planned(s, "orders")
			s.tick()
			s.dropTasks()
			s.kafka.DeleteTopic("orders")
		},
		"the first life, behind objects": func(s *stack) {
			s.kafka.CreateTopic("orders", 1).Logs[0].Produce("one")
			s.settle()
			planned(s, "orders")
			s.kafka.DeleteTopic("orders")
		},
		"the first life, and another follows": func(s *stack) {
			s.kafka.CreateTopic("orders", 1)
			planned(s, "orders")
			s.tick()
			s.dropTasks()
			s.kafka.DeleteTopic("orders")
			s.kafka.CreateTopic("orders", 1).Logs[0].Produce("new")
		},
		"a life that goes on": func(s *stack) {
			s.kafka.CreateTopic("orders", 1)
			planned(s, "orders")
			s.tick()
			s.dropTasks()
		},
		"a branch that was left, of a log that goes on": func(s *stack) {
			*s = *forkedStack(s.fatal)
		},
		"a fork without an object, of a topic that is gone": func(s *stack) {
			*s = *forkedStack(s.fatal)
			s.kafka.DeleteTopic("orders")
		},
	} {
		for _, old := range []bool{false, true} {
			for _, rebuilt := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, old rows %v, rebuilt %v", name, old, rebuilt), func(t *testing.T) {
					t.Parallel()
					s := newStack(t)
					live(s)
					s.ledger.Lose(anyProgress, nil)
					if old {
						for _, r := range s.ledger.AllRows() {
							r.ClusterID = ""
							s.ledger.Poke(r)
						}
					}
					if rebuilt {
						s.rebuild()
					}
					s.settle()
					for _, r := range s.ledger.AllRows() {
						if !r.State.Done() {
							t.Fatalf("still planned: %+v; told: %q", r, s.log)
						}
					}
					s.rebuild() // of a life with objects that is gone, ticks make no row
					s.settle()
					s.sound(verify.Options{Deep: true})
				})
			}
		}
	}
}

// forkedStack has planned rows of a branch that was left and of its fork, and no
// object of either.
func forkedStack(t fatal) *stack {
	s := newStack(t)
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	s.produce(log, 0)
	for range 3 {
		s.tick()
		s.dropTasks()
	}
	log.Truncate(0)
	s.tick()
	s.tick()
	s.tick()
	s.dropTasks()
	s.produce(log, 1)
	s.accept(branch, 0)
	for range 3 {
		s.tick()
		s.dropTasks()
	}
	return s
}

// TestALeftBranchIsSettledBeforeItIsLeftAgain: the progress row of a branch that was
// left is lost after the fork. Until uploads of older tables cannot land any more the
// new row waits, and nobody may leave it before its rows are planned and ended.
func TestALeftBranchIsSettledBeforeItIsLeftAgain(t *testing.T) {
	t.Parallel()
	isLeft := func(p bifrost.Progress) bool { return p.Fork() == 0 }
	goesOn := func(p bifrost.Progress) bool { return p.Fork() > 0 }
	for name, lose := range map[string]func(*stack){
		"its row alone":                    func(s *stack) { s.ledger.Lose(isLeft, nil) },
		"both rows":                        func(s *stack) { s.ledger.Lose(anyProgress, nil) },
		"both rows, and the topic is gone": func(s *stack) { s.ledger.Lose(anyProgress, nil); s.kafka.DeleteTopic("orders") },
		"its row, and then that of the branch that goes on": func(s *stack) {
			s.ledger.Lose(isLeft, nil)
			s.tick()
			s.ledger.Lose(goesOn, func(r bifrost.Row) bool { return r.Fork() > 0 })
		},
		"both rows, then that of the branch that goes on, and the topic is gone": func(s *stack) {
			s.ledger.Lose(anyProgress, nil)
			s.tick()
			s.ledger.Lose(goesOn, nil)
			s.kafka.DeleteTopic("orders")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := forkedStack(t)
			s.pause = 15 * time.Minute
			lose(s)
			s.settle()
			rows, err := s.ledger.ListProgress(t.Context())
			if err != nil || len(rows) != 2 {
				t.Fatalf("%d progress rows, error %v; told: %q", len(rows), err, s.log)
			}
			for _, p := range rows {
				if isLeft(p) && p.Status != bifrost.StatusForked || p.Status == bifrost.StatusFencing || p.NextOffset != p.PlannedOffset {
					t.Errorf("%v is %s, planned up to %d, settled up to %d; told: %q", p.Partition, p.Status, p.PlannedOffset, p.NextOffset, s.log)
				}
			}
			s.ended()
		})
	}
}

func TestATickSaysHowManyAreOrphaned(t *testing.T) {
	t.Parallel()
	s := orphan(t)
	if n := s.tick().Orphaned; n != 0 { // of its last pass: it has made the row
		t.Errorf("%d orphans after the tick that made their row", n)
	}
	s = orphan(t)
	d := s.discoverer()
	d.Ledger = flaky{Ledger: s.ledger, Bucket: s.store, fate: func() (error, error) { return errors.New("throttled"), nil }}
	s.clock.Advance(time.Minute)
	summary, err := d.Tick(t.Context(), time.Time{})
	if err != nil || summary.Orphaned != 1 || summary.Failures == 0 {
		t.Errorf("error %v, summary %+v, want one orphan and why it still is one", err, summary)
	}
}

// TestWorkersLookPastWhatNobodyMayDo: more waiting rows than a worker looks at are
// of a partition that may not be worked on, and one behind them is.
func TestWorkersLookPastWhatNobodyMayDo(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.kafka.CreateTopic("zebras", 1).Logs[0].Produce("one", "two", "three")
	s.tick()
	s.tick()
	task := s.lambda.Take(0)
	s.kafka.Topic("zebras").Logs[0].Produce("four")
	var orphans []bifrost.Row
	for n := range int64(300) {
		orphans = append(orphans, bifrost.Row{Partition: bifrost.Partition{Name: "alpha"}, Range: bifrost.Range{Start: n, End: n + 1},
			State: bifrost.StatePlanned})
	}
	s.tick()
	s.tick()
	s.ledger.Poke(orphans...)
	s.dropTasks()
	s.clock.Advance(time.Hour) // leases are over
	worker := bifrost.Worker{Archiver: s.archiver(), Ledger: s.ledger, Lease: time.Hour, Now: s.clock.Now, NewID: s.generation}
	results, err := worker.Work(t.Context(), task, s.clock.Now().Add(time.Minute))
	if err != nil || len(results) < 2 {
		t.Errorf("results %+v, error %v: want the range of the task and the one behind the orphans", results, err)
	}
}

// A row on the plain path, and at its key an object that somebody else put there:
// the marker says whose the path is, and the range is ended beside it.
func TestOrphanBesideAnotherClustersObject(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.kafka.CreateTopic("payments", 1).Logs[0].Produce("never archived")
	s.tick() // makes its row
	s.clock.Advance(time.Hour)
	s.tick() // plans; the worker never runs
	s.dropTasks()
	row := s.row("payments", 0, func(r bifrost.Row) bool { return !r.State.Done() })
	record := baldr.Record{Value: []byte("another cluster's")}
	content, _ := s.written([]baldr.Record{record}, baldr.Summary{
		ClusterID: "another", Topic: "payments", TopicID: row.TopicID, Start: row.Start, End: row.End})
	s.store.Put(bifrost.ObjectKey(testGroup, row.Partition, row.Start, 0), content)
	s.kafka.DeleteTopic("payments")
	s.ledger.Lose(anyProgress, nil)
	s.settle()
	row = s.row("payments", 0, func(bifrost.Row) bool { return true })
	if row.State != bifrost.StateLost || row.Facts.Key != bifrost.ObjectKey(testGroup, row.Partition, row.Start, 1) {
		t.Errorf("the row is %+v, want a gap beside the foreign object; told: %q", row, s.log)
	}
}

// After the tables are lost a later life that has no object of its own is not taken for another cluster's, whose object
// somebody put under its name: the birth object says whose it is.
func TestABirthObjectTellsAgainstAForeignObject(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.kafka.CreateTopic("orders", 1).Logs[0].Produce("of the first life")
	s.settle()
	s.kafka.DeleteTopic("orders")
	s.settle()
	id := s.kafka.CreateTopic("orders", 1).ID
	s.settle()
	life := bifrost.Partition{Name: "orders@" + id.String()}
	if p := s.progressOf(life.Name); p.ClusterID != "cluster" || p.PlannedOffset != 0 {
		t.Fatalf("%+v", p)
	}
	var content bytes.Buffer
	w := baldr.NewWriter(&content, baldr.Options{Level: 1})
	if err := w.WriteRecord(&baldr.Record{Offset: 0, Value: []byte("another cluster's")}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(baldr.Summary{ClusterID: "another", Topic: "orders", TopicID: id, End: 1}); err != nil {
		t.Fatal(err)
	}
	s.store.Put(bifrost.ObjectKey(testGroup, life, 0, 0), content.Bytes())
	s.ledger.Lose(anyProgress, anyRow)
	s.rebuild()
	if p := s.progressOf(life.Name); p.ClusterID != "cluster" || p.Records != 0 {
		t.Errorf("it is of cluster %q, with %d records", p.ClusterID, p.Records)
	}
	s.kafka.Topic("orders").Logs[0].Produce("of the second life")
	s.settle()
	if p := s.progressOf(life.Name); p.NextOffset != 1 || p.Records != 1 || p.Error != "" {
		t.Errorf("%+v", p)
	}
}
