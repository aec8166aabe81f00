package bifrost_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/repair"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// marked is a stack that has planned once and archived that, with a backup of then
// and of what came after it.
func marked(t fatal) (*stack, bifrosttest.Backup, *bifrosttest.Log) {
	s := newStack(t)
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	log.Produce("one")
	s.settle()
	backup := s.ledger.Backup()
	s.produce(log, 1)
	s.tick()
	s.work()
	s.produce(log, 2)
	return s, backup, log
}

func isMark(key string) bool { return strings.HasPrefix(key, bifrost.MarksPrefix(testGroup)) }

func (s *stack) marks() []string {
	return slices.DeleteFunc(s.store.Keys(), func(key string) bool { return !isMark(key) })
}

// unmarked is every key that is not one of a mark.
func (s *stack) unmarked() []string { return slices.DeleteFunc(s.store.Keys(), isMark) }

// TestRestoredBackupIsNoticed: whoever ticks over it does nothing and says why,
// until rebuild, without being asked for it, has made everything anew.
func TestRestoredBackupIsNoticed(t *testing.T) {
	t.Parallel()
	s, backup, _ := marked(t)
	s.ledger.Restore(backup)
	rows := s.ledger.AllRows()
	for range 5 {
		summary := s.tick()
		if !summary.Older || summary.Planned+summary.Dispatched > 0 || !strings.Contains(summary.Failed[0].Error, "run bifrost rebuild") {
			t.Fatalf("summary %+v", summary)
		}
	}
	if now := s.ledger.AllRows(); !slices.Equal(now, rows) {
		t.Errorf("rows %+v, want them as they were", now)
	}
	found, _ := s.verify(verify.Options{})
	if !slices.ContainsFunc(found, func(v verify.Violation) bool { return v.Kind == verify.TablesOlder }) {
		t.Errorf("verify does not see it: %+v", found)
	}
	if summary := s.rebuild(); summary.Older || summary.Made != 1 {
		t.Errorf("rebuild %+v: want one that makes the row anew and is through", summary)
	}
	s.settle()
	s.ended()
	s.ledger.Restore(backup) // once more, under the series of before the rebuild
	if summary := s.tick(); !summary.Older {
		t.Errorf("summary %+v after the same backup was restored again", summary)
	}
}

// TestRebuildOfSomeTopicsIsNotThrough: ticks plan again when all were made anew.
func TestRebuildOfSomeTopicsIsNotThrough(t *testing.T) {
	t.Parallel()
	s, backup, _ := marked(t)
	s.kafka.CreateTopic("payments", 1).Logs[0].Produce("one")
	s.settle()
	s.ledger.Restore(backup)
	r := s.rebuilder()
	r.Topics = bifrost.TopicFilter{Include: []string{"orders"}}
	summary, err := r.Rebuild(t.Context())
	if err != nil || !summary.Older || !s.tick().Older {
		t.Errorf("error %v, summary %+v", err, summary)
	}
	s.rebuild()
	s.settle()
	s.ended()
}

// TestRebuildAnewGoesOnWhereItWas: a run that was stopped in the pause does not
// begin the pause again, and no tick plans in between.
func TestRebuildAnewGoesOnWhereItWas(t *testing.T) {
	t.Parallel()
	s, _, _ := marked(t)
	s.settle()
	s.pause = 15 * time.Minute
	r := s.rebuilder()
	r.Anew = true
	if summary, err := r.Rebuild(t.Context()); err == nil || summary.Fencing != 1 || !summary.Older {
		t.Fatalf("error %v, summary %+v", err, summary)
	}
	fencedAt := s.progressOf("orders").FencedAt
	if summary := s.tick(); !summary.Older || !strings.Contains(summary.Failed[0].Error, "not through") {
		t.Errorf("summary %+v: want a tick that waits for the rebuild", summary)
	}
	s.clock.Advance(s.pause)
	summary, err := r.Rebuild(t.Context())
	if err != nil || summary.Older || summary.Fencing > 0 || !s.progressOf("orders").FencedAt.Equal(fencedAt) {
		t.Errorf("error %v, summary %+v, fenced at %v and %v", err, summary, fencedAt, s.progressOf("orders").FencedAt)
	}
	s.settle()
	s.ended()
}

// TestUpgradeBeginsASeries: tables and bucket of before there were marks go on, and
// a backup of that time is noticed afterwards, as is a mark that is lost alone.
func TestUpgradeBeginsASeries(t *testing.T) {
	t.Parallel()
	s, _, log := marked(t)
	s.settle()
	s.ledger.LoseMark()
	for _, key := range s.marks() {
		s.store.Delete(key)
	}
	before := s.ledger.Backup()
	s.produce(log, 3)
	if summary := s.tick(); summary.Older || summary.Planned == 0 {
		t.Fatalf("the first tick after the upgrade: %+v", summary)
	}
	s.settle()
	s.ended()
	now := s.ledger.Backup()
	s.ledger.Restore(before)
	if summary := s.tick(); !summary.Older {
		t.Errorf("a backup of before the upgrade: %+v", summary)
	}
	s.ledger.Restore(now)
	s.ledger.LoseMark()
	if summary := s.tick(); !summary.Older {
		t.Errorf("without the mark, among progress rows: %+v", summary)
	}
	s.rebuild()
	s.settle()
	s.ended()
}

// TestLostTablesAreNoBackup: they are made anew without a person.
func TestLostTablesAreNoBackup(t *testing.T) {
	t.Parallel()
	for _, rows := range []func(bifrost.Row) bool{nil, anyRow} {
		s, _, _ := marked(t)
		s.ledger.Lose(anyProgress, rows)
		s.settle()
		s.ended()
	}
}

// TestBackupOfLostTablesIsNoticed: tables that were lost and made anew plan under a
// series of their own, and the backup of those of before knows their last mark.
func TestBackupOfLostTablesIsNoticed(t *testing.T) {
	t.Parallel()
	for name, bring := range map[string]func(*stack){
		"ticks":     func(s *stack) { s.tick(); s.tick() },
		"a rebuild": func(s *stack) { s.rebuild() },
	} {
		s, _, log := marked(t)
		s.settle()
		backup := s.ledger.Backup()
		s.ledger.Lose(anyProgress, anyRow)
		bring(s)
		s.produce(log, 3)
		s.settle()
		s.ended()
		s.ledger.Restore(backup)
		if summary := s.tick(); !summary.Older {
			t.Errorf("%s, then the backup of before: %+v", name, summary)
		}
		s.rebuild()
		s.settle()
		s.ended()
	}
}

// TestBackupsOneAfterTheOther: whichever backup is restored, what was planned under
// the series of another is noticed.
func TestBackupsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	s, first, log := marked(t)
	s.settle()
	second := s.ledger.Backup() // knows all marks of its series
	s.ledger.Restore(first)
	s.rebuild()
	s.produce(log, 3)
	s.settle()
	s.ended()
	s.ledger.Restore(second)
	if summary := s.tick(); !summary.Older {
		t.Errorf("summary %+v", summary)
	}
	s.rebuild()
	s.settle()
	s.ended()
}

// TestBackupAfterALostMark: nobody knows any more of which series the tables were, so
// the rebuild closes all.
func TestBackupAfterALostMark(t *testing.T) {
	t.Parallel()
	s, _, log := marked(t)
	s.settle()
	backup := s.ledger.Backup()
	s.ledger.LoseMark()
	s.rebuild()
	s.produce(log, 3)
	s.settle()
	s.ledger.Restore(backup)
	if summary := s.tick(); !summary.Older {
		t.Errorf("summary %+v", summary)
	}
}

// TestBackupOfARebuildIsNoticed: one that was made while a rebuild went on is no
// part of that rebuild once it is through.
func TestBackupOfARebuildIsNoticed(t *testing.T) {
	t.Parallel()
	s, _, log := marked(t)
	s.settle()
	s.pause = 15 * time.Minute
	r := s.rebuilder()
	r.Anew = true
	if summary, err := r.Rebuild(t.Context()); err == nil || !summary.Older {
		t.Fatalf("error %v, summary %+v", err, summary)
	}
	backup := s.ledger.Backup()
	s.clock.Advance(s.pause)
	s.rebuild()
	s.ledger.Restore(backup)
	if summary := s.tick(); !summary.Older {
		t.Errorf("summary %+v", summary)
	}
	fencedAt := s.progressOf("orders").FencedAt
	if _, err := r.Rebuild(t.Context()); err == nil || !s.progressOf("orders").FencedAt.After(fencedAt) {
		t.Errorf("error %v, fenced at %v and %v: want a rebuild that begins the pause anew", err, fencedAt, s.progressOf("orders").FencedAt)
	}
	s.clock.Advance(s.pause)
	s.rebuild()
	s.produce(log, 3)
	s.settle()
	s.ended()
}

// TestRebuildInManyRunsIsThrough: partitions whose pauses end at different times do
// not wait for each other for ever.
func TestRebuildInManyRunsIsThrough(t *testing.T) {
	t.Parallel()
	s, backup, log := marked(t)
	s.kafka.CreateTopic("payments", 1).Logs[0].Produce("one")
	s.settle()
	s.pause = 10 * time.Minute
	s.ledger.Restore(backup)
	some, all := s.rebuilder(), s.rebuilder()
	some.Topics = bifrost.TopicFilter{Include: []string{"orders"}}
	for n, r := range []*repair.Rebuilder{some, all, all, all} {
		if _, err := r.Rebuild(t.Context()); (err == nil) != (n == 3) {
			t.Errorf("run %d: %v", n, err)
		}
		s.clock.Advance(5 * time.Minute)
	}
	if summary := s.tick(); summary.Older {
		t.Errorf("not through: %+v", summary)
	}
	s.produce(log, 3)
	s.settle()
	s.ended()
}

// TestAnewOfSomeTopics stops nobody but these topics, where the tables are not older.
func TestAnewOfSomeTopics(t *testing.T) {
	t.Parallel()
	s, _, _ := marked(t)
	s.kafka.CreateTopic("payments", 1).Logs[0].Produce("one")
	s.settle()
	r := s.rebuilder()
	r.Anew, r.Topics = true, bifrost.TopicFilter{Include: []string{"orders"}}
	if summary, err := r.Rebuild(t.Context()); err != nil || summary.Older || summary.Made != 1 || s.tick().Older {
		t.Errorf("error %v, summary %+v", err, summary)
	}
	s.settle()
	s.ended()
}

// TestPlanningThatTakesLong counts up again, well before a tick would close what was
// planned under the number: no backup hides behind it.
func TestPlanningThatTakesLong(t *testing.T) {
	t.Parallel()
	s, _, log := marked(t)
	payments := s.kafka.CreateTopic("payments", 1).Logs[0]
	payments.Produce("one")
	s.settle()
	s.produce(log, 3)
	payments.Produce("two")
	before := len(s.marks())
	d := s.discoverer()
	d.Ledger = slowPlans{s.ledger, s.clock}
	s.clock.Advance(2 * time.Minute)
	if summary, err := d.Tick(t.Context(), time.Time{}); err != nil || summary.Planned < 2 {
		t.Fatalf("error %v, summary %+v", err, summary)
	}
	if now := len(s.marks()); now < before+2 {
		t.Errorf("%d marks before a tick of two plans, ten minutes apart, and %d after", before, now)
	}
}

// slowPlans takes ten minutes for each plan.
type slowPlans struct {
	*bifrosttest.Ledger
	clock *bifrosttest.Clock
}

func (l slowPlans) Plan(ctx context.Context, w bifrost.PlanWrite) error {
	defer l.clock.Advance(10 * time.Minute)
	return l.Ledger.Plan(ctx, w)
}

// TestLastMarkOfMany: the last of a series is found however many
// there are, and where somebody has deleted some.
func TestLastMarkOfMany(t *testing.T) {
	t.Parallel()
	for _, last := range []int64{1, 2, 3, 4, 7, 8, 9, 100} {
		for _, holes := range []bool{false, true} {
			s, _, _ := marked(t)
			s.settle()
			mark, _ := s.ledger.Mark(t.Context())
			series := mark.Series
			for _, key := range s.marks() {
				s.store.Delete(key)
			}
			for n := int64(1); n <= last; n++ {
				if !holes || n == last {
					s.store.Put(bifrost.MarkKey(testGroup, series, n), []byte("{}"))
				}
			}
			known := mark
			known.Number = last
			if err := s.ledger.SetMark(t.Context(), mark, known); err != nil {
				t.Fatal(err)
			}
			newest := s.ledger.Backup()
			s.ledger.Lose(anyProgress, anyRow)
			s.rebuild()
			s.ledger.Restore(newest)
			if summary := s.tick(); !summary.Older {
				t.Errorf("last mark %d, holes %v: %+v", last, holes, summary)
			}
		}
	}
}

// TestMarksCostNothingAtRest: a tick without a plan writes nothing into the bucket,
// but for one that closes the last plan.
func TestMarksCostNothingAtRest(t *testing.T) {
	t.Parallel()
	s, _, _ := marked(t)
	s.settle()
	count := len(s.marks())
	for range 200 {
		s.tick()
	}
	if now := len(s.marks()); now != count+1 {
		t.Errorf("%d marks after the last plan, %d after 200 ticks at rest: want one more", count, now)
	}
}

// markFails is a bucket that refuses the next so many marks.
type markFails struct {
	*bifrosttest.Store
	left *int
}

func (b markFails) CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error) {
	if strings.HasPrefix(key, bifrost.MarksPrefix(testGroup)) && *b.left > 0 {
		*b.left--
		return nil, errors.New("503")
	}
	return b.Store.CreateOnce(ctx, key, content)
}

// TestMarkThatCannotBePut: nothing is planned without it, the next tick does what was
// left undone, and the series has no hole in which a backup could hide.
func TestMarkThatCannotBePut(t *testing.T) {
	t.Parallel()
	s, _, _ := marked(t)
	backup := s.ledger.Backup()
	left := 1
	d := s.discoverer()
	d.Bucket = markFails{s.store, &left}
	s.clock.Advance(2 * time.Minute)
	summary, err := d.Tick(t.Context(), time.Time{})
	if err != nil || left != 0 || summary.Planned > 0 || summary.Failures == 0 || summary.Older {
		t.Fatalf("error %v, summary %+v", err, summary)
	}
	if summary := s.tick(); summary.Planned == 0 {
		t.Errorf("the next tick: %+v", summary)
	}
	s.settle()
	s.ended()
	s.ledger.Restore(backup)
	if summary := s.tick(); !summary.Older {
		t.Errorf("the backup of before: %+v", summary)
	}
}

// overtaking runs another tick right after this one has read the mark.
type overtaking struct {
	*bifrosttest.Ledger
	other func()
}

func (o *overtaking) Mark(ctx context.Context) (bifrost.TablesMark, error) {
	mark, err := o.Ledger.Mark(ctx)
	if other := o.other; other != nil {
		o.other = nil
		other()
	}
	return mark, err
}

// TestTicksThatOverlapAreNoBackup: one that read the mark before another counted it
// up finds a mark that it does not know, reads again and goes on.
func TestTicksThatOverlapAreNoBackup(t *testing.T) {
	t.Parallel()
	s, _, _ := marked(t)
	d := s.discoverer()
	d.Ledger = &overtaking{s.ledger, func() { s.tick() }}
	s.clock.Advance(2 * time.Minute)
	summary, err := d.Tick(t.Context(), time.Time{})
	if err != nil || summary.Older {
		t.Errorf("error %v, summary %+v", err, summary)
	}
	s.settle()
	s.ended()
}

// TestBackupOneAheadIsNoticed: a tick counted up and could not put its mark; the
// backup of that moment is one ahead of the bucket when the series is closed.
func TestBackupOneAheadIsNoticed(t *testing.T) {
	t.Parallel()
	s, _, _ := marked(t)
	left := 1
	d := s.discoverer()
	d.Bucket = markFails{s.store, &left}
	s.clock.Advance(2 * time.Minute)
	if summary, err := d.Tick(t.Context(), time.Time{}); err != nil || left != 0 || summary.Planned > 0 {
		t.Fatalf("error %v, summary %+v", err, summary)
	}
	backup := s.ledger.Backup()
	s.ledger.Lose(anyProgress, anyRow)
	s.settle()
	s.ledger.Restore(backup)
	if summary := s.tick(); !summary.Older {
		t.Errorf("summary %+v", summary)
	}
}

// beginning runs another tick right after this one has seen what the tables have.
type beginning struct {
	*bifrosttest.Ledger
	seen  int
	other func()
}

func (b *beginning) ListProgress(ctx context.Context) ([]bifrost.Progress, error) {
	all, err := b.Ledger.ListProgress(ctx)
	if b.seen++; b.seen == 2 { // the first time it compared them with Kafka
		b.other()
	}
	return all, err
}

// TestTicksThatBeginTogether: the one that comes second closes no series that the
// first has begun.
func TestTicksThatBeginTogether(t *testing.T) {
	t.Parallel()
	s, _, log := marked(t)
	s.settle()
	s.ledger.Lose(anyProgress, anyRow)
	s.produce(log, 3)
	d := s.discoverer()
	d.Ledger = &beginning{s.ledger, 0, func() { s.tick(); s.tick() }}
	if summary, err := d.Tick(t.Context(), time.Time{}); err != nil || summary.Older {
		t.Errorf("error %v, summary %+v", err, summary)
	}
	s.settle()
	s.ended()
}

// TestNoTickPlansUnderARebuild: also before it has closed the series, when it was cut
// short there.
func TestNoTickPlansUnderARebuild(t *testing.T) {
	t.Parallel()
	s, _, _ := marked(t)
	left := 1
	r := s.rebuilder()
	r.Anew, r.Bucket = true, markFails{s.store, &left}
	if _, err := r.Rebuild(t.Context()); err == nil || left != 0 {
		t.Fatalf("error %v", err)
	}
	s.clock.Advance(2 * time.Minute)
	if summary := s.tick(); !summary.Older || summary.Planned > 0 {
		t.Errorf("summary %+v", summary)
	}
	s.rebuild()
	s.settle()
	s.ended()
}

// TestRebuildWithAFailureIsNotThrough: one partition that was not made anew is enough.
func TestRebuildWithAFailureIsNotThrough(t *testing.T) {
	t.Parallel()
	s, backup, _ := marked(t)
	s.ledger.Restore(backup)
	broken := errors.New("injected fault")
	r := s.rebuilder()
	r.Ledger = failingDeletes{s.ledger, broken}
	if summary, err := r.Rebuild(t.Context()); err != nil || summary.Failures != 1 || !summary.Older || !s.tick().Older {
		t.Errorf("error %v, summary %+v", err, summary)
	}
	s.rebuild()
	s.settle()
	s.ended()
}

type failingDeletes struct {
	*bifrosttest.Ledger
	err error
}

func (l failingDeletes) DeleteProgress(context.Context, bifrost.Progress) error { return l.err }

// TestMarkWhoseRowCouldNotBeWritten: the row comes first, so a tick that ends between
// the two leaves nothing in the bucket by which the tables would look old.
func TestMarkWhoseRowCouldNotBeWritten(t *testing.T) {
	t.Parallel()
	s, _, _ := marked(t)
	d := s.discoverer()
	d.Ledger = failingMarks{s.ledger}
	s.clock.Advance(2 * time.Minute)
	if summary, err := d.Tick(t.Context(), time.Time{}); err != nil || summary.Planned > 0 || summary.Failures == 0 {
		t.Fatalf("error %v, summary %+v", err, summary)
	}
	if summary := s.tick(); summary.Older || summary.Planned == 0 {
		t.Errorf("summary %+v", summary)
	}
}

type failingMarks struct{ *bifrosttest.Ledger }

func (failingMarks) SetMark(context.Context, bifrost.TablesMark, bifrost.TablesMark) error {
	return errors.New("throttled")
}

// TestRebuildOfOlderTablesFencesOff: also partitions that look whole are made anew,
// for what a worker of the replaced tables still has open.
func TestRebuildOfOlderTablesFencesOff(t *testing.T) {
	t.Parallel()
	s, _, log := marked(t)
	s.settle()
	backup := s.ledger.Backup()
	at := s.progressOf("orders").PlannedOffset
	s.produce(log, 3)
	s.clock.Advance(2 * time.Minute)
	if s.tick().Planned == 0 {
		t.Fatal("nothing was planned")
	}
	upload, err := s.store.Create(t.Context(), bifrost.ObjectKey(testGroup, bifrost.Partition{Name: "orders"}, at, 0))
	if err != nil {
		t.Fatal(err)
	}
	s.ledger.Restore(backup)
	if summary := s.rebuild(); summary.Made != 1 || summary.Older {
		t.Errorf("summary %+v", summary)
	}
	if _, err := upload.Complete(t.Context()); !errors.Is(err, bifrost.ErrUploadGone) {
		t.Errorf("completed after the rebuild: %v", err)
	}
}

// TestPlannedRowsOfABackupAreDropped: the tables were lost and planned anew, along
// other bounds, and a range in the middle of one of the backup's is an object when
// the backup comes back. Nothing may be put around it.
func TestPlannedRowsOfABackupAreDropped(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	s.target = 1 << 20
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	log.Produce("one", "two", "three")
	for s.tick().Planned == 0 {
	}
	s.dropTasks()
	backup := s.ledger.Backup()
	s.ledger.Lose(anyProgress, anyRow)
	s.target = 1
	for range 6 {
		s.tick()
	}
	tasks := s.lambda.Waiting()
	last := len(tasks) - 1
	if tasks[last].StartOffset == 0 {
		t.Fatalf("tasks %+v: want one that begins inside the backup's range", tasks)
	}
	if _, err := s.archiver().Archive(t.Context(), s.lambda.Take(last), time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.dropTasks()
	s.ledger.Restore(backup)
	if !s.tick().Older {
		t.Error("the tables are older, and the tick does not see it")
	}
	s.rebuild()
	s.settle()
	s.ended()
}

// TestWhatABackupPromisedEnds: a range that only the backup knows is not forgotten with
// its row, although its topic is gone: it becomes a gap.
func TestWhatABackupPromisedEnds(t *testing.T) {
	t.Parallel()
	s, _, log := marked(t)
	s.settle()
	s.produce(log, 3)
	s.tick()
	s.dropTasks()
	backup := s.ledger.Backup()
	promised := s.progressOf("orders").PlannedOffset
	s.produce(log, 4)
	s.tick()
	s.dropTasks()
	s.kafka.DeleteTopic("orders")
	s.ledger.Restore(backup)
	s.rebuild()
	for range 5 {
		s.settle()
	}
	s.ended()
	if p := s.progressOf("orders"); p.NextOffset < promised || p.Lost == 0 {
		t.Errorf("progress %+v: want all below %d to be settled, some as gaps", p, promised)
	}
}
