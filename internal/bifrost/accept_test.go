package bifrost_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// diverged is a live archive of two partitions, of which the log of partition 0
// was cut at the offset, with ranges planned of the old branch that nobody
// archived; then it grew again, beyond where it ended.
func diverged(t fatal, cut int64) *stack {
	s := newStack(t)
	topic := s.kafka.CreateTopic("orders", 2)
	s.produce(topic.Logs[0], 0)
	s.produce(topic.Logs[1], 1)
	s.settle()
	s.produce(topic.Logs[0], 2)
	s.tick()
	for len(s.lambda.Waiting()) > 0 {
		s.lambda.Take(0) // these never run
	}
	topic.Logs[0].Truncate(cut)
	for range 3 {
		s.tick()
	}
	if p := s.progress("orders", 0); p.Status != bifrost.StatusDiverged || p.NextOffset == p.PlannedOffset {
		t.Fatalf("progress %+v", p)
	}
	s.produce(topic.Logs[0], 3)
	s.produce(topic.Logs[0], 4)
	s.produce(topic.Logs[0], 5)
	return s
}

var branch = bifrost.Partition{Name: "orders", Number: 0}

func (s *stack) accept(p bifrost.Partition, from int64) bifrost.Partition {
	s.Helper()
	next, err := s.accepter().AcceptDiverged(context.Background(), p, from)
	if err != nil {
		s.Fatalf("accept: %v", err)
	}
	return next
}

// branches checks what a fork has to leave: the old branch as it was and
// complete, the new one from the offset on to the end of the log.
func (s *stack) branches(old, next bifrost.Partition, from int64) {
	s.Helper()
	log := s.kafka.Topic("orders").Logs[old.Number]
	left, goesOn := s.progress(old.Name, old.Number), s.progress(next.Name, next.Number)
	if left.Status != bifrost.StatusForked || left.NextOffset != left.PlannedOffset {
		s.Fatalf("the branch that was left: %+v", left)
	}
	if goesOn.Status != bifrost.StatusOpen || goesOn.NextOffset != log.LogEnd() || goesOn.Lost != from || goesOn.Records != log.LogEnd()-from {
		s.Fatalf("the branch that goes on from %d to %d: %+v", from, log.LogEnd(), goesOn)
	}
}

func TestAcceptDiverged(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]int64{"from the cut": 15, "from below": 3, "from the beginning": 0, "from the end of what was planned": 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := diverged(t, 15)
			objects := s.objects()
			s.sound(verify.Options{Deep: true, Kafka: true})
			next := s.accept(branch, from)
			s.sound(verify.Options{Deep: true, Kafka: true})
			if again := s.accept(branch, from); again != next {
				t.Errorf("accepted as %s, and again as %s", next, again)
			}
			s.settle()
			s.branches(branch, next, from)
			s.unchanged(objects)
			s.sound(verify.Options{Deep: true, Kafka: true})
			_, summary := s.verify(verify.Options{})
			if summary.Gaps[bifrost.ReasonForked] != from || summary.Gaps[bifrost.ReasonDiverged] == 0 {
				t.Errorf("gaps %v", summary.Gaps)
			}
			s.survives(next)
		})
	}
}

func (s *stack) unchanged(objects map[string]string) {
	s.Helper()
	for key, content := range objects {
		if versions := s.store.Versions(key); len(versions) != 1 || string(versions[0]) != content {
			s.Fatalf("%s was written %d times", key, len(versions))
		}
	}
}

// survives loses tables in every way: what was decided stays decided.
func (s *stack) survives(next bifrost.Partition) {
	s.Helper()
	want, objects := s.tables(), s.objects()
	for _, lose := range []func(){
		func() { s.ledger.Lose(anyProgress, anyRow) },
		func() { s.ledger.Lose(func(p bifrost.Progress) bool { return p.Partition == next }, nil) },
		func() { s.ledger.Lose(func(p bifrost.Progress) bool { return p.Partition == branch }, nil) },
		func() { s.ledger.Lose(nil, func(r bifrost.Row) bool { return r.Partition == branch && r.Start > 0 }) },
	} {
		lose()
		s.settle() // ticks first: they must not fall back to the old branch
		s.unchanged(objects)
		s.rebuild()
		s.settle()
		s.compare("tables", s.tables(), want)
		if left := s.progress("orders", 0); left.Status != bifrost.StatusForked {
			s.Fatalf("the branch that was left is %s", left.Status)
		}
		s.unchanged(objects)
		s.sound(verify.Options{Deep: true, Kafka: true})
	}
}

func TestAcceptDivergedRefuses(t *testing.T) {
	t.Parallel()
	s := diverged(t, 15)
	refused := func(what string, p bifrost.Partition, from int64) {
		t.Helper()
		keys := strings.Join(s.store.Keys(), " ")
		if next, err := s.accepter().AcceptDiverged(t.Context(), p, from); err == nil {
			t.Errorf("%s: accepted as %s", what, next)
		}
		if now := strings.Join(s.store.Keys(), " "); now != keys {
			t.Errorf("%s: keys %s, were %s", what, now, keys)
		}
	}
	refused("a healthy partition", bifrost.Partition{Name: "orders", Number: 1}, 3)
	refused("no partition", bifrost.Partition{Name: "orders", Number: 7}, 3)
	refused("a negative offset", branch, -1)
	refused("an offset that the old branch does not reach", branch, s.progress("orders", 0).PlannedOffset+1)
	next := s.accept(branch, 15)
	refused("another offset for the same fork", branch, 14)
	s.settle()
	refused("the branch that goes on", next, 15)
	refused("another offset, later", branch, 14)
}

// TestAcceptDivergedTwice: the branch that goes on is cut as well.
func TestAcceptDivergedTwice(t *testing.T) {
	t.Parallel()
	s := diverged(t, 15)
	first := s.accept(branch, 15)
	s.settle()
	log := s.kafka.Topic("orders").Logs[0]
	log.Truncate(18)
	for range 3 {
		s.tick()
	}
	second := s.accept(first, 18)
	s.produce(log, 6)
	s.settle()
	s.branches(first, second, 18)
	if second.Fork() != 2 || s.progress("orders", 0).Status != bifrost.StatusForked {
		t.Errorf("branch %s, first %+v", second, s.progress("orders", 0))
	}
	s.sound(verify.Options{Deep: true, Kafka: true})
	s.survives(second)
	s.kafka.DeleteTopic("orders")
	s.produce(s.kafka.CreateTopic("orders", 1).Logs[0], 7)
	s.settle()
	if p := s.progress(second.Name, 0); p.Status != bifrost.StatusClosed {
		t.Errorf("after the topic was deleted: %+v", p)
	}
	if p := s.progress(first.Name, 0); p.Status != bifrost.StatusForked {
		t.Errorf("after the topic was deleted, a branch that was left: %+v", p)
	}
	s.sound(verify.Options{Deep: true, Kafka: true})
}

// TestAcceptDivergedThroughFaults fails each call that changes something, before
// and after it is done, and accepts again.
func TestAcceptDivergedThroughFaults(t *testing.T) {
	t.Parallel()
	faults := 0
	for _, after := range []bool{false, true} {
		for nth := 1; nth <= 2; nth++ {
			s, calls := diverged(t, 15), 0
			f := shaky{s.ledger, s.store, &calls, nth, after}
			a := s.accepter()
			a.Ledger, a.Store, a.Bucket = f, f, f
			next, err := a.AcceptDiverged(t.Context(), branch, 15)
			if err != nil {
				faults++
				s.tick() // a tick of a stack that knows half of it
				s.work()
				s.sound(verify.Options{Deep: true, Kafka: true})
				next = s.accept(branch, 15)
			}
			s.settle()
			s.branches(branch, next, 15)
			s.sound(verify.Options{Deep: true, Kafka: true})
		}
	}
	if faults != 4 {
		t.Errorf("%d faults were felt, want 4", faults)
	}
}

// TestATickFinishesADecision: the command put the fork on record and died, and
// nobody gives it again.
func TestATickFinishesADecision(t *testing.T) {
	t.Parallel()
	s, calls := diverged(t, 15), 0
	f := shaky{s.ledger, s.store, &calls, 2, false}
	a := s.accepter()
	a.Ledger, a.Store, a.Bucket = f, f, f
	if _, err := a.AcceptDiverged(t.Context(), branch, 15); err == nil || s.progress("orders", 0).Status != bifrost.StatusDiverged {
		t.Fatalf("accept: %v, the row: %+v", err, s.progress("orders", 0))
	}
	s.settle()
	if p := s.progress("orders", 0); p.Status != bifrost.StatusForked {
		t.Fatalf("the branch that was left: %+v", p)
	}
	s.branches(branch, s.accept(branch, 15), 15)
	s.sound(verify.Options{Deep: true, Kafka: true})
}

func (f shaky) ChangeStatus(ctx context.Context, w bifrost.StatusWrite) error {
	return f.call(func() error { return f.Ledger.ChangeStatus(ctx, w) })
}

func (f shaky) CreateOnce(ctx context.Context, key string, content []byte) (there []byte, err error) {
	err = f.call(func() error { there, err = f.Store.CreateOnce(ctx, key, content); return err })
	return there, err
}

// TestAFrozenTickCannotTakeADecisionBack: a tick that read the partition before
// it diverged wakes up after a person has decided.
func TestAFrozenTickCannotTakeADecisionBack(t *testing.T) {
	t.Parallel()
	s := diverged(t, 15)
	read := s.progress("orders", 0)
	read.Status = bifrost.StatusOpen // as it was
	s.accept(branch, 15)
	err := s.ledger.ChangeStatus(t.Context(), bifrost.StatusWrite{Progress: read, Status: bifrost.StatusOpen})
	if !errors.Is(err, bifrost.ErrConflict) {
		t.Errorf("the status was changed: %v", err)
	}
	rows := []bifrost.Row{{Partition: branch, Range: bifrost.Range{Start: read.PlannedOffset, End: read.PlannedOffset + 1}, State: bifrost.StatePlanned}}
	err = s.ledger.Plan(t.Context(), bifrost.PlanWrite{Progress: read, Rows: rows, PlannedOffset: read.PlannedOffset + 1})
	if !errors.Is(err, bifrost.ErrConflict) {
		t.Errorf("a range of the old branch was planned: %v", err)
	}
}

// TestRebuildOfABranchThatWasLeft: where it has no object, nobody shall read the
// new branch's records.
func TestRebuildOfABranchThatWasLeft(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	s.produce(log, 0)
	s.settle()
	s.produce(log, 1)
	s.tick()
	last := s.lambda.Take(len(s.lambda.Waiting()) - 1)
	if _, err := s.archiver().Archive(t.Context(), last, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for len(s.lambda.Waiting()) > 0 {
		s.lambda.Take(0)
	}
	log.Truncate(5)
	for range 3 {
		s.tick()
	}
	next := s.accept(branch, 5)
	s.produce(log, 2)
	s.produce(log, 3)
	s.ledger.Lose(anyProgress, anyRow)
	s.rebuild()
	hole := s.row("orders", 0, func(r bifrost.Row) bool { return r.State == bifrost.StatePlanned })
	if hole.GapReason != bifrost.ReasonDiverged {
		t.Errorf("planned of the branch that was left: %+v", hole)
	}
	s.settle()
	s.branches(branch, next, 5)
	s.sound(verify.Options{Deep: true, Kafka: true})
}

// TestRebuildOfABranchLeftUnplanned: the tables were lost and the log was cut
// before its objects were planned along; a person decides, and a rebuild puts
// the old objects into rows.
func TestRebuildOfABranchLeftUnplanned(t *testing.T) {
	t.Parallel()
	s := diverged(t, 15)
	s.kafka.Topic("orders").Logs[0].Truncate(4)
	want := s.rowFacts()
	s.ledger.Lose(anyProgress, anyRow)
	for range 4 {
		s.tick()
	}
	if p := s.progress("orders", 0); p.Status != bifrost.StatusDiverged || p.PlannedOffset == p.KnownUntil {
		t.Fatalf("progress %+v", p)
	}
	next := s.accept(branch, 4)
	s.settle()
	if _, summary := s.verify(verify.Options{}); summary.Ahead == 0 {
		t.Error("no object waits for its row")
	}
	s.rebuild()
	s.settle()
	s.branches(branch, next, 4)
	var old []string
	for _, line := range s.rowFacts() {
		if !strings.HasPrefix(line, next.Name) {
			old = append(old, line)
		}
	}
	s.compare("rows of the old branch", old, want)
	s.sound(verify.Options{Deep: true, Kafka: true})
}

// late is a bucket in which the answer about a fork is one from before it was
// put on record, as often as it says.
type late struct {
	*bifrosttest.Store
	times *int
}

func (b late) Open(ctx context.Context, key string) (bifrost.Object, error) {
	if strings.HasSuffix(key, "_fork.json") && *b.times > 0 {
		*b.times--
		return nil, bifrost.ErrNotFound
	}
	return b.Store.Open(ctx, key)
}

// TestABirthBesideAnAcceptance: tables are lost, and a tick looks for a fork just
// before one is put on record. The row that it makes for the old branch is never
// planned.
func TestABirthBesideAnAcceptance(t *testing.T) {
	t.Parallel()
	s := diverged(t, 15)
	next := s.accept(branch, 15)
	s.settle()
	s.ledger.Lose(anyProgress, nil)
	objects, rows := s.objects(), len(s.ledger.AllRows())
	d := s.discoverer()
	times := 1
	d.Store = late{s.store, &times}
	if _, err := d.Tick(t.Context(), time.Time{}); err != nil || times != 0 {
		t.Fatalf("error %v, %d answers left", err, times)
	}
	s.settle()
	s.rebuild()
	s.settle()
	s.branches(branch, next, 15)
	s.unchanged(objects)
	if now := len(s.ledger.AllRows()); now != rows {
		t.Errorf("%d rows, there were %d", now, rows)
	}
	s.sound(verify.Options{Deep: true, Kafka: true})
}

// TestLivesWithForks cuts logs, accepts, loses tables and rebuilds in lives that
// rapid draws. In the end every branch that goes on has all of its log.
func TestLivesWithForks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newStack(t)
		log := s.kafka.CreateTopic("orders", 1).Logs[0]
		s.maxRaw = rapid.SampledFrom([]int64{30, 1 << 20}).Draw(t, "most raw bytes of an object")
		for range rapid.IntRange(2, 14).Draw(t, "length of its life") {
			switch rapid.IntRange(0, 8).Draw(t, "what happens") {
			case 0, 1:
				s.produce(log, 0)
			case 2:
				log.Truncate(rapid.Int64Range(log.Start(), log.LogEnd()).Draw(t, "cut"))
			case 3:
				s.ledger.Lose(anyProgress, anyRow)
			case 4:
				if summary, err := s.rebuilder().Rebuild(context.Background()); err != nil || summary.Failures > 0 {
					t.Fatalf("rebuild: %v, %+v", err, summary)
				}
			case 5:
				s.acceptAll(t)
			default:
				s.tick()
				for n := rapid.IntRange(0, 8).Draw(t, "workers"); n > 0 && len(s.lambda.Waiting()) > 0; n-- {
					_, _ = s.archiver().Archive(context.Background(), s.lambda.Take(0), time.Time{})
				}
			}
		}
		objects := s.objects()
		for range 8 { // a rebuilt branch shows only by ticks that it is one of a cut log
			for range 3 {
				s.tick()
			}
			s.acceptAll(t)
		}
		s.clock.Advance(2 * time.Hour)
		s.settle()
		s.rebuild() // of branches that nobody lives on
		s.settle()
		s.unchanged(objects)
		s.sound(verify.Options{Deep: true})
		if _, summary := s.verify(verify.Options{}); summary.Ahead > 0 {
			t.Fatalf("%d objects in no row", summary.Ahead)
		}
		all, _ := s.ledger.ListProgress(context.Background())
		for _, p := range all {
			if p.NextOffset != p.PlannedOffset {
				t.Fatalf("unfinished: %+v; told %q", p, s.log)
			}
		}
	})
}

// acceptAll decides about everything that waits for a decision.
func (s *stack) acceptAll(t *rapid.T) {
	all, err := s.ledger.ListProgress(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if p.Status == bifrost.StatusDiverged {
			s.accept(p.Partition, rapid.Int64Range(0, min(max(p.PlannedOffset, p.KnownUntil), p.LastStable)).Draw(t, "from"))
		}
	}
}
