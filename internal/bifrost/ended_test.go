package bifrost_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// ranged is a stack with one range of ten records planned and started.
func ranged(t *testing.T) *stack {
	s := newStack(t)
	s.target = 1 << 20
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	s.tick()
	for i := range 10 {
		log.Produce(fmt.Sprintf("record %d", i))
	}
	s.tick()
	if waiting := s.lambda.Waiting(); len(waiting) != 1 || waiting[0].EndOffset != 10 {
		t.Fatalf("tasks %+v", waiting)
	}
	return s
}

func (s *stack) rangeAt(start int64) bifrost.Row {
	s.Helper()
	row, err := s.ledger.Row(context.Background(), bifrost.Partition{Name: "orders"}, start)
	if err != nil {
		s.Fatalf("%v", err)
	}
	return row
}

// nothingKept fails when an archiver that has ended left something behind that
// only the end of its process would take away.
func (s *stack) nothingKept(what string) {
	s.Helper()
	if n := s.kafka.Reading(); n != 0 {
		s.Fatalf("%s: %d ranges are still being read", what, n)
	}
	if keys := s.store.OpenUploads(); len(keys) != 0 {
		s.Fatalf("%s: uploads are still open to %v", what, keys)
	}
}

// hooked calls before at every step of a reading, and may end it with an error.
type hooked struct {
	bifrost.Source
	before func(n int) error
}

func (h hooked) Read(ctx context.Context, topic string, id bifrost.TopicID, partition int32, r bifrost.Range) (bifrost.Records, error) {
	records, err := h.Source.Read(ctx, topic, id, partition, r)
	return &hookedRecords{Records: records, before: h.before}, err
}

type hookedRecords struct {
	bifrost.Records
	before func(n int) error
	n      int
}

func (h *hookedRecords) Next(ctx context.Context) (bifrost.Batch, error) {
	h.n++
	if err := h.before(h.n); err != nil {
		return bifrost.Batch{}, err
	}
	return h.Records.Next(ctx)
}

// full is a bucket whose uploads take no more than so many bytes, and complete or not.
type full struct {
	bifrost.Store
	writes, completes bool
}

func (f full) Create(ctx context.Context, key string) (bifrost.Upload, error) {
	upload, err := f.Store.Create(ctx, key)
	return fullUpload{upload, f}, err
}

type fullUpload struct {
	bifrost.Upload
	full
}

func (u fullUpload) Write(p []byte) (int, error) {
	if !u.writes {
		return 0, errors.New("no room")
	}
	return u.Upload.Write(p)
}

func (u fullUpload) Complete(ctx context.Context) (bifrost.Stored, error) {
	if !u.completes {
		return bifrost.Stored{}, errors.New("slow down")
	}
	return u.Upload.Complete(ctx)
}

// However a run of the archiver ends, it closes what it read and leaves no upload.
func TestArchiverKeepsNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*stack, *bifrost.Archiver)
		fails  bool
	}{
		"at the end":            {change: func(*stack, *bifrost.Archiver) {}},
		"at the size":           {change: func(_ *stack, a *bifrost.Archiver) { a.MaxRawBytes = 20 }},
		"at the deadline":       {change: func(s *stack, a *bifrost.Archiver) { a.Source = hooked{a.Source, s.later} }},
		"read fails":            {change: func(_ *stack, a *bifrost.Archiver) { a.Source = hooked{a.Source, failThird} }, fails: true},
		"first read fails":      {change: func(_ *stack, a *bifrost.Archiver) { a.Source = hooked{a.Source, failFirst} }, fails: true},
		"write fails":           {change: func(_ *stack, a *bifrost.Archiver) { a.Store = full{Store: a.Store} }, fails: true},
		"completion fails":      {change: func(_ *stack, a *bifrost.Archiver) { a.Store = full{Store: a.Store, writes: true} }, fails: true},
		"retention was sooner":  {change: func(s *stack, _ *bifrost.Archiver) { s.kafka.Topic("orders").Logs[0].Retain(5) }},
		"the topic was deleted": {change: func(s *stack, _ *bifrost.Archiver) { s.kafka.DeleteTopic("orders") }, fails: true},
		"it is done already":    {change: func(s *stack, _ *bifrost.Archiver) { s.archiveOnce() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := ranged(t)
			a := s.archiver()
			c.change(s, a)
			deadline := s.clock.Now().Add(time.Minute)
			if _, err := a.Archive(t.Context(), s.lambda.Take(0), deadline); (err != nil) != c.fails {
				t.Fatalf("error %v; fails: %v", err, c.fails)
			}
			s.nothingKept(name)
		})
	}
}

func (s *stack) later(n int) error {
	s.clock.Advance(25 * time.Second)
	return nil
}

func failFirst(int) error { return errors.New("no broker") }

func failThird(n int) error {
	if n == 3 {
		return errors.New("no broker")
	}
	return nil
}

func (s *stack) archiveOnce() {
	if _, err := s.archiver().Archive(context.Background(), s.lambda.Waiting()[0], time.Time{}); err != nil {
		s.Fatalf("%v", err)
	}
}

// A worker whose time ends while it reads gives its range back: under its own
// context, which has ended, it could not.
func TestWorkerReleasesUnderAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	s := ranged(t)
	ctx, cancel := context.WithCancel(t.Context())
	archiver := s.archiver()
	archiver.Source = hooked{archiver.Source, func(int) error { cancel(); return nil }}
	worker := bifrost.Worker{Archiver: archiver, Ledger: s.ledger, Lease: time.Hour, Now: s.clock.Now}
	if _, err := worker.Work(ctx, s.lambda.Take(0), s.clock.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	s.nothingKept("canceled")
	row := s.rangeAt(0)
	if pause := row.LeaseUntil.Sub(s.clock.Now()); row.Error == "" || pause <= 0 || pause > time.Minute {
		t.Errorf("the row waits %v, its error is %q: it was not given back", pause, row.Error)
	}
}

// A tick whose time ends while it starts a worker gives the range back as well.
func TestTickReleasesUnderAContextThatHasEnded(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	s.tick()
	log.Produce("one")
	s.clock.Advance(2 * time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	d := s.discoverer()
	d.Dispatcher = dispatcherFunc(func(ctx context.Context, _ bifrost.Task) error { cancel(); return ctx.Err() })
	summary, _ := d.Tick(ctx, time.Time{})
	row := s.rangeAt(0)
	if pause := row.LeaseUntil.Sub(s.clock.Now()); row.Attempts != 1 || row.Error == "" || pause <= 0 || pause > time.Minute {
		t.Errorf("the row waits %v, its error is %q: it was not given back; summary %+v", pause, row.Error, summary)
	}
}

type dispatcherFunc func(context.Context, bifrost.Task) error

func (f dispatcherFunc) Dispatch(ctx context.Context, t bifrost.Task) error { return f(ctx, t) }

// With less than the reserve left no range is begun, with as much one is.
func TestNoRangeIsBegunWithTooLittleTime(t *testing.T) {
	t.Parallel()
	for left, want := range map[time.Duration]int{time.Minute - 1: 1, time.Minute: 2, time.Hour: 2} {
		s := newStack(t)
		topic := s.kafka.CreateTopic("orders", 2)
		s.tick()
		topic.Logs[0].Produce("one")
		topic.Logs[1].Produce("one")
		s.tick()
		s.lambda.Take(1)
		s.clock.Advance(10 * time.Minute) // the second one's lease ends unused
		archiver, deadline := s.archiver(), s.clock.Now().Add(2*time.Hour)
		archiver.Store = costly{s.store, func() { s.clock.Advance(deadline.Sub(s.clock.Now()) - left) }}
		worker := bifrost.Worker{Archiver: archiver, Ledger: s.ledger, Lease: time.Hour, Reserve: time.Minute, Now: s.clock.Now}
		results, err := worker.Work(t.Context(), s.lambda.Take(0), deadline)
		if err != nil || len(results) != want {
			t.Errorf("with %v left: %d ranges, error %v; want %d", left, len(results), err, want)
		}
	}
}

// Not one record fits into a time that is over: the range fails and says why.
func TestARangeWithoutTimeSaysSo(t *testing.T) {
	t.Parallel()
	s := ranged(t)
	_, err := s.archiver().Archive(t.Context(), s.lambda.Take(0), s.clock.Now())
	if err == nil {
		t.Error("no error")
	}
	s.nothingKept("without time")
	if row := s.rangeAt(0); row.State != bifrost.StatePlanned {
		t.Errorf("row %+v", row)
	}
}

// failingLedger fails for every partition.
type failingLedger struct{ *bifrosttest.Ledger }

func (failingLedger) CreateProgress(context.Context, bifrost.Progress) error {
	return errors.New("ProvisionedThroughputExceededException: there is no capacity for this write, and the message is long")
}

// Where everything fails the answer still fits into what Lambda and CloudWatch take
// (a line of the log may have 256 KiB), and tells how many there were.
func TestATickWithAHundredThousandFailuresAnswers(t *testing.T) {
	t.Parallel()
	const partitions = 100_000
	s := newStack(t)
	s.kafka.CreateTopic("orders", partitions)
	d := s.discoverer()
	d.Ledger = failingLedger{s.ledger}
	summary, err := d.Tick(t.Context(), time.Time{})
	if err != nil || summary.Failures != partitions || len(summary.Failed) == 0 {
		t.Fatalf("error %v, %d failures, %d of them told", err, summary.Failures, len(summary.Failed))
	}
	answer, err := json.Marshal(summary)
	if err != nil || len(answer) > 64<<10 {
		t.Errorf("an answer of %d bytes, error %v", len(answer), err)
	}
}

// What is known to exist of a topic that was deleted, from its rows or objects before the table was
// lost, is settled like what a tick saw: it becomes gaps before the partition is closed.
func TestADeletedTopicIsSettledUpToWhatIsKnown(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*bifrost.Progress){
		"seen by a tick":      func(p *bifrost.Progress) { p.LastStable = 10 },
		"known after rebuild": func(p *bifrost.Progress) { p.LastStable, p.KnownUntil = 0, 10 },
	} {
		s := newStack(t)
		s.kafka.CreateTopic("orders", 1).Logs[0].Produce("0", "1", "2", "3", "4")
		for range 3 {
			s.tick()
			s.work()
		}
		progress := s.progress("orders", 0)
		if progress.NextOffset != 5 {
			t.Fatalf("%s: %+v", name, progress)
		}
		s.kafka.DeleteTopic("orders")
		change(&progress)
		s.ledger.PokeProgress(progress)
		for range 6 {
			s.tick()
			s.work()
		}
		if p := s.progress("orders", 0); p.Status != bifrost.StatusClosed || p.NextOffset != 10 || p.Lost != 5 {
			t.Errorf("%s: %s at %d with %d lost, want it closed at 10 with 5", name, p.Status, p.NextOffset, p.Lost)
		}
	}
}

// What a tick saw of a topic and no row tells, because it waited for its object, becomes a gap when the topic is deleted,
// as long as the function that saw it is there. Whatever it did not see is told of nothing.
func TestWhatWasSeenOfADeletedTopicBecomesAGap(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		remembers bool
		gap       int64
	}{"a warm function": {true, 3}, "one that is new": {false, 0}} {
		s := newStack(t)
		orders := s.kafka.CreateTopic("orders", 1)
		orders.Logs[0].Produce(numbers(5)...)
		s.settle()
		memory := new(bifrost.LastSeen)
		tick := func() {
			s.clock.Advance(time.Minute)
			d := s.discoverer()
			if d.Settings.Sizing = (bifrost.Sizing{TargetBytes: 1 << 20, MaxAge: time.Hour}); c.remembers {
				d.LastSeen = memory
			}
			if _, err := d.Tick(t.Context(), time.Time{}); err != nil {
				t.Fatal(err)
			}
			s.work()
		}
		orders.Logs[0].Produce(numbers(2)...)
		tick()
		orders.Logs[0].Produce(numbers(1)...)
		tick()
		tick() // nothing new, and still waiting
		s.kafka.DeleteTopic("orders")
		for range 8 {
			tick()
		}
		p := s.progress("orders", 0)
		if p.Status != bifrost.StatusClosed || p.NextOffset != 5+c.gap || p.Lost != c.gap {
			t.Errorf("%s: %s at %d with %d offsets in gaps, want it closed at %d", name, p.Status, p.NextOffset, p.Lost, 5+c.gap)
		}
		_, summary := s.verify(verify.Options{})
		if summary.Gaps[bifrost.ReasonTopicDeleted] != c.gap || summary.Violations != 0 {
			t.Errorf("%s: %+v", name, summary)
		}
	}
}

func numbers(n int) []string { return make([]string, n) }
