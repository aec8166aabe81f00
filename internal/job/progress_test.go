package job

import (
	"context"
	"path"
	"slices"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// While a worker is at work, a job shows how far it is; when nothing runs, what is done.
func TestProgressOfItemsAtWork(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 1)
	a.archive("orders", 1, 60)
	m := &manualMachine{states: map[string]Execution{}}
	c := &Control{Files: a.runner.Files, Machine: m, Now: time.Now}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	execution, err := c.Start(ctx, replayOf("one", "orders:copy"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.runner.Plan(ctx, Event{Job: []byte(m.input), Execution: execution, Workers: 1}); err != nil {
		t.Fatal(err)
	}
	items, err := a.runner.Items(ctx, "one")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = a.runner.Work(ctx, Event{ID: "one", Item: &items[0], BytesPerSecond: 150}, time.Time{})
	}()
	var status Status
	for status.AtWork == 0 {
		if status, err = c.Status(ctx, "one"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
			t.Fatal("it was done before it said anything")
		case <-time.After(20 * time.Millisecond):
		}
	}
	if status.Done != 0 || status.DoneRecords <= 0 || status.DoneRecords >= 60 || status.DoneBytes <= 0 || status.DoneBytes >= status.Bytes {
		t.Errorf("at work: %+v", status)
	}
	stop() // in the middle
	<-ended
	m.states[execution] = Execution{State: "ABORTED"}
	if status, err = c.Status(context.Background(), "one"); err != nil || status.AtWork != 0 || status.DoneRecords != 0 {
		t.Errorf("stopped: %+v, error %v", status, err)
	}
	// Another worker goes on: what was there counts, and no item counts for more than it has.
	m.states[execution] = Execution{State: StateRunning}
	if _, err := a.runner.Work(context.Background(), Event{ID: "one", Item: &items[0]}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	notes, err := a.runner.readNotes(context.Background(), "one", time.Now())
	if err != nil || notes[1] != 60 {
		t.Errorf("notes %v, error %v", notes, err)
	}
	if status, err = c.Status(context.Background(), "one"); err != nil || status.Done != 1 || status.AtWork != 0 || status.DoneRecords != 60 {
		t.Errorf("done: %+v, error %v", status, err)
	}
	// What another job has written before is no progress of this one.
	told := &note{Runner: a.runner, id: "one", item: Item{Records: 40, Parts: []Part{
		{Span: replay.Span{Start: 0, End: 30}}, {Span: replay.Span{Start: 100, End: 110}},
	}}}
	first, second := replay.PartOutlook{Position: replay.Position{Records: 1000}}, replay.PartOutlook{}
	first.Ask, second.Ask = replay.Span{Start: 0, End: 30}, replay.Span{Start: 100, End: 110}
	first.Todo = []replay.Segment{{Start: 10, End: 30}}
	told.begun(&replay.Outlook{Parts: []replay.PartOutlook{first}})
	if told.records != 10 {
		t.Errorf("%.1f records before, want those of 10 of 40 offsets", told.records)
	}
	told.committed(context.Background(), 20)
	told.begun(&replay.Outlook{Parts: []replay.PartOutlook{second}})
	if told.records != 40 {
		t.Errorf("%.1f records in the end, want 40", told.records)
	}
	// Old notes say nothing of now.
	if notes, err := a.runner.readNotes(context.Background(), "one", time.Now().Add(2*notesCount)); err != nil || len(notes) != 0 {
		t.Errorf("later: notes %v, error %v", notes, err)
	}
}

// A worker says how far it is once a minute, however often it commits, and of what it has said the most counts.
func TestAWorkerSpeaksOnceAMinute(t *testing.T) {
	// Not parallel: the others speak each time.
	defer func(before time.Duration) { notedEvery = before }(notedEvery)
	notedEvery = time.Minute
	store, clock := bifrosttest.NewStore(), bifrosttest.NewClock(time.Unix(6000, 0))
	r := &Runner{Files: Files{Group: group, Bucket: store}, Now: clock.Now}
	told := &note{Runner: r, id: "one", item: Item{Number: 1, Records: 15}, last: clock.Now()}
	for range 18 {
		clock.Advance(10 * time.Second)
		told.committed(t.Context(), 1)
	}
	var names []string
	for _, key := range store.Keys() {
		names = append(names, path.Base(key))
	}
	if want := []string{"000001-6.json", "000001-12.json", "000001-15.json"}; !slices.Equal(names, want) {
		t.Errorf("said %q, want %q", names, want)
	}
	store.Put(bifrost.JobPrefix(group, "one")+minuteFiles(clock.Now())+"000002-9.json", nil)
	store.Put(bifrost.JobPrefix(group, "one")+minuteFiles(clock.Now())+"000002-10.json", nil)
	notes, err := r.readNotes(t.Context(), "one", clock.Now())
	if err != nil || notes[1] != 15 || notes[2] != 10 {
		t.Errorf("notes %v, error %v", notes, err)
	}
}
