package bifrost_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// lateStore is a store that begins completions and answers none.
type lateStore struct{ *bifrosttest.Store }

func (s lateStore) Create(ctx context.Context, key string) (bifrost.Upload, error) {
	u, err := s.Store.Create(ctx, key)
	return lateUpload{u, s.Store}, err
}

type lateUpload struct {
	bifrost.Upload
	store *bifrosttest.Store
}

func (u lateUpload) Complete(context.Context) (bifrost.Stored, error) {
	u.store.BeginCompletion(u.Upload)
	return bifrost.Stored{}, errors.New("the connection is gone")
}

// completing is a stack of which one range is archived in large objects, and the
// second is completing when the tables are lost.
func completing(t fatal) *stack {
	s := newStack(t)
	s.pause = 15 * time.Minute
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	log.Produce("one")
	s.settle()
	s.produce(log, 1)
	s.tick()
	a := s.archiver()
	a.Store = lateStore{s.store}
	if _, err := a.Archive(context.Background(), s.lambda.Take(1), time.Time{}); err == nil || s.store.Completing() != 1 {
		s.Fatalf("error %v, %d completing", err, s.store.Completing())
	}
	s.dropTasks()
	s.ledger.Lose(anyProgress, anyRow)
	s.target = 1 << 20 // ranges are cut otherwise from now on
	return s
}

// TestCompletionThatLandsLate: an abort does not beat a completion that is on its
// way. It becomes an object after the abort, and every plan has to know it.
func TestCompletionThatLandsLate(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		s := completing(t)
		opened := s.clock.Now()
		for s.progressOf("orders").Status != bifrost.StatusOpen {
			if s.progressOf("orders").Status == bifrost.StatusFencing && s.store.Completing() == 1 && s.clock.Now().Sub(opened) > 10*time.Minute {
				s.store.EndCompletion(fails)
			}
			summary := s.tick()
			s.work()
			if s.progressOf("orders").Status == bifrost.StatusFencing && (summary.Fencing != 1 || summary.Failures > 0) {
				t.Fatalf("summary %+v", summary)
			}
		}
		if waited := s.clock.Now().Sub(opened); waited < s.pause || s.store.Completing() > 0 {
			t.Errorf("open after %v, %d completing", waited, s.store.Completing())
		}
		s.settle()
		s.ended()
	}
}

// progressOf is the progress row of partition 0, zero when there is none.
func (s *stack) progressOf(name string) bifrost.Progress {
	p, err := s.ledger.Progress(context.Background(), bifrost.Partition{Name: name})
	if err != nil && !errors.Is(err, bifrost.ErrNotFound) {
		s.Fatalf("%v", err)
	}
	return p
}

// TestRebuildWaitsForTheFencePause: it is not through before, says until when it
// waits, and may be stopped and run again.
func TestRebuildWaitsForTheFencePause(t *testing.T) {
	t.Parallel()
	s := completing(t)
	summary, err := s.rebuilder().Rebuild(t.Context())
	if err == nil || !strings.Contains(err.Error(), "run it again after 2024-02-29T") || summary.Fencing != 1 || summary.Failures > 0 {
		t.Fatalf("error %v, summary %+v: want one that fences", err, summary)
	}
	fencedAt := s.progressOf("orders").FencedAt
	s.clock.Advance(5 * time.Minute)
	var waits []time.Time
	stopped := errors.New("stopped")
	r := s.rebuilder()
	r.Wait = func(_ context.Context, until time.Time, partitions int) error {
		waits = append(waits, until)
		if partitions != 1 {
			t.Errorf("waits for %d partitions", partitions)
		}
		return stopped
	}
	if summary, err = r.Rebuild(t.Context()); !errors.Is(err, stopped) || summary.Fencing != 1 {
		t.Fatalf("error %v, summary %+v", err, summary)
	}
	r.Wait = func(_ context.Context, until time.Time, _ int) error {
		waits = append(waits, until)
		s.store.EndCompletion(false)
		s.clock.Advance(until.Sub(s.clock.Now()))
		return nil
	}
	summary, err = r.Rebuild(t.Context())
	if err != nil || summary.Fencing != 0 || summary.Failures > 0 || summary.Adopted != 2 {
		t.Fatalf("error %v, summary %+v: want both objects adopted", err, summary)
	}
	if due := fencedAt.Add(s.pause); !slices.Equal(waits, []time.Time{due, due}) {
		t.Errorf("waits until %v, want until %v each time: the pause begins with the abort, not with the run", waits, due)
	}
	s.settle()
	s.ended()
}

// TestAPauseIsWaitedOutOnce: partitions that are rebuilt anew are fenced once, not again after the pause, and of several
// pauses the last end counts.
func TestAPauseIsWaitedOutOnce(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.pause = 15 * time.Minute
	for _, topic := range []string{"orders", "payments"} {
		for _, log := range s.kafka.CreateTopic(topic, 2).Logs {
			log.Produce("one")
		}
	}
	s.settle()
	r := s.rebuilder()
	r.Anew, r.Topics = true, bifrost.TopicFilter{Include: []string{"orders"}}
	waits := 0
	r.Wait = func(_ context.Context, until time.Time, partitions int) error {
		if waits++; waits > 1 || partitions != 2 {
			return fmt.Errorf("waits %d times, for %d partitions", waits, partitions)
		}
		s.clock.Advance(until.Sub(s.clock.Now()))
		return nil
	}
	if summary, err := r.Rebuild(t.Context()); err != nil || summary.Made != 2 || summary.Fencing > 0 || waits != 1 {
		t.Errorf("waits %d times, error %v, summary %+v", waits, err, summary)
	}
	s.settle()
	s.ledger.Lose(anyProgress, anyRow)
	var last time.Time
	zero, one := bifrost.Partition{Name: "orders"}, bifrost.Partition{Name: "orders", Number: 1}
	for _, some := range [][]bifrost.Partition{{one}, {zero, one}} { // the last one is fenced first
		r = s.rebuilder()
		r.Partitions = some
		s.clock.Advance(5 * time.Minute)
		last = s.clock.Now().Add(s.pause)
		_, err := r.Rebuild(t.Context())
		if err == nil || !strings.Contains(err.Error(), "run it again after "+last.UTC().Format(time.RFC3339)) {
			t.Errorf("error %v, want one that says %s", err, last)
		}
	}
}

// TestNobodyWaitsForWhatIsNew: a partition under whose prefix nobody has archived
// is open at once, and one of which that is not known is not.
func TestNobodyWaitsForWhatIsNew(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(*stack)
		waits   bool
	}{
		"a new topic":                        {func(*stack) {}, false},
		"a topic that an older one archived": {func(s *stack) { s.store.Put(bifrost.MarkerKey(testGroup, "orders"), s.oldMarker("orders")) }, true},
		"a partition that was born before":   {func(s *stack) { s.store.Put(bifrost.BirthKey(testGroup, branch), []byte("{}")) }, true},
	} {
		s := newStack(t)
		s.pause = 15 * time.Minute
		s.kafka.CreateTopic("orders", 1).Logs[0].Produce("one")
		c.prepare(s)
		s.tick()
		p := s.progressOf("orders")
		if waits := p.Status == bifrost.StatusFencing; waits != c.waits || waits == p.FencedAt.IsZero() {
			t.Errorf("%s: %s, fenced at %v", name, p.Status, p.FencedAt)
		}
		s.settle()
		s.sound(verify.Options{Deep: true, Kafka: true})
	}
}

// oldMarker is the topic's marker as a Bifrost wrote it that made no birth objects.
func (s *stack) oldMarker(topic string) []byte {
	id, err := s.kafka.Topic(topic).ID.MarshalText()
	if err != nil {
		s.Fatalf("%v", err)
	}
	return []byte(`{"cluster_id":"cluster","topic":"` + topic + `","topic_id":"` + string(id) + `"}`)
}

// TestUpgradeGoesOn: a stack whose rows were never fenced in this way, and whose
// prefixes have no birth objects, goes on without a stop; rebuild makes them.
func TestUpgradeGoesOn(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.pause = 15 * time.Minute
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	log.Produce("one")
	s.settle()
	old := func() {
		s.store.Delete(bifrost.BirthKey(testGroup, branch))
		s.store.Delete(bifrost.MarkerKey(testGroup, "orders"))
		s.store.Put(bifrost.MarkerKey(testGroup, "orders"), s.oldMarker("orders"))
	}
	old()
	s.produce(log, 1)
	if summary := s.tick(); summary.Planned == 0 || summary.Fencing > 0 {
		t.Errorf("summary %+v: want a tick that plans", summary)
	}
	s.work()
	s.settle()
	s.ended()
	s.rebuild()
	if len(s.store.Versions(bifrost.BirthKey(testGroup, branch))) != 1 {
		t.Error("rebuild made no birth object")
	}
	// One that was being made when it was upgraded: no time in its row.
	old()
	p := s.progressOf("orders")
	p.Status = bifrost.StatusFencing
	s.ledger.PokeProgress(p)
	s.tick()
	if now := s.progressOf("orders"); now.Status != bifrost.StatusFencing || now.FencedAt.IsZero() {
		t.Errorf("progress %+v: want it fenced off", now)
	}
	s.settle()
	s.ended()
}

// TestBirthObjectIsTheFirstOnes: of two who make a partition only the one that made
// its birth object opens it without a pause, and one that died in between counts.
func TestBirthObjectIsTheFirstOnes(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.pause = 15 * time.Minute
	s.kafka.CreateTopic("orders", 1).Logs[0].Produce("one")
	d := s.discoverer()
	dies := errors.New("died")
	d.Bucket = failing{Store: s.store, abort: dies}
	s.clock.Advance(time.Minute)
	if summary, err := d.Tick(t.Context(), time.Time{}); err != nil || summary.Failures != 1 {
		t.Fatalf("error %v, summary %+v", err, summary)
	}
	birth := s.content(bifrost.BirthKey(testGroup, branch))
	s.tick()
	if p := s.progressOf("orders"); p.Status != bifrost.StatusFencing || p.FencedAt.IsZero() {
		t.Errorf("progress %+v: another had made the birth object", p)
	}
	s.settle()
	s.ended()
	if !bytes.Equal(birth, s.content(bifrost.BirthKey(testGroup, branch))) || len(birth) > 400 {
		t.Errorf("the birth object is %s", birth)
	}
}

// failing is a bucket in which aborts fail.
type failing struct {
	*bifrosttest.Store
	abort error
}

func (f failing) AbortUploads(context.Context, string) error { return f.abort }

// slowBirth lets something happen right before the progress row is made.
type slowBirth struct {
	*bifrosttest.Ledger
	meanwhile func()
}

func (l *slowBirth) CreateProgress(ctx context.Context, p bifrost.Progress) error {
	if meanwhile := l.meanwhile; meanwhile != nil {
		l.meanwhile = nil
		meanwhile()
	}
	return l.Ledger.CreateProgress(ctx, p)
}

// TestBirthObjectComesAfterTheRow: a tick was about to make the row of a partition
// that was new; before it does, others archive there, and the tables are lost. Its
// row waits for what they may have completing: nothing that it put before says
// that nobody was there.
func TestBirthObjectComesAfterTheRow(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.pause = 15 * time.Minute
	s.kafka.CreateTopic("orders", 1).Logs[0].Produce("one")
	d := s.discoverer()
	d.Ledger = &slowBirth{s.ledger, func() {
		for range 3 {
			s.tick()
			s.work()
		}
		s.ledger.Lose(anyProgress, anyRow)
	}}
	if _, err := d.Tick(t.Context(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if p := s.progressOf("orders"); p.Status != bifrost.StatusFencing || p.FencedAt.IsZero() {
		t.Errorf("progress %+v: want a row that waits", p)
	}
}

// TestThePauseBeginsAtTheAbort, not when the row was made: the tick that made it may
// have ended right then.
func TestThePauseBeginsAtTheAbort(t *testing.T) {
	t.Parallel()
	s := completing(t)
	d := s.discoverer()
	d.Bucket = failing{s.store, errors.New("503")}
	if _, err := d.Tick(t.Context(), time.Time{}); err != nil {
		t.Fatal(err)
	}
	if p := s.progressOf("orders"); p.Status != bifrost.StatusFencing || !p.FencedAt.IsZero() {
		t.Fatalf("progress %+v: want a row that is not fenced off", p)
	}
	s.clock.Advance(2 * s.pause)
	s.tick()
	if p := s.progressOf("orders"); p.Status != bifrost.StatusFencing || p.FencedAt.IsZero() {
		t.Errorf("progress %+v: want a row whose pause has just begun", p)
	}
}

// TestListingComesAfterThePause: the very first object lands in the middle of what is
// not planned yet, and is known before it is.
func TestListingComesAfterThePause(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.pause = 15 * time.Minute
	s.target = 1
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	log.Produce("one", "two", "three")
	for range 6 {
		s.tick()
	}
	a, last := s.archiver(), len(s.lambda.Waiting())-1
	a.Store = lateStore{s.store}
	if start := s.lambda.Waiting()[last].StartOffset; start == 0 {
		t.Fatalf("the last task begins at %d", start)
	}
	if _, err := a.Archive(t.Context(), s.lambda.Take(last), time.Time{}); err == nil || s.store.Completing() != 1 {
		t.Fatalf("error %v, %d completing", err, s.store.Completing())
	}
	s.dropTasks()
	s.ledger.Lose(anyProgress, anyRow)
	s.target = 1 << 20
	s.tick()
	if p := s.progressOf("orders"); p.Status != bifrost.StatusFencing || p.FencedAt.IsZero() {
		t.Fatalf("progress %+v: want a row that waits", p)
	}
	s.store.EndCompletion(false)
	s.settle()
	s.ended()
}
