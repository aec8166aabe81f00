package bifrost_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

func TestVerifyFindsNothingInAnUndamagedArchive(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	for _, options := range []verify.Options{{}, {Deep: true}, {Kafka: true}, {Deep: true, Kafka: true}} {
		found, summary := s.verify(options)
		for _, v := range found {
			t.Errorf("%+v: %+v", options, v)
		}
		if summary.Rows == 0 || summary.Violations != 0 {
			t.Errorf("%+v: summary %+v", options, summary)
		}
	}
}

// TestVerifyAsksKafkaForWhatIsArchived: a log that nobody reads is unknown if it is archived, and of no
// interest if it is not.
func TestVerifyAsksKafkaForWhatIsArchived(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	s.kafka.CreateTopic("others", 2).Logs[1].Lead(false)
	if found, summary := s.verify(verify.Options{Kafka: true}); len(found) > 0 || summary.Rows == 0 {
		t.Errorf("beside a topic of others: %+v, %+v", found, summary)
	}
	s.kafka.Topic("others").Logs[1].Lead(true)
	s.tick() // archives it
	s.kafka.Topic("others").Logs[1].Lead(false)
	_, err := s.verifier().Verify(t.Context(), verify.Options{Kafka: true},
		func(v verify.Violation) { t.Errorf("%+v", v) })
	if err == nil || !strings.Contains(err.Error(), "topic others partition 1: list offsets: ") {
		t.Errorf("a log that is archived and not looked at: %v", err)
	}
}

// busy is a table and a bucket in which the stack works on while they are read:
// a row, a page of keys or an object at a time.
type busy struct {
	*bifrosttest.Ledger
	*bifrosttest.Store
	live func()
}

func (b busy) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	var all []bifrost.Row
	for len(all) < limit {
		b.live()
		next, err := b.Ledger.Rows(ctx, p, from, 1)
		if err != nil || len(next) == 0 {
			return all, err
		}
		all, from = append(all, next...), next[0].Start+1
	}
	return all, nil
}

func (b busy) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	b.live()
	return b.Store.List(ctx, prefix, after, limit)
}

func (b busy) ListProgress(ctx context.Context) ([]bifrost.Progress, error) {
	b.live()
	return b.Ledger.ListProgress(ctx)
}

func (b busy) Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error) {
	b.live()
	return b.Ledger.Progress(ctx, p)
}

func (b busy) Open(ctx context.Context, key string) (bifrost.Object, error) {
	b.live()
	return b.Store.Open(ctx, key)
}

// TestVerifyBesideALiveStack: what is on its way is no violation, whenever it is
// looked at.
func TestVerifyBesideALiveStack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newStack(t)
		s.maxRaw = rapid.SampledFrom([]int64{30, 1 << 20}).Draw(t, "most raw bytes of an object")
		s.target = rapid.SampledFrom([]int64{48, 1 << 20}).Draw(t, "target")
		live(t, s, rapid.IntRange(3, 20).Draw(t, "length of its life"))
		steps := rapid.IntRange(0, 20).Draw(t, "steps meanwhile")
		v := s.verifier()
		b := busy{s.ledger, s.store, func() {
			if steps > 0 && rapid.IntRange(0, 3).Draw(t, "does something happen now") == 0 {
				steps--
				live(t, s, 1)
			}
		}}
		v.Ledger, v.Bucket, v.Parallel = b, b, 1
		_, err := v.Verify(context.Background(), verify.Options{Deep: true, Kafka: true}, func(v verify.Violation) { t.Errorf("%+v", v) })
		if err != nil {
			t.Fatal(err)
		}
	})
}

// TestVerifyManyPages damages rows and objects where one page of a thousand
// ends and the next begins.
func TestVerifyManyPages(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.inFlight = 1000
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	for range 1010 {
		log.Produce("12345678901234567890123456789012345678901234567890")
	}
	s.settle()
	rows := s.ledger.AllRows()
	if len(rows) != 1010 {
		t.Fatalf("%d rows", len(rows))
	}
	s.sound(verify.Options{})
	some, others := []int{0, 999, 1001}, []int{998, 1000, 1009}
	s.damageRows(rows, some, others)
	s.damageRows(rows, others, some)
}

// damageRows loses the rows of some and the objects of others, all of a length of one offset.
func (s *stack) damageRows(rows []bifrost.Row, some, others []int) {
	s.Helper()
	backup := s.ledger.Backup()
	contents := map[string][]byte{}
	for _, i := range some {
		s.lose(rows[i])
	}
	for _, i := range others {
		key := rows[i].Facts.Key
		contents[key] = s.content(key)
		s.store.Delete(key)
		r := rows[i]
		r.TopicID[0]++
		s.ledger.Poke(r)
	}
	_, summary := s.verify(verify.Options{})
	for kind, want := range map[verify.Kind]int{
		verify.RowMissing: len(some), verify.ObjectWithoutRow: len(some),
		verify.ObjectMissing: len(others), verify.RowInvalid: len(others), verify.TotalsWrong: 1,
	} {
		if summary.Kinds[kind] != int64(want) {
			s.Fatalf("%s: %d, want %d; %v", kind, summary.Kinds[kind], want, summary.Kinds)
		}
	}
	s.ledger.Restore(backup)
	for key, content := range contents {
		s.store.Put(key, content)
	}
}

// torn reads rows as DynamoDB may: each as it is when it is read, so that a
// transaction on two of them shows half done.
type torn struct {
	*bifrosttest.Ledger
	progress bifrost.Progress // read before the rows, so it is never ahead of them
	rows     func(from int64) ([]bifrost.Row, error)
}

func (b torn) Progress(context.Context, bifrost.Partition) (bifrost.Progress, error) {
	return b.progress, nil
}

func (b torn) Rows(_ context.Context, _ bifrost.Partition, from int64, _ int) ([]bifrost.Row, error) {
	return b.rows(from)
}

// TestVerifyWhileARowIsCutInTwo: a range that ends early leaves a remainder. A
// read may see the row as it was beside the remainder, or as it is without it.
func TestVerifyWhileARowIsCutInTwo(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.maxRaw, s.target = 20, 1<<20
	s.produce(s.kafka.CreateTopic("orders", 1).Logs[0], 0)
	s.tick()
	s.tick()
	before, progress := s.ledger.AllRows(), s.progress("orders", 0)
	s.work()
	after := s.ledger.AllRows()
	if len(before) != 1 || len(after) != 2 || after[1].End != before[0].End {
		t.Fatalf("rows before %+v and after %+v", before, after)
	}
	for name, rows := range map[string][]bifrost.Row{
		"before and remainder": {before[0], after[1]},
		"after, no remainder":  {after[0]},
		"before":               before,
	} {
		v := s.verifier()
		v.Ledger = torn{s.ledger, progress, func(from int64) ([]bifrost.Row, error) {
			return slices.DeleteFunc(slices.Clone(rows), func(r bifrost.Row) bool { return r.Start < from }), nil
		}}
		if _, err := v.Verify(t.Context(), verify.Options{}, func(v verify.Violation) { t.Errorf("%s: %+v", name, v) }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVerifyKnowsEveryStatus: a state that the rules write is no violation.
func TestVerifyKnowsEveryStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []bifrost.Status{bifrost.StatusOpen, bifrost.StatusBlocked, bifrost.StatusDiverged, bifrost.StatusClosed, bifrost.StatusFencing} {
		s := newStack(t)
		s.produce(s.kafka.CreateTopic("orders", 1).Logs[0], 0)
		s.settle()
		p := s.progress("orders", 0)
		p.Status = status
		s.ledger.PokeProgress(p)
		s.sound(verify.Options{})
	}
}
