package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// account is an archive in memory, a cluster to write into, and the state machine.
type account struct {
	*testing.T
	store   *bifrosttest.Store
	ledger  *bifrosttest.Ledger
	source  *bifrosttest.Kafka
	cluster *kfake.Cluster
	lake    *bifrosttest.Store // that jobs export into
	clock   *bifrosttest.Clock
	machine *machine
	runner  *Runner

	asked   atomic.Int64
	opened  atomic.Int64 // connections to the cluster that is written into
	mutex   sync.Mutex
	before  func(Event) error      // of each call of the function; tests fail some
	within  time.Duration          // what a call has; 0 for as long as it takes
	context func() context.Context // of each call; nil for one that does not end
	calls   int
	told    []string // errors of calls
	runs    int
}

const group = "archive"

func newAccount(t *testing.T, workers int) *account {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	clock := bifrosttest.NewClock(time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC))
	a := &account{T: t, store: bifrosttest.NewStore(), ledger: bifrosttest.NewLedger(), source: bifrosttest.NewKafka("cluster", clock.Now), cluster: cluster, lake: bifrosttest.NewStore(), clock: clock}
	tries := 0
	a.runner = &Runner{
		Files: Files{Group: group, Bucket: a.store}, BucketName: "bucket", Tables: a.ledger,
		Connect: func(context.Context, *Target) ([]kgo.Opt, error) {
			a.opened.Add(1)
			return []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...), kgo.DisableClientMetrics(), kgo.MetadataMinAge(10 * time.Millisecond)}, nil
		},
		Place:       a.place,
		Executions:  func(context.Context) (int, error) { return 100, nil },
		Requests:    a.requests,
		MaxInFlight: 8, Cores: 1, Memory: 1 << 30, Now: time.Now,
		NewID: func() string { a.mutex.Lock(); defer a.mutex.Unlock(); tries++; return fmt.Sprint("try-", tries) },
	}
	a.machine = &machine{definition: loadMachine(t, workers, 0), call: a.function, object: a.object}
	a.machine.failed = func(state, name string, _, _ int) {
		a.mutex.Lock()
		defer a.mutex.Unlock()
		a.told = append(a.told, state+" "+name)
	}
	return a
}

// control starts, shows and stops the jobs of the account on this state machine.
func (a *account) control(m Machine) *Control {
	return &Control{Files: a.runner.Files, Machine: m, Now: a.clock.Now}
}

// requests are counted as if each call of anything were one of each.
func (a *account) requests() Requests {
	n := float64(a.asked.Add(1))
	return Requests{Puts: n, Gets: n, ReadUnits: n}
}

// archive puts records into a topic's partitions, and archives them in objects of a few.
func (a *account) archive(topic string, partitions int32, records int) {
	a.Helper()
	logs := a.source.CreateTopic(topic, int(partitions)).Logs
	for i := range records {
		a.clock.Advance(time.Second)
		logs[i%int(partitions)].Produce(fmt.Sprintf("%s record %d", topic, i))
	}
	a.archiveProduced()
}

// archiveProduced archives all that there is.
func (a *account) archiveProduced() {
	a.Helper()
	lambda := &bifrosttest.Lambda{}
	discoverer := &bifrost.Discoverer{
		Cluster: a.source, History: a.source, Ledger: a.ledger, Store: a.store, Bucket: a.store, Dispatcher: lambda,
		Settings: bifrost.Settings{Group: group, Sizing: bifrost.Sizing{TargetBytes: 200, MaxAge: time.Minute}, MaxInFlight: 100, Lease: 5 * time.Minute},
		Now:      a.clock.Now, NewGeneration: func() string { return "g" }, Log: slog.New(slog.DiscardHandler),
	}
	archiver := &bifrost.Archiver{Group: group, Source: a.source, Store: a.store, Ledger: a.ledger,
		Format: baldr.Options{MemberBytes: 64}, MaxRawBytes: 300, Writer: "test", Now: a.clock.Now}
	for quiet := 0; quiet < 3; quiet++ {
		a.clock.Advance(2 * time.Minute)
		summary, err := discoverer.Tick(context.Background(), time.Time{})
		if err != nil {
			a.Fatal(err)
		}
		if summary.Planned+summary.Dispatched+summary.InFlight+summary.Waiting+summary.Fencing > 0 {
			quiet = -1
		}
		for len(lambda.Waiting()) > 0 {
			if _, err := archiver.Archive(context.Background(), lambda.Take(0), time.Time{}); err != nil {
				a.Fatal(err)
			}
		}
	}
}

// function is the job function of AWS Lambda.
func (a *account) function(payload []byte) (any, error) {
	event, err := ParseEvent(payload)
	if err != nil {
		return nil, err
	}
	a.mutex.Lock()
	a.calls++
	before, within := a.before, a.within
	a.mutex.Unlock()
	if before != nil {
		if err := before(event); err != nil {
			return nil, err
		}
	}
	var deadline time.Time
	if within > 0 {
		deadline = time.Now().Add(within)
	}
	ctx := context.Background()
	if a.context != nil {
		ctx = a.context()
	}
	return a.runner.Do(ctx, event, deadline)
}

func (a *account) object(bucket, key string) ([]byte, error) {
	if bucket != "bucket" {
		return nil, fmt.Errorf("no bucket %s", bucket)
	}
	o, err := a.store.Open(context.Background(), key)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(o, 0, o.Stored().Size))
}

// startExecution runs an execution with the input.
func (a *account) execute(input any) (Report, error) {
	a.Helper()
	text, err := json.Marshal(input)
	if err != nil {
		a.Fatal(err)
	}
	var in any
	if err := json.Unmarshal(text, &in); err != nil {
		a.Fatal(err)
	}
	a.runs++
	a.machine.context = map[string]any{"Execution": map[string]any{
		"Id": fmt.Sprintf("arn:aws:states:eu-west-1:000000000000:execution:bifrost-job:run-%d", a.runs), "StartTime": time.Now().UTC().Format(time.RFC3339),
	}}
	output, err := a.machine.run(a.machine.definition, in, nil)
	var report Report
	if err == nil {
		text, _ := json.Marshal(output)
		err = json.Unmarshal(text, &report)
	}
	return report, err
}

// consumed are the values that a consumer finds in a topic, by partition.
func (a *account) consumed(topic string, records int) map[int32][]string {
	a.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(a.cluster.ListenAddrs()...), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		a.Fatal(err)
	}
	defer client.Close()
	found := map[int32][]string{}
	// What is there once all is found could only be too much: it is waited for a moment.
	for n, quiet := 0, false; n < records || !quiet; {
		ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
		if n >= records {
			stop()
			ctx, stop = context.WithTimeout(context.Background(), 300*time.Millisecond)
		}
		fetches := client.PollFetches(ctx)
		stop()
		quiet = fetches.NumRecords() == 0
		if quiet && n < records {
			a.Fatalf("topic %s has %d of %d records", topic, n, records)
		}
		fetches.EachRecord(func(r *kgo.Record) { found[r.Partition] = append(found[r.Partition], string(r.Value)); n++ })
	}
	return found
}

// mustHold compares a topic with what was archived: each record once, in order.
func (a *account) mustHold(topic, target string, partitions int32, records int) {
	a.Helper()
	found := a.consumed(target, records)
	for p := range partitions {
		var want []string
		for i := int(p); i < records; i += int(partitions) {
			want = append(want, fmt.Sprintf("%s record %d", topic, i))
		}
		if !slices.Equal(found[p], want) {
			a.Errorf("topic %s partition %d holds\n%q, want\n%q", target, p, found[p], want)
		}
	}
}

func replayOf(id string, topics ...string) Spec {
	return Spec{ID: id, Kind: KindReplay, Topics: topics, To: &Target{Brokers: "target:9092"}, Replay: &Replay{Create: true}}
}

// TestAReplayByManyIsAReplay: with functions that are killed, throttled, called twice
// at the same time and cut off, each record is there once and in order.
func TestAReplayByManyIsAReplay(t *testing.T) {
	t.Parallel()
	const partitions, records = 7, 140 // in three items, by maxItems
	a := newAccount(t, 3)
	a.archive("orders", partitions, records)
	random, fallen, steps := rand.New(rand.NewPCG(3, 4)), map[int]int{}, map[string]int{}
	killed := awsError{"Runtime.ExitError", "Runtime exited with error: signal: killed"}
	a.before = func(e Event) error {
		if e.Step != "work" {
			a.mutex.Lock()
			steps[e.Step]++
			first := steps[e.Step] == 1
			a.mutex.Unlock()
			if first { // once everything is done: what comes next finds it there
				_, _ = a.runner.Do(context.Background(), e, time.Time{})
				return killed
			}
			return nil
		}
		a.mutex.Lock()
		fallen[e.Item.Number]++
		try, die, twice := fallen[e.Item.Number], random.IntN(2) == 0, random.IntN(2) == 0
		a.mutex.Unlock()
		switch {
		case try == 1:
			return awsError{"Lambda.TooManyRequestsException", "Rate Exceeded."}
		case try == 2 && die:
			// It is killed in the middle, with a transaction open.
			ctx, kill := context.WithTimeout(context.Background(), 30*time.Millisecond)
			defer kill()
			_, _ = a.runner.Work(ctx, e, time.Time{})
			return killed
		case twice:
			// An invocation of nobody, at the same time: one of the two shuts out the other.
			go func() { _, _ = a.runner.Work(context.Background(), e, time.Time{}) }()
		}
		return nil
	}
	report, err := a.execute(replayOf("one", "orders:copy"))
	for n := 0; errors.As(err, new(awsError)) && n < 5; n++ { // shut out: a person continues it
		report, err = a.execute(map[string]any{"id": "one"})
	}
	if err != nil {
		t.Fatal(err)
	}
	if !report.Complete || report.Items != maxItems || report.Done != maxItems || report.Records != records || report.Failed != 0 || report.Cost.Dollars <= 0 {
		t.Errorf("report %+v", report)
	}
	a.mustHold("orders", "copy", partitions, records)
	t.Logf("%d calls; errors %q", a.calls, a.told)
}

// A step whose function dies, or is not started, is tried again, whichever it is: the
// execution goes on, and what was done before it died counts once.
func TestStepsThatDie(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"plan", "work", "finish"} {
		for _, name := range []string{"Lambda.TooManyRequestsException", "Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"} {
			t.Run(step+"/"+name, func(t *testing.T) {
				t.Parallel()
				a := newAccount(t, 1)
				a.archive("orders", 2, 10)
				died := map[string]int{}
				a.before = func(e Event) error {
					of := e.Step
					if e.Item != nil {
						of += fmt.Sprint(e.Item.Number)
					}
					if died[of]++; e.Step != step || died[of] > 2 {
						return nil
					}
					_, _ = a.runner.Do(context.Background(), e, time.Time{})
					return awsError{name, "it died"}
				}
				report, err := a.execute(replayOf("one", "orders:copy"))
				if err != nil || !report.Complete || report.Done != 2 || report.Records != 10 {
					t.Fatalf("report %+v, error %v", report, err)
				}
				a.mustHold("orders", "copy", 2, 10)
			})
		}
	}
}

// A worker whose time is over leaves the rest to the next invocation.
func TestItemsOutliveFunctions(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.archive("orders", 2, 60)
	spec := replayOf("slow", "orders:copy")
	spec.BytesPerSecond = 160 // for two workers that write 500 bytes each: six seconds
	a.within = 3 * time.Second
	report, err := a.execute(spec)
	if err != nil {
		t.Fatal(err)
	}
	if report.Cost.Invocations <= int64(report.Items) || report.Cost.FunctionSeconds <= 0 || report.Cost.Transitions < 3+4*report.Cost.Invocations/2 {
		t.Errorf("nothing was cut off: %+v", report)
	}
	a.mustHold("orders", "copy", 2, 60)
}

// A job that fails says why; continued, it goes on with what is left, and what is done
// is not done again.
func TestFailedJobsAreContinued(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 1)
	a.archive("orders", 3, 30)
	a.before = func(e Event) error {
		if e.Step == "work" && e.Item.Number == 2 {
			return a.runner.failItem(context.Background(), e, errors.New("the broker has gone fishing"))
		}
		return nil
	}
	_, err := a.execute(replayOf("one", "orders:copy"))
	if err == nil || !strings.Contains(err.Error(), "1 of 3 items are not done") {
		t.Fatalf("error %v", err)
	}
	report, err := a.runner.Report(context.Background(), "one", "arn:aws:states:::execution:bifrost-job:run-1")
	if err != nil || report.Complete || report.Failed != 1 || len(report.Failures) != 1 || !strings.Contains(report.Failures[0].Error, "gone fishing") {
		t.Fatalf("report %+v, error %v", report, err)
	}
	if _, err := a.runner.Report(context.Background(), "one", ""); !errors.Is(err, bifrost.ErrNotFound) {
		t.Errorf("a job that is not complete has an end: %v", err)
	}
	// What is archived since is no part of it.
	a.source.Topic("orders").Logs[0].Produce("late")
	a.before, a.calls = nil, 0
	report, err = a.execute(map[string]any{"id": "one"})
	if err != nil || !report.Complete || report.Done != 3 || a.calls != 5 {
		t.Fatalf("report %+v, %d calls, error %v", report, a.calls, err)
	}
	a.mustHold("orders", "copy", 3, 30)
	opened := a.opened.Load()
	again, err := a.execute(replayOf("one", "orders:copy"))
	if err != nil || again.Records != report.Records || a.opened.Load() != opened {
		t.Errorf("once more: %+v, %d looks at the target, error %v", again, a.opened.Load()-opened, err)
	}
	other := replayOf("one", "orders:other")
	if _, err := a.execute(other); err == nil || !strings.Contains(err.Error(), "was asked for something else") {
		t.Errorf("another job of the same ID: error %v", err)
	}
	a.mustHold("orders", "copy", 3, 30)
}

// An item whose workers all died has left no word, and is not done all the same.
func TestItemsWithoutAWord(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.archive("orders", 3, 30)
	a.before = func(e Event) error {
		if e.Step == "work" && e.Item.Number == 2 {
			return awsError{"Sandbox.Timedout", "Task timed out after 900.00 seconds"}
		}
		return nil
	}
	if _, err := a.execute(replayOf("one", "orders:copy")); err == nil || !strings.Contains(err.Error(), "1 of 3 items are not done") {
		t.Fatalf("error %v", err)
	}
	report, err := a.runner.Report(context.Background(), "one", "arn:aws:states:::execution:bifrost-job:run-1")
	if err != nil || report.Complete || report.Failed != 1 || report.Done != 2 || len(report.Failures) != 0 {
		t.Errorf("report %+v, error %v", report, err)
	}
	if _, err := a.runner.Report(context.Background(), "one", ""); !errors.Is(err, bifrost.ErrNotFound) {
		t.Errorf("it has an end: %v", err)
	}
}

// A worker that ends for its deadline leaves the rest to another; one that was shut out, or
// refused, is not called again, whatever the clock says.
func TestWhoIsShutOut(t *testing.T) {
	t.Parallel()
	late, stop := context.WithDeadlineCause(context.Background(), time.Now().Add(-time.Second), errDeadline)
	defer stop()
	for err, want := range map[error]bool{
		context.DeadlineExceeded: true, replay.ErrShutOut: false, replay.ErrRefused: false,
	} {
		wrapped := fmt.Errorf("replay orders/0: %w", err)
		more, got := (&Runner{}).moreIsLeft(late, wrapped)
		if more != want || (got == nil) != want {
			t.Errorf("%v: more %v, error %v", err, more, got)
		}
		if more, got := (&Runner{}).moreIsLeft(context.Background(), wrapped); more || got == nil {
			t.Errorf("%v in time: more %v, error %v", err, more, got)
		}
	}
}

// What stands against a replay ends it before anything is made.
func TestPlansThatAreRefused(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 5)
	a.archive("orders", 2, 10)
	without := replayOf("without", "orders:copy")
	without.Replay.Create = false
	for input, word := range map[string]string{
		`[]`:            "events/job-replay.json",
		`{"id":"none"}`: "does not exist",
		`{"id":"a/b"}`:  "job ID",
		`{"id":"x","kind":"replay","topics":["missing"]}`:                                          "missing",
		`{"id":"x","kind":"replay"}`:                                                               "topics are missing",
		`{"id":"x","kind":"move"}`:                                                                 "want replay, restore, verify or export",
		`{"id":"x","kind":"verify","topics":["x*"]}`:                                               "nothing to do",
		`{"id":"x","kind":"verify","workers":3}`:                                                   "workers",
		`{"id":"x","kind":"replay","topics":["orders"],"to":{"brokers":"b:1","secret":"hunter2"}}`: "a job holds no secret",
	} {
		var in any
		if err := json.Unmarshal([]byte(input), &in); err != nil {
			t.Fatal(err)
		}
		_, err := a.execute(in)
		if err == nil || !strings.Contains(err.Error(), word) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: error %v, want one that says %q", input, err, word)
		}
	}
	if _, err := a.execute(without); err == nil || !strings.Contains(err.Error(), "it does not exist") || !strings.Contains(err.Error(), replay.ErrRefused.Error()) {
		t.Errorf("into a topic that does not exist: error %v", err)
	}
	for executions, words := range map[int]string{10: "a lower MaxInFlight and JobWorkers", 12: "JobWorkers=2 or less", 14: "JobWorkers=4 or less", 15: ""} {
		a.runner.Executions = func(context.Context) (int, error) { return executions, nil }
		err := a.runner.leavesRoom(context.Background(), 5)
		if (err == nil) != (words == "") || err != nil && !strings.Contains(err.Error(), words) {
			t.Errorf("in an account with %d executions: error %v", executions, err)
		}
		if err != nil && !strings.Contains(err.Error(), "of which archiving needs 10, so that 5 workers do not fit") {
			t.Errorf("in an account with %d executions, 8 of them for archiving and 2 for ticks: error %v", executions, err)
		}
	}
	a.runner.Executions = func(context.Context) (int, error) { return 14, nil }
	if _, err := a.execute(replayOf("full", "orders:copy")); err == nil || !strings.Contains(err.Error(), "JobWorkers=4") {
		t.Errorf("in an account without room: error %v", err)
	}
	for _, key := range a.store.Keys() {
		if strings.HasPrefix(key, bifrost.JobsPrefix(group)) {
			t.Errorf("left behind: %s", key)
		}
	}
}

// Of two jobs that take the same ID at the same moment one is refused.
func TestOneIDIsOneJob(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	one, other := replayOf("one", "orders:copy"), replayOf("one", "orders:copy")
	other.To.Brokers, other.Replay.Rekey = "other:9092", true
	run := Run{Execution: "x:run", At: a.clock.Now()}
	if err := a.runner.keepSpec(context.Background(), one, run); err != nil {
		t.Fatal(err)
	}
	if err := a.runner.keepSpec(context.Background(), one, run); err != nil {
		t.Errorf("the same once more: %v", err)
	}
	if err := a.runner.keepSpec(context.Background(), other, run); err == nil || !strings.Contains(err.Error(), "was asked for something else") {
		t.Errorf("another: error %v", err)
	}
}

func TestLimitsAreShared(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.archive("orders", 3, 9)
	spec := replayOf("one", "orders:copy")
	spec.BytesPerSecond = 1000
	text, _ := json.Marshal(spec)
	// A worker without an item writes nothing, and takes nothing of the limit.
	for _, c := range []struct {
		most, want int64
		workers    int
	}{{0, 500, 2}, {600, 300, 2}, {5000, 500, 2}, {0, 333, 3}, {0, 333, 50}, {600, 200, 50}} {
		planned, err := a.runner.Plan(context.Background(), Event{Job: text, Execution: "x:run", Workers: c.workers, BytesPerSecond: c.most})
		if err != nil || planned.BytesPerSecond != c.want || planned.Items != 3 {
			t.Errorf("most %d, %d workers: %+v, error %v", c.most, c.workers, planned, err)
		}
	}
}

// Every partition is in one item, and no item is much larger than another.
func TestItemsAreTakenTogether(t *testing.T) {
	t.Parallel()
	var items []Item
	for n := range 10 {
		items = append(items, Item{Bytes: int64(10 + n), Parts: []Part{{Partition: Partition{"t", int32(n)}}}})
	}
	kept := together(items)
	seen := map[int32]bool{}
	for i, item := range kept {
		if item.Number != i+1 || item.Bytes < 40 || item.Bytes > 60 {
			t.Errorf("item %+v", item)
		}
		for _, p := range item.Parts {
			seen[p.Number] = true
		}
	}
	if len(kept) != maxItems || len(seen) != 10 {
		t.Errorf("%d items of %d partitions", len(kept), len(seen))
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	a := newAccount(t, 2)
	a.archive("orders", 2, 10)
	m := &manualMachine{states: map[string]Execution{}}
	c := a.control(m)
	ctx := context.Background()
	if _, err := c.Status(ctx, "one"); err == nil || !strings.Contains(err.Error(), "there is no job one") {
		t.Errorf("error %v", err)
	}
	execution, err := c.Start(ctx, replayOf("one", "orders:copy"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.runner.Plan(ctx, Event{Job: json.RawMessage(m.input), Execution: execution, Workers: 2}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(ctx, replayOf("one", "orders:copy")); err == nil ||
		!strings.Contains(err.Error(), "bifrost jobs show one") || strings.Contains(err.Error(), "continue") {
		t.Errorf("twice: error %v", err)
	}
	if _, err := c.Continue(ctx, "one"); err == nil || !strings.Contains(err.Error(), "runs") {
		t.Errorf("while it runs: error %v", err)
	}
	if n, err := c.Stop(ctx, "one"); n != 1 || err != nil || m.states[execution].State != "ABORTED" {
		t.Errorf("stopped %d, error %v", n, err)
	}
	status, err := c.Status(ctx, "one")
	if err != nil || status.Running() || status.Complete || status.Items != 2 || status.Done != 0 || status.Records != 10 || status.Execution != execution {
		t.Errorf("status %+v, error %v", status, err)
	}
	if _, err := c.Start(ctx, replayOf("one", "orders:copy")); err == nil || !strings.Contains(err.Error(), "bifrost jobs continue one") {
		t.Errorf("again, when it is stopped: error %v", err)
	}
	a.clock.Advance(time.Minute)
	second, err := c.Continue(ctx, "one")
	if err != nil || m.input != `{"id":"one"}` || second == execution {
		t.Fatalf("continued as %s with %s: error %v", second, m.input, err)
	}
	// A person follows it: planned, worked on, ended.
	var shown []string
	steps := []func() error{
		func() error {
			_, err := a.runner.Plan(ctx, Event{Job: json.RawMessage(m.input), Execution: second, Workers: 2})
			return err
		},
		func() error {
			items, _ := a.runner.Items(ctx, "one")
			_, err := a.runner.Work(ctx, Event{ID: "one", Item: &items[0]}, time.Time{})
			return err
		},
		func() error {
			items, _ := a.runner.Items(ctx, "one")
			_, err := a.runner.Work(ctx, Event{ID: "one", Item: &items[1]}, time.Time{})
			return err
		},
		func() error {
			_, err := a.runner.Finish(ctx, Event{Job: json.RawMessage(m.input), Execution: second})
			m.states[second] = Execution{State: StateSucceeded}
			return err
		},
	}
	wait := func(context.Context) error {
		step := steps[0]
		steps = steps[1:]
		return step()
	}
	status, err = c.Follow(ctx, "one", second, wait, func(s Status) { shown = append(shown, fmt.Sprintf("%s %d/%d", s.State, s.Done, s.Items)) })
	if err != nil || !status.Complete || status.Report == nil || status.Runs != 2 {
		t.Errorf("status %+v, error %v", status, err)
	}
	if want := []string{"RUNNING 0/2", "RUNNING 1/2", "RUNNING 2/2", "SUCCEEDED 2/2"}; !slices.Equal(shown, want) {
		t.Errorf("shown %q, want %q", shown, want)
	}
	if _, err := c.Continue(ctx, "one"); err == nil || !strings.Contains(err.Error(), "is complete") {
		t.Errorf("when it is complete: error %v", err)
	}
	if _, err := c.Start(ctx, replayOf("one", "orders:copy")); err == nil || !strings.Contains(err.Error(), "is complete: take another ID") {
		t.Errorf("again, when it is complete: error %v", err)
	}
	if ids, err := c.List(ctx); err != nil || !slices.Equal(ids, []string{"one"}) {
		t.Errorf("jobs %v, error %v", ids, err)
	}
}

// manualMachine runs nothing by itself.
type manualMachine struct {
	states map[string]Execution
	input  string
}

func (m *manualMachine) Start(_ context.Context, name, input string) (string, error) {
	arn := "arn:aws:states:eu-west-1:000000000000:execution:bifrost-job:" + name
	m.states[arn], m.input = Execution{State: StateRunning}, input
	return arn, nil
}

func (m *manualMachine) Describe(_ context.Context, arn string) (Execution, error) {
	if e, ok := m.states[arn]; ok {
		return e, nil
	}
	return Execution{}, ErrForgotten
}

func (m *manualMachine) Stop(_ context.Context, arn, _ string) error {
	m.states[arn] = Execution{State: "ABORTED"}
	return nil
}
