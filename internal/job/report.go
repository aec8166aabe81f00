// How a job ended.

package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/internal/restore"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// Spent is what functions took.
type Spent struct {
	Seconds     float64 `json:"seconds"`
	Invocations int64   `json:"invocations"`
	Requests
}

// Requests are those that AWS bills.
type Requests struct {
	Puts      float64 `json:"s3_puts"`    // to S3, of the dearer class: PUT, POST, LIST
	Gets      float64 `json:"s3_gets"`    // of the cheaper class: GET, HEAD
	ReadUnits float64 `json:"read_units"` // of DynamoDB, on demand
}

func (r Requests) plus(other Requests, times float64) Requests {
	return Requests{r.Puts + times*other.Puts, r.Gets + times*other.Gets, r.ReadUnits + times*other.ReadUnits}
}

func (s Spent) plus(other Spent) Spent {
	return Spent{s.Seconds + other.Seconds, s.Invocations + other.Invocations, s.Requests.plus(other.Requests, 1)}
}

// call is a call of the function that is under way.
type call struct {
	runner *Runner
	begun  time.Time
	before Requests
}

func (r *Runner) beginCall() call { return call{r, r.Now(), r.Requests()} }

// spent is what it took so far.
func (c call) spent() Spent {
	return Spent{c.runner.Now().Sub(c.begun).Seconds(), 1, c.runner.Requests().plus(c.before, -1)}
}

// Report is how an execution of a job ended.
type Report struct {
	ID        string `json:"id"`
	Kind      Kind   `json:"kind"`
	Execution string `json:"execution"`
	Complete  bool   `json:"complete"` // every item is done, and what comes after them
	Items     int    `json:"items"`
	Done      int    `json:"done"`
	// Records and Bytes are those of the items that are done; of a replay or an export, what
	// is where it was to go, whoever wrote it.
	Records  int64     `json:"records"`
	Bytes    int64     `json:"bytes"`
	Failed   int       `json:"failed"`   // items that are not done
	Failures []Failure `json:"failures"` // of them, those listed whose worker said why; at most 100
	Begun    time.Time `json:"begun"`    // this execution
	Ended    time.Time `json:"ended"`
	Seconds  float64   `json:"seconds"` // between
	Cost     Cost      `json:"cost"`

	Verify  *verify.Summary `json:"verify,omitempty"`
	Restore *restore.Report `json:"restore,omitempty"`
	Export  *Exported       `json:"export,omitempty"`
}

// Cost is what the job cost so far, by all of its executions: their plans, the items
// that are done, and this sum; as if no worker had been killed.
type Cost struct {
	FunctionSeconds float64 `json:"function_seconds"`
	Invocations     int64   `json:"invocations"`
	Transitions     int64   `json:"transitions"`
	Requests
	Dollars float64 `json:"dollars"` // of all these; traffic between zones comes on top
}

func (c *Cost) addSpent(s Spent) {
	c.FunctionSeconds += s.Seconds
	c.Invocations += s.Invocations
	c.Requests = c.Requests.plus(s.Requests, 1)
}

// List prices of us-east-1 (AWS Lambda Pricing, arm64; AWS Step Functions Pricing,
// Standard Workflows; Amazon S3 Pricing, Standard; Amazon DynamoDB Pricing, on demand).
// A test compares them with those of docs/cost.md.
const (
	dollarsPerGBSecond   = 0.0000133334
	dollarsPerInvocation = 0.2e-6
	dollarsPerTransition = 0.025e-3
	dollarsPerPut        = 0.005e-3
	dollarsPerGet        = 0.0004e-3
	dollarsPerReadUnit   = 0.125e-6
)

const gigabyte = 1 << 30

// addTotal adds it up: of each execution a plan, a Map and a finish; of each item a child
// that is started and its end; of each other invocation a work and a choice.
func (c *Cost) addTotal(executions, items int, memory int64) {
	works := c.Invocations - 2*int64(executions)
	c.Transitions = 3*int64(executions) + 2*int64(items) + 2*works
	c.Dollars = c.FunctionSeconds*float64(memory)/gigabyte*dollarsPerGBSecond +
		float64(c.Invocations)*dollarsPerInvocation + float64(c.Transitions)*dollarsPerTransition +
		c.Puts*dollarsPerPut + c.Gets*dollarsPerGet + c.ReadUnits*dollarsPerReadUnit
}

// mostFailures is how many failures a report lists: a few show what is wrong.
const mostFailures = 100

// ErrFailed says that an item of the job is not done.
var ErrFailed = errors.New("the job is not complete")

// Finish sums up and writes reports. It fails if an item did.
func (r *Runner) Finish(ctx context.Context, e Event) (Report, error) {
	call := r.beginCall()
	spec, err := ParseSpec(e.Job)
	if err != nil {
		return Report{}, err
	}
	if spec, err = r.Spec(ctx, spec.ID); err != nil {
		return Report{}, err
	}
	report, err := r.sumReport(ctx, spec)
	if err != nil {
		return report, err
	}
	report.Execution, report.Ended = e.Execution, r.Now().UTC()
	if report.Begun, err = time.Parse(time.RFC3339, e.Begun); err == nil {
		report.Seconds = report.Ended.Sub(report.Begun).Seconds()
	}
	if spec.Kind == KindRestore && report.Failed == 0 {
		if report.Restore, err = r.endRestore(ctx, spec); err != nil {
			return report, fmt.Errorf("end the restore of job %s: %w", spec.ID, err)
		}
	}
	report.Complete = report.Failed == 0
	if err := r.addCost(ctx, &report, call); err != nil {
		return report, err
	}
	if report, err = create(ctx, r.Files, spec.ID, reportFiles+nameOf(e.Execution)+".json", report); err != nil {
		return report, err
	}
	if !report.Complete {
		return report, fmt.Errorf("job %s: %d of %d items are not done, see %s; continue it with its ID alone: %w",
			spec.ID, report.Failed, report.Items, r.keyOf(spec.ID, reportFiles+nameOf(e.Execution)+".json"), ErrFailed)
	}
	return create(ctx, r.Files, spec.ID, reportFile, report)
}

// sumReport adds up what is done, and finds out what is not.
func (r *Runner) sumReport(ctx context.Context, spec Spec) (Report, error) {
	report := Report{ID: spec.ID, Kind: spec.Kind, Failures: []Failure{}}
	items, err := r.Items(ctx, spec.ID)
	if err != nil {
		return report, err
	}
	if spec.Kind == KindVerify {
		report.Verify = &verify.Summary{}
	}
	if spec.Kind == KindExport {
		report.Export = &Exported{}
	}
	open := map[int]bool{}
	for _, item := range items {
		open[item.Number] = true
	}
	report.Items = len(items)
	err = r.EachDone(ctx, spec.ID, func(d Done) error {
		delete(open, d.Item)
		report.Done++
		report.Records += d.Records
		report.Bytes += d.Bytes
		report.Cost.addSpent(d.Spent)
		if d.Summary != nil && report.Verify != nil {
			report.Verify.Add(*d.Summary)
		}
		if d.Export != nil && report.Export != nil {
			report.Export.add(*d.Export)
		}
		return nil
	})
	if err != nil {
		return report, err
	}
	report.Failed = len(open)
	failures, err := r.Failures(ctx, spec.ID, open)
	for _, f := range failures {
		report.Failures = append(report.Failures, f)
	}
	slices.SortFunc(report.Failures, func(a, b Failure) int { return cmp.Compare(a.Item, b.Item) })
	return report, err
}

// addCost adds what plans and this sum took to what the items did, and the dollars. Sums of
// earlier executions are taken to have been as this one.
func (r *Runner) addCost(ctx context.Context, report *Report, sum call) error {
	runs, err := r.Runs(ctx, report.ID)
	if err != nil {
		return err
	}
	spent := sum.spent()
	for _, run := range runs {
		report.Cost.addSpent(run.Spent)
		report.Cost.addSpent(spent)
	}
	report.Cost.addTotal(len(runs), report.Items, r.Memory)
	return nil
}
