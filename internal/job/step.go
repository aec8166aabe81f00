// The steps that the workflow calls.

package job

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/export"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// Tables are what jobs read of the tables. Nothing in it writes.
type Tables interface {
	verify.TableReader
	readback.Catalogue
}

// Runner does the steps of jobs.
type Runner struct {
	Files
	BucketName string // for the workflow, which reads the items
	Tables     Tables
	// Connect says how to get into the cluster that is written into; nil is the
	// archived one.
	Connect func(ctx context.Context, to *Target) ([]kgo.Opt, error)
	// Place is where an export writes to: the keys of a bucket that begin with the prefix.
	Place func(bucket, prefix string) export.Place
	// Executions says how many functions the account runs at the same time, for all
	// that it has not reserved.
	Executions  func(ctx context.Context) (int, error)
	MaxInFlight int           // functions that archive at the same time
	Expiration  time.Duration // age at which the bucket deletes objects; 0 never
	// Requests are those that this process has sent so far.
	Requests func() Requests
	Cores    int   // of this function
	Memory   int64 // bytes, of this function; 0 outside of Lambda
	Now      func() time.Time
	NewID    func() string // of a try
}

// Event is what the workflow sends.
type Event struct {
	Step string `json:"step"` // plan, work or finish
	// Plan: the input of the execution. Finish: the same.
	Job       json.RawMessage `json:"job,omitempty"`
	Execution string          `json:"execution,omitempty"` // its ARN
	// Plan: the stack's parameters JobWorkers and JobBytesPerSecond.
	Workers int `json:"workers,omitempty"`
	// Of all workers in a plan, of this one in a work; 0 for no limit.
	BytesPerSecond int64 `json:"bytes_per_second,omitempty"`
	// Plan: the stack's parameters JobExportBucket and JobExportPrefix, as s3://bucket/prefix.
	ExportTo string `json:"export_to,omitempty"`
	ID       string `json:"id,omitempty"`    // work
	Item     *Item  `json:"item,omitempty"`  // work
	Spent    Spent  `json:"spent,omitzero"`  // work: by the invocations before
	Begun    string `json:"begun,omitempty"` // finish: when the execution began
}

// ParseEvent reads an event and checks that its step has what it needs.
func ParseEvent(text []byte) (Event, error) {
	var e Event
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&e); err != nil {
		return e, fmt.Errorf("job event: want a JSON object like events/job-plan.json: %w", err)
	}
	missing := ""
	switch {
	case e.Step != "plan" && e.Step != "work" && e.Step != "finish":
		return e, fmt.Errorf("job event: step %q: want plan, work or finish", e.Step)
	case e.Step != "work" && len(e.Job) == 0:
		missing = "job"
	case e.Step != "work" && e.Execution == "":
		missing = "execution"
	case e.Step == "plan" && e.Workers < 1:
		missing = "workers"
	case e.Step == "work" && e.ID == "":
		missing = "id"
	case e.Step == "work" && e.Item == nil:
		missing = "item"
	}
	if missing != "" {
		return e, fmt.Errorf("job event: field %q is missing; see events/job-%s.json", missing, e.Step)
	}
	return e, nil
}

// Planned is the answer to a plan: where the workflow finds the items.
type Planned struct {
	ID             string `json:"id"`
	Bucket         string `json:"bucket"`
	Key            string `json:"key"`
	Items          int    `json:"items"`
	BytesPerSecond int64  `json:"bytes_per_second"` // of one worker; 0 for no limit
}

// Answer is the answer to a work.
type Answer struct {
	Done  bool  `json:"done"` // nothing of the item is left
	Spent Spent `json:"spent"`
}

// Do does the step of an event. The deadline is when work has to be finished.
func (r *Runner) Do(ctx context.Context, e Event, deadline time.Time) (any, error) {
	switch e.Step {
	case "plan":
		return r.Plan(ctx, e)
	case "work":
		return r.Work(ctx, e, deadline)
	}
	return r.Finish(ctx, e)
}

// Plan checks the job, cuts it into items with their ends fixed, and makes what has to
// be there before the first of them. Of a job that exists it keeps what is there. A plan
// that is refused leaves no job behind.
func (r *Runner) Plan(ctx context.Context, e Event) (Planned, error) {
	call := r.beginCall()
	run := Run{Execution: e.Execution, At: call.begun.UTC()}
	asked, err := ParseSpec(e.Job)
	if err != nil {
		return Planned{}, err
	}
	spec, err := r.knownSpec(ctx, asked)
	if err != nil {
		return Planned{}, err
	}
	if err := r.leavesRoom(ctx, e.Workers); err != nil {
		return Planned{}, fmt.Errorf("job %s: %w", spec.ID, err)
	}
	items, err := r.Items(ctx, spec.ID)
	planned := err == nil
	if errors.Is(err, bifrost.ErrNotFound) {
		items, err = r.cutItems(ctx, spec, e.ExportTo)
	}
	if err != nil {
		return Planned{}, fmt.Errorf("plan job %s: %w", spec.ID, err)
	}
	run.Spent = call.spent()
	if err := r.keepSpec(ctx, spec, run); err != nil {
		return Planned{}, err
	}
	if !planned {
		if items, err = r.keepItems(ctx, spec.ID, items); err != nil {
			return Planned{}, err
		}
	}
	answer := Planned{ID: spec.ID, Bucket: r.BucketName, Key: r.keyOf(spec.ID, itemsFile), Items: len(items)}
	if most := lowest(spec.BytesPerSecond, e.BytesPerSecond); most > 0 {
		answer.BytesPerSecond = max(1, most/int64(min(len(items), e.Workers)))
	}
	return answer, nil
}

// knownSpec is what a job is: if it exists, what it was asked for first.
func (r *Runner) knownSpec(ctx context.Context, asked Spec) (Spec, error) {
	spec, err := r.Spec(ctx, asked.ID)
	switch {
	case errors.Is(err, bifrost.ErrNotFound) && asked.Continues():
		return spec, fmt.Errorf("job %s does not exist, so there is nothing to continue: %w", asked.ID, err)
	case errors.Is(err, bifrost.ErrNotFound):
		return asked, nil
	case err != nil || asked.Continues():
		return spec, err
	}
	return spec, sameJob(spec, asked)
}

func sameJob(there, asked Spec) error {
	if !reflect.DeepEqual(there, asked) {
		return fmt.Errorf("job %s exists and was asked for something else: take another ID, "+
			"or continue it with its ID alone", asked.ID)
	}
	return nil
}

// keepSpec writes what the job is, and that this execution does it. Of two that come at the
// same time the first decides.
func (r *Runner) keepSpec(ctx context.Context, spec Spec, run Run) error {
	there, err := create(ctx, r.Files, spec.ID, specFile, spec)
	if err != nil {
		return err
	}
	if err := sameJob(there, spec); err != nil {
		return err
	}
	_, err = create(ctx, r.Files, spec.ID, runFiles+nameOf(run.Execution)+".json", run)
	return err
}

// keepItems writes the items, and answers those that are there then.
func (r *Runner) keepItems(ctx context.Context, id string, items []Item) ([]Item, error) {
	lines, err := encodeItems(items)
	if err != nil {
		return nil, err
	}
	there, err := r.Bucket.CreateOnce(ctx, r.keyOf(id, itemsFile), lines)
	if err != nil {
		return nil, fmt.Errorf("write the items of job %s: %w", id, err)
	}
	return decodeItems(there)
}

// lowest is the lower of two limits, of which 0 is none.
func lowest(a, b int64) int64 {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// keptForTicks is how many executions are left for ticks: one, and another that began
// before it has ended.
const keptForTicks = 2

// leavesRoom refuses workers that would take the executions which discover and archive
// need: functions of an account share them.
func (r *Runner) leavesRoom(ctx context.Context, workers int) error {
	all, err := r.Executions(ctx)
	if err != nil {
		return fmt.Errorf("ask how many functions the account runs at the same time: %w", err)
	}
	left := all - r.MaxInFlight - keptForTicks
	if workers <= left {
		return nil
	}
	advice := fmt.Sprintf("deploy with JobWorkers=%d or less", left)
	if left < 1 {
		advice = "deploy with a lower MaxInFlight and JobWorkers"
	}
	return fmt.Errorf("the account runs %d functions at the same time, of which archiving needs %d, "+
		"so that %d workers do not fit: "+
		"%s, or ask AWS for a higher quota of concurrent executions", all, r.MaxInFlight+keptForTicks, workers, advice)
}

// cutItems plans the items. Exports may go to exportTo.
func (r *Runner) cutItems(ctx context.Context, spec Spec, exportTo string) (items []Item, err error) {
	switch spec.Kind {
	case KindReplay:
		items, err = r.planReplay(ctx, spec)
	case KindRestore:
		items, err = r.planRestore(ctx, spec)
	case KindExport:
		items, err = r.planExport(ctx, spec, exportTo)
	default:
		items, err = r.planVerify(ctx, spec)
	}
	if err == nil && len(items) == 0 {
		err = errors.New("there is nothing to do: the archive has nothing of what was asked for")
	}
	return items, err
}

// Work does an item until it is done or the deadline has come, and says whether more is
// left. An item that is done returns at once.
func (r *Runner) Work(ctx context.Context, e Event, deadline time.Time) (Answer, error) {
	call := r.beginCall()
	done, err := r.isDone(ctx, e.ID, e.Item.Number)
	if done || err != nil {
		return Answer{Done: done, Spent: e.Spent}, err
	}
	spec, err := r.Spec(ctx, e.ID)
	if err != nil {
		return Answer{}, err
	}
	within, stop := ctx, func() {}
	if !deadline.IsZero() {
		within, stop = context.WithDeadlineCause(ctx, deadline, errDeadline)
	}
	defer stop()
	result := Done{Item: e.Item.Number}
	more := false
	switch spec.Kind {
	case KindVerify:
		err = r.verifyItem(within, spec, *e.Item, &result)
	case KindExport:
		more, err = r.exportItem(within, spec, *e.Item, &result)
	default:
		more, err = r.replayItem(within, spec, *e.Item, e.BytesPerSecond, &result)
	}
	spent := e.Spent.plus(call.spent())
	switch {
	case err != nil:
		return Answer{}, r.failItem(ctx, e, err)
	case more:
		return Answer{Spent: spent}, nil
	}
	result.Spent, result.At = spent, r.Now().UTC()
	return Answer{Done: true, Spent: spent}, r.settleItem(ctx, e.ID, result)
}

// errDeadline ends what a function has no time left for.
var errDeadline = errors.New("the function's time is nearly over")

// failItem keeps the error of an item, for the report.
func (r *Runner) failItem(ctx context.Context, e Event, err error) error {
	err = fmt.Errorf("item %d of job %s: %w", e.Item.Number, e.ID, err)
	failure := Failure{Item: e.Item.Number, Error: err.Error(), At: r.Now().UTC()}
	name := fmt.Sprintf("%s%06d/%s.json", failureFiles, e.Item.Number, r.NewID())
	_, keepErr := create(ctx, r.Files, e.ID, name, failure)
	return errors.Join(err, keepErr)
}
