package bifrost_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/repair"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

func (s *stack) rebuilder() *repair.Rebuilder {
	return &repair.Rebuilder{
		Group: testGroup, Ledger: s.ledger, Store: s.store, Bucket: s.store, Sizing: s.sizing(), FencePause: s.pause,
		Now: s.clock.Now, NewGeneration: s.generation, Log: slog.New(slog.DiscardHandler),
	}
}

func (s *stack) rebuild() repair.RebuildSummary {
	s.Helper()
	summary, err := s.rebuilder().Rebuild(context.Background())
	if err != nil || summary.Failures > 0 {
		s.Fatalf("rebuild: %v, %+v", err, summary)
	}
	return summary
}

func anyProgress(bifrost.Progress) bool { return true }

func anyRow(bifrost.Row) bool { return true }

// tables is what both tables say, without what the bucket does not know.
func (s *stack) tables() []string {
	s.Helper()
	return append(s.progressFacts(), s.rowFacts()...)
}

func (s *stack) progressFacts() []string {
	s.Helper()
	all, err := s.ledger.ListProgress(context.Background())
	if err != nil {
		s.Fatalf("%v", err)
	}
	var lines []string
	for _, p := range all {
		lines = append(lines, fmt.Sprintf("%s of %s %s: next %d planned %d totals %+v recent %d in %d, last object %s, last record %s",
			p.Partition, p.ClusterID, p.TopicID, p.NextOffset, p.PlannedOffset, p.Totals, p.RecentRawBytes, p.RecentOffsets, p.LastObject, p.LastRecordAt))
	}
	return lines
}

// rowFacts is what the settled rows say.
func (s *stack) rowFacts() []string {
	var lines []string
	for _, r := range s.ledger.AllRows() {
		if r.State.Done() {
			lines = append(lines, fmt.Sprintf("%s %s of %s: %s %q %+v", r.Partition, r.Range, r.TopicID, r.State, r.GapReason, r.Facts))
		}
	}
	return lines
}

func (s *stack) compare(what string, got, want []string) {
	s.Helper()
	for i := range max(len(got), len(want)) {
		var g, w string
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			s.Fatalf("%s: line %d:\n got %s\nwant %s", what, i, g, w)
		}
	}
}

func (s *stack) sound(options verify.Options) {
	s.Helper()
	if found, _ := s.verify(options); len(found) > 0 {
		s.Fatalf("%d violations, the first %+v", len(found), found[0])
	}
}

// rebuildable is the seasoned archive with an object beside a foreign file.
func rebuildable(t fatal) *stack {
	s := seasoned(t)
	p := s.progress(s.laterName(), 0)
	s.store.Put(bifrost.ObjectKey(testGroup, p.Partition, p.PlannedOffset, 0), []byte("hello"))
	s.kafka.Topic("orders").Logs[0].Produce("beside a foreign file")
	s.settle()
	if got := s.progress(s.laterName(), 0).LastObject; !strings.Contains(got, "~1") {
		t.Fatalf("the last object is %s", got)
	}
	return s
}

func TestRebuildMakesLostTablesAnew(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(*stack){
		"both tables":      func(s *stack) { s.ledger.Lose(anyProgress, anyRow) },
		"progress":         func(s *stack) { s.ledger.Lose(anyProgress, nil) },
		"objects":          func(s *stack) { s.ledger.Lose(nil, anyRow) },
		"one progress row": func(s *stack) { s.ledger.Lose(func(p bifrost.Progress) bool { return p.Number == 1 }, nil) },
		"the first rows":   func(s *stack) { s.ledger.Lose(nil, func(r bifrost.Row) bool { return r.Start == 0 }) },
		"every second row": func(s *stack) { s.ledger.Lose(nil, func(r bifrost.Row) bool { return r.Start%2 == 1 }) },
		"tables and marker": func(s *stack) {
			s.ledger.Lose(anyProgress, anyRow)
			s.store.Delete(bifrost.MarkerKey(testGroup, "orders"))
		},
		"nothing": func(*stack) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := rebuildable(t)
			want, keys := s.tables(), s.unmarked()
			lose(s)
			first := s.rebuild()
			s.compare("tables", s.tables(), want)
			if first.Partitions != 4 || first.Planned != 0 {
				t.Errorf("summary %+v", first)
			}
			again := s.rebuild()
			if again.Made+again.Adopted+again.Planned != 0 {
				t.Errorf("a second run still did something: %+v", again)
			}
			if got := s.unmarked(); !slices.Equal(got, keys) {
				t.Errorf("keys %q, want %q", got, keys)
			}
			s.settle()
			s.compare("tables after some ticks", s.tables(), want)
		})
	}
}

// TestRebuildPlansWhereObjectsAreMissing: what no object tells about is asked of
// Kafka, in the next ticks.
func TestRebuildPlansWhereObjectsAreMissing(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	log := s.kafka.CreateTopic("orders", 1).Logs[0]
	s.produce(log, 0)
	s.settle()
	s.produce(log, 1)
	s.tick()
	waiting := s.lambda.Waiting()
	if len(waiting) < 3 {
		t.Fatalf("only %d tasks", len(waiting))
	}
	s.lambda.Take(0) // never runs
	s.work()
	want := s.rowFacts()
	s.ledger.Lose(anyProgress, anyRow)
	summary := s.rebuild()
	s.compare("settled rows", s.rowFacts(), want)
	hole := s.row("orders", 0, func(r bifrost.Row) bool { return r.State == bifrost.StatePlanned })
	if summary.Planned == 0 || hole.Start != waiting[0].StartOffset || hole.GapReason != "" {
		t.Errorf("summary %+v, hole %+v, want one from %d", summary, hole, waiting[0].StartOffset)
	}
	s.settle()
	s.sound(verify.Options{Deep: true, Kafka: true})
	if p := s.progress("orders", 0); p.NextOffset != log.LogEnd() || p.Records != log.LogEnd() {
		t.Errorf("progress %+v", p)
	}
}

// TestRebuildAfterABackupWasRestored: the backup knows a range as one that became
// many objects, and nothing of those behind it.
func TestRebuildAfterABackupWasRestored(t *testing.T) {
	t.Parallel()
	for _, anew := range []bool{false, true} {
		s := newStack(t)
		s.maxRaw, s.target = 20, 1<<20
		log := s.kafka.CreateTopic("orders", 1).Logs[0]
		s.produce(log, 0)
		s.tick()
		if s.tick().Planned != 1 {
			t.Fatal("not one range")
		}
		backup := s.ledger.Backup()
		s.settle()
		s.produce(log, 1)
		s.settle()
		want := s.tables()
		if len(want) < 6 {
			t.Fatalf("tables %q", want)
		}
		s.ledger.Restore(backup)
		r := s.rebuilder()
		r.Anew = anew
		if summary, err := r.Rebuild(t.Context()); err != nil || summary.Failures > 0 || summary.Made != 1 {
			t.Fatalf("error %v, summary %+v", err, summary)
		}
		s.compare("tables", s.tables(), want)
	}
}

// TestRebuildAnewFencesOff: what a worker of the tables that the backup replaced
// still has open must not become an object that overlaps others.
func TestRebuildAnewFencesOff(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	want, key := s.tables(), bifrost.ObjectKey(testGroup, bifrost.Partition{Name: "orders", Number: 1}, 77, 0)
	upload, err := s.store.Create(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	r := s.rebuilder()
	r.Anew = true
	if summary, err := r.Rebuild(t.Context()); err != nil || summary.Failures > 0 || summary.Made != 4 {
		t.Fatalf("error %v, summary %+v", err, summary)
	}
	s.compare("tables", s.tables(), want)
	if _, err := upload.Complete(t.Context()); !errors.Is(err, bifrost.ErrUploadGone) {
		t.Errorf("completed after the rebuild: %v", err)
	}
}

func TestRebuildRefusesAPlainPathOfTwo(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	key := bifrost.MarkerKey(testGroup, "orders")
	s.store.Put(key, []byte(strings.ReplaceAll(string(s.content(key)), "cluster\"", "cluster-2\"")))
	s.ledger.Lose(anyProgress, anyRow)
	summary, err := s.rebuilder().Rebuild(t.Context())
	if err != nil || summary.Failures == 0 || !strings.Contains(summary.Failed[0].Error, "marker") {
		t.Errorf("error %v, summary %+v", err, summary)
	}
	for _, r := range s.ledger.AllRows() {
		if r.Name == "orders" {
			t.Errorf("row %+v under a path whose owner is in doubt", r)
		}
	}
}

// flaky lets calls fail as fate says: before they are done, or after, so that
// the answer is lost.
type flaky struct {
	bifrost.Ledger
	bifrosttest.Bucket
	fate func() (before, after error)
}

func (f flaky) call(do func() error) error {
	before, after := f.fate()
	if before != nil {
		return before
	}
	if err := do(); err != nil {
		return err
	}
	return after
}

func (f flaky) CreateProgress(ctx context.Context, p bifrost.Progress) error {
	return f.call(func() error { return f.Ledger.CreateProgress(ctx, p) })
}

// flakyMarks is flaky where the mark of the tables is concerned, too.
type flakyMarks struct{ flaky }

func (f flakyMarks) Mark(ctx context.Context) (mark bifrost.TablesMark, err error) {
	err = f.call(func() error { mark, err = f.Ledger.Mark(ctx); return err })
	return mark, err
}

func (f flakyMarks) SetMark(ctx context.Context, before, after bifrost.TablesMark) error {
	return f.call(func() error { return f.Ledger.SetMark(ctx, before, after) })
}

func (f flaky) FenceProgress(ctx context.Context, p bifrost.Progress) error {
	return f.call(func() error { return f.Ledger.FenceProgress(ctx, p) })
}

func (f flaky) OpenProgress(ctx context.Context, p bifrost.Progress) error {
	return f.call(func() error { return f.Ledger.OpenProgress(ctx, p) })
}

func (f flaky) DeleteProgress(ctx context.Context, p bifrost.Progress) error {
	return f.call(func() error { return f.Ledger.DeleteProgress(ctx, p) })
}

func (f flaky) Plan(ctx context.Context, w bifrost.PlanWrite) error {
	return f.call(func() error { return f.Ledger.Plan(ctx, w) })
}

func (f flaky) Commit(ctx context.Context, w bifrost.CommitWrite) error {
	return f.call(func() error { return f.Ledger.Commit(ctx, w) })
}

func (f flaky) Advance(ctx context.Context, w bifrost.AdvanceWrite) error {
	return f.call(func() error { return f.Ledger.Advance(ctx, w) })
}

func (f flaky) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) (rows []bifrost.Row, err error) {
	err = f.call(func() error { rows, err = f.Ledger.Rows(ctx, p, from, limit); return err })
	return rows, err
}

func (f flaky) List(ctx context.Context, prefix, after string, limit int) (keys []string, err error) {
	err = f.call(func() error { keys, err = f.Bucket.List(ctx, prefix, after, limit); return err })
	return keys, err
}

func (f flaky) Open(ctx context.Context, key string) (object bifrost.Object, err error) {
	err = f.call(func() error { object, err = f.Bucket.Open(ctx, key); return err })
	return object, err
}

func (f flaky) AbortUploads(ctx context.Context, prefix string) error {
	return f.call(func() error { return f.Bucket.AbortUploads(ctx, prefix) })
}

func (f flaky) CreateOnce(ctx context.Context, key string, content []byte) (there []byte, err error) {
	err = f.call(func() error { there, err = f.Bucket.CreateOnce(ctx, key, content); return err })
	return there, err
}

// TestRebuildThroughFaults loses tables in the middle of an archive's life, or
// restores a backup over them, and rebuilds them through failures, crashes and lost
// answers, with ticks and workers before, between and after. No settled range may
// change, and everything is archived in the end.
func TestRebuildThroughFaults(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := newStack(t)
		s.maxRaw = rapid.SampledFrom([]int64{30, 1 << 20}).Draw(t, "most raw bytes of an object")
		live(t, s, rapid.IntRange(1, 12).Draw(t, "length of its life"))
		backup := s.ledger.Backup()
		live(t, s, rapid.IntRange(0, 6).Draw(t, "length of its life after the backup"))
		objects := s.objects()
		for range rapid.IntRange(1, 2).Draw(t, "losses") {
			s.loseSome(t, backup)
			for range rapid.IntRange(0, 2).Draw(t, "steps before the rebuild") {
				if rapid.Bool().Draw(t, "a rebuild") {
					s.rebuildThrough(t)
				} else {
					live(t, s, 1)
				}
			}
		}
		for !s.rebuildThrough(t) {
			if rapid.Bool().Draw(t, "ticks between") {
				live(t, s, 1)
			}
		}
		found, _ := s.verify(verify.Options{})
		for _, v := range found {
			t.Fatalf("after the rebuild: %+v", v)
		}
		s.settle()
		s.clock.Advance(2 * time.Hour)
		s.settle() // what failed is tried again after an hour at most
		s.sound(verify.Options{Deep: true, Kafka: true})
		for key, content := range objects {
			if versions := s.store.Versions(key); len(versions) != 1 || string(versions[0]) != content {
				t.Fatalf("%s was written %d times", key, len(versions))
			}
		}
		for _, r := range s.ledger.AllRows() {
			if !r.State.Done() {
				t.Fatalf("still planned: %+v; told: %q", r, s.log)
			}
		}
	})
}

// loseSome loses rows, or all that happened since the backup.
func (s *stack) loseSome(t *rapid.T, backup bifrosttest.Backup) {
	loss := rapid.SampledFrom([]string{"both", "progress", "some rows", "some progress", "all since the backup"}).Draw(t, "lost")
	if loss == "all since the backup" {
		s.ledger.Restore(backup)
		return
	}
	some := rapid.Int64Range(2, 3).Draw(t, "every so many")
	s.ledger.Lose(
		func(p bifrost.Progress) bool {
			return loss == "both" || loss == "progress" || loss == "some progress" && int64(p.Number)%some == 0
		},
		func(r bifrost.Row) bool { return loss == "both" || loss == "some rows" && r.Start%some == 0 })
}

func (s *stack) objects() map[string]string {
	all := map[string]string{}
	for _, key := range s.store.Keys() {
		all[key] = string(s.content(key))
	}
	return all
}

// rebuildThrough runs a rebuild with a few faults and reports whether it went through.
func (s *stack) rebuildThrough(t *rapid.T) bool {
	faults := rapid.IntRange(0, 3).Draw(t, "faults")
	broken := errors.New("injected fault")
	f := flakyMarks{flaky{Ledger: s.ledger, Bucket: s.store, fate: func() (error, error) {
		if faults == 0 || rapid.IntRange(0, 9).Draw(t, "fault") > 0 {
			return nil, nil
		}
		faults--
		if rapid.Bool().Draw(t, "before") {
			return broken, nil
		}
		return nil, broken
	}}}
	r := s.rebuilder()
	r.Ledger, r.Store, r.Bucket, r.Anew = f, f, f, rapid.IntRange(0, 3).Draw(t, "anew") == 0
	summary, err := r.Rebuild(context.Background())
	for _, failure := range summary.Failed {
		if !strings.Contains(failure.Error, broken.Error()) {
			t.Fatalf("rebuild: %+v", failure)
		}
	}
	return err == nil && summary.Failures == 0
}

// live lets topics, logs, ticks and workers do something, so many times.
func live(t *rapid.T, s *stack, steps int) {
	for range steps {
		name := rapid.SampledFrom([]string{"orders", "payments"}).Draw(t, "topic")
		topic := s.kafka.Topic(name)
		if topic == nil {
			s.kafka.CreateTopic(name, rapid.IntRange(1, 3).Draw(t, "partitions"))
			continue
		}
		log := topic.Logs[rapid.IntRange(0, len(topic.Logs)-1).Draw(t, "partition")]
		switch rapid.IntRange(0, 9).Draw(t, "what happens") {
		case 0, 1, 2:
			for i := range rapid.IntRange(1, 20).Draw(t, "records") {
				log.Produce(strings.Repeat("x", i%7))
			}
		case 3:
			log.End(log.Begin("one", "two"), rapid.Bool().Draw(t, "commit"))
		case 4:
			log.Retain(rapid.Int64Range(0, max(0, log.LogEnd())).Draw(t, "log start"))
		case 5:
			log.Compact(func(e bifrosttest.Entry) bool { return e.Record.Offset%3 == 1 })
		case 6:
			if rapid.IntRange(0, 3).Draw(t, "deleted") == 0 {
				s.kafka.DeleteTopic(name)
			}
		default:
			s.tick()
			for n := rapid.IntRange(0, 6).Draw(t, "workers"); n > 0 && len(s.lambda.Waiting()) > 0; n-- {
				i := rapid.IntRange(0, len(s.lambda.Waiting())-1).Draw(t, "which")
				task := s.lambda.Take(i)
				if _, err := s.archiver().Archive(context.Background(), task, time.Time{}); err != nil {
					s.log = append(s.log, err.Error())
				}
			}
		}
	}
}
