// The files of jobs in the bucket.

package job

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// Bucket is what jobs need of the bucket. Whatever they write there, they write once.
type Bucket interface {
	// Open is bifrost.Store.Open.
	Open(ctx context.Context, key string) (bifrost.Object, error)
	// List is bifrost.Bucket.List.
	List(ctx context.Context, prefix, after string, limit int) ([]string, error)
	// CreateOnce is bifrost.Bucket.CreateOnce.
	CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error)
}

// Files are those of the jobs of a group:
//
//	<id>/job.json                                  the spec
//	<id>/items.jsonl                               the items
//	<id>/runs/<execution>.json                     one for each execution: where it can be seen
//	<id>/progress/<minute>/<item>-<records>.json   how far the worker of an item was then
//	<id>/done/<item>.jsonl                         a line with what was done, and one for each violation
//	<id>/failures/<item>/<try>.json                why a worker could not do an item
//	<id>/reports/<execution>.json                  how an execution ended
//	<id>/report.json                               the end, once every item is done
type Files struct {
	Group  string
	Bucket Bucket
}

// What the files of a job are called.
const (
	specFile      = "job.json"
	itemsFile     = "items.jsonl"
	reportFile    = "report.json"
	progressFiles = "progress/"
	doneFiles     = "done/"
	failureFiles  = "failures/"
	runFiles      = "runs/"
	reportFiles   = "reports/"
)

// readersAtOnce is how many files are read side by side. It is a variable because tests
// make it tiny.
var readersAtOnce = 32

func (f Files) keyOf(id, name string) string { return bifrost.JobPrefix(f.Group, id) + name }

func (f Files) doneKey(id string, item int) string {
	return f.keyOf(id, doneFiles+doneName(item))
}

func doneName(item int) string { return fmt.Sprintf("%06d.jsonl", item) }

// Run is an execution of a job.
type Run struct {
	Execution string    `json:"execution"` // ARN
	At        time.Time `json:"at"`        // when it planned
	Spent     Spent     `json:"spent"`     // by the plan
}

// Done is what was done of an item.
type Done struct {
	Item       int                `json:"item"`
	Records    int64              `json:"records"` // written, by all runs of it, or exported; decoded
	Bytes      int64              `json:"bytes"`
	Summary    *verify.Summary    `json:"summary,omitempty"`  // of a verification
	Unlisted   int64              `json:"unlisted,omitempty"` // violations that are counted and not listed
	Export     *Exported          `json:"export,omitempty"`   // of an export
	Spent      Spent              `json:"spent"`
	At         time.Time          `json:"at"`
	Violations []verify.Violation `json:"-"` // a line each
}

// Failure is why a worker could not do an item.
type Failure struct {
	Item  int       `json:"item"`
	Error string    `json:"error"`
	At    time.Time `json:"at"`
}

// create writes a file unless it is there, and answers what is there then.
func create[T any](ctx context.Context, f Files, id, name string, value T) (there T, err error) {
	text, err := json.Marshal(value)
	if err != nil {
		return there, fmt.Errorf("write %s of job %s: %w", name, id, err)
	}
	content, err := f.Bucket.CreateOnce(ctx, f.keyOf(id, name), append(text, '\n'))
	if err != nil {
		return there, fmt.Errorf("write %s of job %s: %w", name, id, err)
	}
	if err := json.Unmarshal(content, &there); err != nil {
		return there, fmt.Errorf("read %s of job %s: %w", name, id, err)
	}
	return there, nil
}

func (f Files) read(ctx context.Context, id, name string) ([]byte, error) {
	object, err := f.Bucket.Open(ctx, f.keyOf(id, name))
	if err != nil {
		return nil, fmt.Errorf("read %s of job %s: %w", name, id, err)
	}
	content, err := io.ReadAll(io.NewSectionReader(object, 0, object.Stored().Size))
	if err != nil {
		return nil, fmt.Errorf("read %s of job %s: %w", name, id, err)
	}
	return content, nil
}

func readJSON[T any](ctx context.Context, f Files, id, name string) (value T, err error) {
	content, err := f.read(ctx, id, name)
	if err != nil {
		return value, err
	}
	if err := json.Unmarshal(content, &value); err != nil {
		return value, fmt.Errorf("read %s of job %s: %w", name, id, err)
	}
	return value, nil
}

// Spec reads what a job was asked to do; bifrost.ErrNotFound when there is no such job.
func (f Files) Spec(ctx context.Context, id string) (Spec, error) {
	return readJSON[Spec](ctx, f, id, specFile)
}

// Items reads the items; bifrost.ErrNotFound when none were planned yet.
func (f Files) Items(ctx context.Context, id string) ([]Item, error) {
	content, err := f.read(ctx, id, itemsFile)
	if err != nil {
		return nil, err
	}
	items, err := decodeItems(content)
	if err != nil {
		return nil, fmt.Errorf("read %s of job %s: %w", itemsFile, id, err)
	}
	return items, nil
}

// listNames lists the files whose names begin so, without that beginning.
func (f Files) listNames(ctx context.Context, id, beginning string) (names []string, err error) {
	prefix := f.keyOf(id, beginning)
	keys := bifrost.KeyWalk{Bucket: f.Bucket, Prefix: prefix}
	for {
		page, err := keys.Below(ctx, "")
		if err != nil {
			return nil, fmt.Errorf("list %s of job %s: %w", beginning, id, err)
		}
		if len(page) == 0 {
			return names, nil
		}
		for _, key := range page {
			names = append(names, strings.TrimPrefix(key, prefix))
		}
	}
}

// DoneItems lists the numbers of the items that are done, in order.
func (f Files) DoneItems(ctx context.Context, id string) ([]int, error) {
	names, err := f.listNames(ctx, id, doneFiles)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, name := range names {
		if n, err := strconv.Atoi(strings.TrimSuffix(name, ".jsonl")); err == nil {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// isDone reports whether the item is.
func (f Files) isDone(ctx context.Context, id string, item int) (bool, error) {
	keys, err := f.Bucket.List(ctx, f.doneKey(id, item), "", 1)
	if err != nil {
		return false, fmt.Errorf("look whether item %d of job %s is done: %w", item, id, err)
	}
	return len(keys) > 0, nil
}

// settleItem writes what was done of an item. Whoever comes first decides.
func (f Files) settleItem(ctx context.Context, id string, done Done) error {
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	if err := encoder.Encode(done); err != nil {
		return fmt.Errorf("write what was done of item %d of job %s: %w", done.Item, id, err)
	}
	for _, v := range done.Violations {
		if err := encoder.Encode(v); err != nil {
			return fmt.Errorf("write what was done of item %d of job %s: %w", done.Item, id, err)
		}
	}
	if _, err := f.Bucket.CreateOnce(ctx, f.doneKey(id, done.Item), lines.Bytes()); err != nil {
		return fmt.Errorf("write what was done of item %d of job %s: %w", done.Item, id, err)
	}
	return nil
}

// EachDone calls do with what was done of each item, in order of their numbers.
func (f Files) EachDone(ctx context.Context, id string, do func(Done) error) error {
	numbers, err := f.DoneItems(ctx, id)
	if err != nil {
		return err
	}
	for len(numbers) > 0 {
		page := numbers[:min(len(numbers), readersAtOnce)]
		numbers = numbers[len(page):]
		found := make([]Done, len(page))
		read := func(ctx context.Context, i int) (err error) {
			found[i], err = f.readDone(ctx, id, page[i])
			return err
		}
		err := parallel.Try(ctx, readersAtOnce, parallel.NumbersBelow(len(page)), read)
		if err != nil {
			return err
		}
		for _, d := range found {
			if err := do(d); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f Files) readDone(ctx context.Context, id string, item int) (Done, error) {
	name := doneName(item)
	content, err := f.read(ctx, id, doneFiles+name)
	if err != nil {
		return Done{}, err
	}
	var done Done
	decoder := json.NewDecoder(bytes.NewReader(content))
	err = decoder.Decode(&done)
	for err == nil {
		var v verify.Violation
		if err = decoder.Decode(&v); err == nil {
			done.Violations = append(done.Violations, v)
		}
	}
	if !errors.Is(err, io.EOF) || done.Item != item {
		return done, fmt.Errorf("read %s of job %s: item %d: %w", name, id, done.Item, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return done, nil
}

// Failures reads the last failure of each of the items that has one: of the first
// mostFailures of them.
func (f Files) Failures(ctx context.Context, id string, of map[int]bool) (last map[int]Failure, err error) {
	names, err := f.listNames(ctx, id, failureFiles)
	if err != nil {
		return nil, err
	}
	last = map[int]Failure{}
	for _, name := range names {
		number, _, _ := strings.Cut(name, "/")
		n, err := strconv.Atoi(number)
		if err != nil || !of[n] {
			continue
		}
		if _, known := last[n]; !known && len(last) == mostFailures {
			break // names are in the order of the items
		}
		failure, err := readJSON[Failure](ctx, f, id, failureFiles+name)
		if err != nil {
			return nil, err
		}
		if known, ok := last[n]; !ok || failure.At.After(known.At) {
			last[n] = failure
		}
	}
	return last, nil
}

// Runs reads the executions of a job, the oldest first.
func (f Files) Runs(ctx context.Context, id string) (runs []Run, err error) {
	names, err := f.listNames(ctx, id, runFiles)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		run, err := readJSON[Run](ctx, f, id, runFiles+name)
		if err != nil {
			return nil, err
		}
		runs = append(runs, run)
	}
	slices.SortFunc(runs, func(a, b Run) int { return a.At.Compare(b.At) })
	return runs, nil
}

// Report reads how an execution ended, or, without one, the end of the job;
// bifrost.ErrNotFound before that.
func (f Files) Report(ctx context.Context, id, execution string) (Report, error) {
	if execution == "" {
		return readJSON[Report](ctx, f, id, reportFile)
	}
	return readJSON[Report](ctx, f, id, reportFiles+nameOf(execution)+".json")
}

// nameOf is the last part of an execution's ARN.
func nameOf(execution string) string { return execution[strings.LastIndex(execution, ":")+1:] }

// List lists the IDs of all jobs, in order. It costs one request a job.
func (f Files) List(ctx context.Context) (ids []string, err error) {
	prefix := bifrost.JobsPrefix(f.Group)
	for after := ""; ; {
		page, err := f.Bucket.List(ctx, prefix, after, 1)
		if err != nil {
			return nil, fmt.Errorf("list the jobs of group %s: %w", f.Group, err)
		}
		if len(page) == 0 {
			return ids, nil
		}
		id, _, _ := strings.Cut(strings.TrimPrefix(page[0], prefix), "/")
		if bifrost.CheckJobID(id) == nil {
			ids = append(ids, id)
		}
		after = prefix + id + "/\U0010FFFF"
	}
}
