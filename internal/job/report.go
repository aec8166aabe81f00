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

// Spent is what functions took for an item.
type Spent struct {
	Seconds     float64 `json:"seconds"`
	Invocations int64   `json:"invocations"`
}

func (s Spent) plusCall(took time.Duration) Spent {
	return Spent{s.Seconds + took.Seconds(), s.Invocations + 1}
}

// Report is how an execution of a job ended.
type Report struct {
	ID        string    `json:"id"`
	Kind      Kind      `json:"kind"`
	Execution string    `json:"execution"`
	Complete  bool      `json:"complete"` // every item is done, and what comes after them
	Items     int       `json:"items"`
	Done      int       `json:"done"`
	Records   int64     `json:"records"` // of the items that are done; of a replay, that are in the target by all runs
	Bytes     int64     `json:"bytes"`
	Failed    int       `json:"failed"`   // items that are not done
	Failures  []Failure `json:"failures"` // of them, those listed whose worker said why; at most 100
	Begun     time.Time `json:"begun"`    // this execution
	Ended     time.Time `json:"ended"`
	Seconds   float64   `json:"seconds"` // between
	Cost      Cost      `json:"cost"`

	Verify  *verify.Summary `json:"verify,omitempty"`
	Restore *restore.Report `json:"restore,omitempty"`
}

// Cost is what the job cost so far, by all of its executions: of the items that are
// done, and as if none of their workers had been killed.
type Cost struct {
	FunctionSeconds float64 `json:"function_seconds"`
	Invocations     int64   `json:"invocations"`
	Transitions     int64   `json:"transitions"`
	Dollars         float64 `json:"dollars"` // of these three; requests to S3 and DynamoDB, and traffic, come on top
}

// List prices of us-east-1 (AWS Lambda Pricing, arm64; AWS Step Functions Pricing,
// Standard Workflows), which docs/cost.md has as well.
const (
	dollarsPerGBSecond   = 0.0000133334
	dollarsPerInvocation = 0.2e-6
	dollarsPerTransition = 0.000025
)

const gigabyte = 1 << 30

// A plan, a Map and a finish; a child that is started; a work and a choice for each
// invocation, and the end.
func (c *Cost) addTotal(items int, memory int64) {
	c.Transitions = 3 + 2*int64(items) + 2*c.Invocations
	c.Dollars = c.FunctionSeconds*float64(memory)/gigabyte*dollarsPerGBSecond +
		float64(c.Invocations)*dollarsPerInvocation + float64(c.Transitions)*dollarsPerTransition
}

// mostFailures is how many failures a report lists: a few show what is wrong.
const mostFailures = 100

// ErrFailed says that an item of the job is not done.
var ErrFailed = errors.New("the job is not complete")

// Finish sums up and writes reports. It fails if an item did.
func (r *Runner) Finish(ctx context.Context, e Event) (Report, error) {
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
		report.Cost.FunctionSeconds += d.Spent.Seconds
		report.Cost.Invocations += d.Spent.Invocations
		if d.Summary != nil && report.Verify != nil {
			report.Verify.Add(*d.Summary)
		}
		return nil
	})
	if err != nil {
		return report, err
	}
	report.Failed = len(open)
	report.Cost.addTotal(report.Items, r.Memory)
	failures, err := r.Failures(ctx, spec.ID, open)
	for _, f := range failures {
		report.Failures = append(report.Failures, f)
	}
	slices.SortFunc(report.Failures, func(a, b Failure) int { return cmp.Compare(a.Item, b.Item) })
	return report, err
}
