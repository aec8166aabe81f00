package bifrosttest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// stopped is one range of one partition, whose log fails somewhere within it.
type stopped struct {
	*testing.T
	clock  *Clock
	kafka  *Kafka
	log    *Log
	ledger *Ledger
	store  *Store
	worker *bifrost.Worker
	name   bifrost.Partition
}

const nearLoss = 6 * time.Hour

// newStopped plans one range over a log of the values.
func newStopped(t *testing.T, lossAt time.Time, values ...string) *stopped {
	clock := NewClock(noon)
	s := &stopped{T: t, clock: clock, kafka: NewKafka("cluster", clock.Now), ledger: NewLedger(), store: NewStore(), name: bifrost.Partition{Name: "orders"}}
	topic := s.kafka.CreateTopic("orders", 1)
	s.log = topic.Logs[0]
	s.log.Produce(values...)
	end := int64(len(values))
	s.ledger.PokeProgress(bifrost.Progress{Partition: s.name, TopicID: topic.ID, ClusterID: "cluster", Generation: "one", Status: bifrost.StatusOpen, PlannedOffset: end})
	s.ledger.Poke(bifrost.Row{Partition: s.name, TopicID: topic.ID, Range: bifrost.Range{End: end}, State: bifrost.StatePlanned, LossAt: lossAt})
	archiver := &bifrost.Archiver{
		Group: group, Source: s.kafka, Store: s.store, Ledger: s.ledger, MaxRawBytes: 1 << 30,
		Format: baldr.Options{Level: 1}, Writer: "test", NearLoss: nearLoss, Now: clock.Now,
	}
	s.worker = &bifrost.Worker{Archiver: archiver, Ledger: s.ledger, Lease: lease, Now: clock.Now}
	return s
}

// work lets a worker try the range once; a zero deadline is none.
func (s *stopped) work(ctx context.Context, deadline time.Time) ([]bifrost.RangeResult, error) {
	s.Helper()
	s.clock.Advance(time.Minute)
	leased, err := s.ledger.Lease(context.Background(), s.row(0), "", s.row(0).Attempts+1, s.clock.Now().Add(lease))
	if err != nil {
		s.Fatal(err)
	}
	return s.worker.Work(ctx, bifrost.NewTask(leased), deadline)
}

func (s *stopped) row(start int64) bifrost.Row {
	s.Helper()
	row, err := s.ledger.Row(context.Background(), s.name, start)
	if err != nil {
		s.Fatal(err)
	}
	return row
}

// released wants an attempt to have archived nothing, and its row to remember
// where it stopped.
func (s *stopped) released(results []bifrost.RangeResult, err error, at int64) {
	s.Helper()
	row := s.row(0)
	if err == nil || len(results) > 0 || row.State != bifrost.StatePlanned || len(s.store.Keys()) > 0 {
		s.Errorf("want nothing archived; results %+v, row %+v, error %v", results, row, err)
	}
	if row.StoppedAt != at || row.Error == "" {
		s.Errorf("the row remembers offset %d and error %q, want offset %d", row.StoppedAt, row.Error, at)
	}
}

// settled wants an attempt to have archived what lies below an offset, to say why
// no more, and to have left the rest of the row as a range of its own.
func (s *stopped) settled(results []bifrost.RangeResult, err error, at int64) {
	s.Helper()
	if err != nil || len(results) != 1 || results[0].EndOffset != at || results[0].Records != at || results[0].Outcome != bifrost.OutcomeArchived {
		s.Fatalf("want [0, %d) archived; results %+v, error %v", at, results, err)
	}
	if results[0].Stopped == "" {
		s.Errorf("the result does not say why it ends there: %+v", results[0])
	}
	row, rest := s.row(0), s.row(at)
	if row.State != bifrost.StateArchived || row.End != at || row.StoppedAt != 0 {
		s.Errorf("the row %+v", row)
	}
	if rest.State != bifrost.StatePlanned || rest.End != s.log.LogEnd() || rest.StoppedAt != 0 {
		s.Errorf("the rest %+v", rest)
	}
}

// TestStopTwiceAtAnOffset fails at one offset whoever asks.
func TestStopTwiceAtAnOffset(t *testing.T) {
	t.Parallel()
	s := newStopped(t, time.Time{}, "a", "b", "c", "d", "e")
	s.log.Fail(3)
	results, err := s.work(t.Context(), time.Time{})
	s.released(results, err, 3)
	results, err = s.work(t.Context(), time.Time{})
	s.settled(results, err, 3)
	if !strings.Contains(results[0].Stopped, "offset 3") || !strings.Contains(results[0].Stopped, errUnreadable.Error()) {
		t.Errorf("stopped: %q", results[0].Stopped)
	}
}

// TestStopElsewhere fails at one offset and then at others: that is no lasting
// error yet.
func TestStopElsewhere(t *testing.T) {
	t.Parallel()
	s := newStopped(t, time.Time{}, "a", "b", "c", "d", "e")
	for _, at := range []int64{3, 4, 2} {
		s.log.Fail(at)
		results, err := s.work(t.Context(), time.Time{})
		s.released(results, err, at)
	}
	results, err := s.work(t.Context(), time.Time{})
	s.settled(results, err, 2)
}

// TestStopAfterAnotherFailure has an attempt between the two that fails for
// another reason, which does not make the first one forgotten.
func TestStopAfterAnotherFailure(t *testing.T) {
	t.Parallel()
	s := newStopped(t, time.Time{}, "a", "b", "c", "d", "e")
	s.log.Fail(3)
	results, err := s.work(t.Context(), time.Time{})
	s.released(results, err, 3)
	s.worker.Archiver.Store = failingStore{s.store}
	results, err = s.work(t.Context(), time.Time{})
	s.released(results, err, 3)
	s.worker.Archiver.Store = s.store
	results, err = s.work(t.Context(), time.Time{})
	s.settled(results, err, 3)
}

// TestStopBehindMuch fails behind as much as is worth an object, and behind a byte
// less.
func TestStopBehindMuch(t *testing.T) {
	t.Parallel()
	half := strings.Repeat("x", 1<<19-8) // with its length a half of 1 MiB
	s := newStopped(t, time.Time{}, half, half, "c", "d")
	s.log.Fail(2)
	results, err := s.work(t.Context(), time.Time{})
	s.settled(results, err, 2)

	s = newStopped(t, time.Time{}, half, half[1:], "c", "d")
	s.log.Fail(2)
	results, err = s.work(t.Context(), time.Time{})
	s.released(results, err, 2)
}

// TestStopNearLoss fails where Kafka may delete records soon, later, and never.
func TestStopNearLoss(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lossAt time.Time
		near   bool
	}{
		"never":         {time.Time{}, false},
		"later":         {noon.Add(nearLoss + time.Hour), false},
		"soon":          {noon.Add(nearLoss - time.Hour), true},
		"at any moment": {noon.Add(-time.Hour), true},
	} {
		s := newStopped(t, c.lossAt, "a", "b", "c", "d")
		s.log.Fail(1)
		results, err := s.work(t.Context(), time.Time{})
		t.Log(name)
		if c.near {
			s.settled(results, err, 1)
		} else {
			s.released(results, err, 1)
		}
	}
}

// TestStopAtTheStart fails where the range begins: there is nothing to archive,
// however often, and however soon it may be lost.
func TestStopAtTheStart(t *testing.T) {
	t.Parallel()
	s := newStopped(t, noon, "a", "b")
	s.log.Fail(0)
	for range 3 {
		results, err := s.work(t.Context(), time.Time{})
		s.released(results, err, 0)
	}
}

// TestStopOfADeletedTopic deletes the topic within the range: what was read of it
// is the last that anybody ever will.
func TestStopOfADeletedTopic(t *testing.T) {
	t.Parallel()
	s := newStopped(t, time.Time{}, "a", "b", "c", "d")
	s.worker.Archiver.Source = &interrupted{Kafka: s.kafka, after: 1, then: func(context.Context) error {
		s.kafka.DeleteTopic("orders")
		return nil
	}}
	results, err := s.work(t.Context(), time.Time{})
	s.settled(results, err, 2)
}

// TestStopByTheCaller cancels the work within the range. Nothing is begun then that
// has to be brought to an end.
func TestStopByTheCaller(t *testing.T) {
	t.Parallel()
	s := newStopped(t, noon, strings.Repeat("x", 2<<20), "b", "c", "d")
	ctx, cancel := context.WithCancel(t.Context())
	s.worker.Archiver.Source = &interrupted{Kafka: s.kafka, after: 1, then: func(context.Context) error {
		cancel()
		return ctx.Err()
	}}
	results, err := s.work(ctx, time.Time{})
	s.released(results, err, 0)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestStopByTheDeadline has a source that says nothing until the time is up.
func TestStopByTheDeadline(t *testing.T) {
	t.Parallel()
	s := newStopped(t, time.Time{}, "a", "b", "c", "d")
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	within, cancel := context.WithTimeout(t.Context(), 20*time.Second) // the function's own end
	defer cancel()
	s.worker.Reserve = time.Hour // it begins no other range
	for _, after := range []int{0, 1} {
		s.worker.Archiver.Source = &interrupted{Kafka: s.kafka, after: after, then: wait}
		results, err := s.work(within, s.clock.Now().Add(time.Minute+50*time.Millisecond))
		if after == 0 {
			s.released(results, err, 0)
			continue
		}
		if err != nil || len(results) != 1 || results[0].EndOffset != 2 || results[0].Stopped != "" {
			t.Errorf("results %+v, error %v", results, err)
		}
	}
}

// TestStopOfTheBucket fails to write, which says nothing about Kafka.
func TestStopOfTheBucket(t *testing.T) {
	t.Parallel()
	s := newStopped(t, time.Time{}, "aaaaaaaa", "bbbbbbbb", "cccccccc", "dddddddd")
	s.worker.Archiver.Store = failingStore{s.store}
	s.worker.Archiver.Format.MemberBytes = 16 // so that it is written to before its end
	results, err := s.work(t.Context(), time.Time{})
	s.released(results, err, 0)
}

// TestStopOfAccounts has a source whose accounts do not add up. Nothing of what it
// says is believed any more.
func TestStopOfAccounts(t *testing.T) {
	t.Parallel()
	s := newStopped(t, noon, strings.Repeat("x", 2<<20), "b", "c", "d")
	s.worker.Archiver.Source = &interrupted{Kafka: s.kafka, after: 1, wrong: true}
	results, err := s.work(t.Context(), time.Time{})
	s.released(results, err, 0)
}

// interrupted is a source to which something happens after some answers.
type interrupted struct {
	*Kafka
	after int
	then  func(context.Context) error // an error is the answer
	wrong bool                        // the answer miscounts
}

// Read implements bifrost.Source.
func (i *interrupted) Read(ctx context.Context, topic string, id bifrost.TopicID, partition int32, r bifrost.Range) (bifrost.Records, error) {
	records, err := i.Kafka.Read(ctx, topic, id, partition, r)
	return &interruptedRecords{records, *i}, err
}

type interruptedRecords struct {
	bifrost.Records
	interrupted
}

// Next implements bifrost.Records.
func (r *interruptedRecords) Next(ctx context.Context) (bifrost.Batch, error) {
	if r.after--; r.after < 0 && r.then != nil {
		if err := r.then(ctx); err != nil {
			return bifrost.Batch{}, err
		}
	}
	batch, err := r.Records.Next(ctx)
	if r.after < 0 && r.wrong {
		batch.Missing.Compacted++
	}
	return batch, err
}

// failingStore takes nothing.
type failingStore struct{ *Store }

// Create implements bifrost.Store.
func (s failingStore) Create(ctx context.Context, key string) (bifrost.Upload, error) {
	upload, err := s.Store.Create(ctx, key)
	return failingUpload{upload}, err
}

type failingUpload struct{ bifrost.Upload }

func (failingUpload) Write([]byte) (int, error) { return 0, errors.New("503 Slow Down") }
