// How jobs are started, stopped, looked at.

package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Machine runs executions of the state machine of jobs.
type Machine interface {
	// Start starts an execution and returns its ARN.
	Start(ctx context.Context, name, input string) (string, error)
	// Describe says how one stands.
	Describe(ctx context.Context, arn string) (Execution, error)
	// Stop ends one.
	Stop(ctx context.Context, arn, why string) error
}

// Execution is how an execution stands.
type Execution struct {
	State string // RUNNING, SUCCEEDED, FAILED, TIMED_OUT or ABORTED, as AWS calls it
	Ended time.Time
	Error string
}

// The states that mean something here. StateUnknown is that of an execution which AWS
// does not know any more, or cannot be asked for.
const (
	StateRunning   = "RUNNING"
	StateSucceeded = "SUCCEEDED"
	StateUnknown   = "UNKNOWN"
)

// ErrForgotten says that AWS knows the execution no more.
var ErrForgotten = errors.New("the execution is not known any more")

// Control starts and stops jobs, and says how they stand. It does no step of them. It is
// for one goroutine.
type Control struct {
	Files
	Machine Machine
	Now     func() time.Time

	planned map[string][]Item // by job: once they are there, they never change
}

// Status is how a job stands.
type Status struct {
	ID        string
	Kind      Kind
	State     string // of the last execution
	Complete  bool
	Execution string    // the last one
	Runs      int       // executions
	Begun     time.Time // the last execution
	Ended     time.Time
	Error     string // why the last execution failed
	Items     int    // 0 before they are planned
	Done      int    // items
	AtWork    int    // items whose workers said a moment ago how far they are
	// What the catalogue says of all items; and of those that are done, and of those at work
	// as far as they are.
	Records     int64
	Bytes       int64
	DoneRecords int64
	DoneBytes   int64
	Report      *Report // of the last execution, if it ended by itself
}

// Exists reports whether there is such a job: a plan that is refused leaves none behind.
func (s Status) Exists() bool { return s.Kind != "" }

// Running reports whether the last execution runs.
func (s Status) Running() bool { return s.State == StateRunning }

// nameTime is how the time stands in the name of an execution.
const nameTime = "20060102T150405"

// Start starts a job that does not exist.
func (c *Control) Start(ctx context.Context, spec Spec) (execution string, err error) {
	if err := spec.Check(); err != nil {
		return "", err
	}
	_, err = c.Spec(ctx, spec.ID)
	if err == nil {
		return "", c.refuseSecond(ctx, spec.ID)
	}
	if !errors.Is(err, bifrost.ErrNotFound) {
		return "", err
	}
	return c.startExecution(ctx, spec)
}

// refuseSecond says of a job that exists what can be done with it.
func (c *Control) refuseSecond(ctx context.Context, id string) error {
	status, err := c.Status(ctx, id)
	switch {
	case err != nil:
		return fmt.Errorf("job %s exists: take another ID; how it stands is not known: %w", id, err)
	case status.Complete:
		return fmt.Errorf("job %s exists and is complete: take another ID", id)
	case status.Running():
		return fmt.Errorf("job %s exists and runs: take another ID, or bifrost jobs show %s follows it", id, id)
	}
	return fmt.Errorf("job %s exists: take another ID, or bifrost jobs continue %s", id, id)
}

// Continue starts another execution of a job: items that are done return at once.
func (c *Control) Continue(ctx context.Context, id string) (execution string, err error) {
	status, err := c.Status(ctx, id)
	switch {
	case err != nil:
		return "", err
	case status.Complete:
		return "", fmt.Errorf("job %s is complete: there is nothing to continue", id)
	case status.Running():
		return "", fmt.Errorf("job %s runs: bifrost jobs show %s follows it", id, id)
	}
	return c.startExecution(ctx, Spec{ID: id})
}

func (c *Control) startExecution(ctx context.Context, spec Spec) (string, error) {
	input, err := json.Marshal(spec)
	if err != nil {
		return "", fmt.Errorf("write job %s: %w", spec.ID, err)
	}
	return c.Machine.Start(ctx, spec.ID+"-"+c.Now().UTC().Format(nameTime), string(input))
}

// Stop ends all executions of a job that run, and reports how many. What their
// functions have begun they end by themselves, or the next execution does.
func (c *Control) Stop(ctx context.Context, id string) (stopped int, err error) {
	if _, err := c.Spec(ctx, id); err != nil {
		return 0, c.explainUnknown(id, err)
	}
	runs, err := c.Runs(ctx, id)
	if err != nil {
		return 0, err
	}
	for _, run := range runs {
		execution, err := c.Machine.Describe(ctx, run.Execution)
		if errors.Is(err, ErrForgotten) || err == nil && execution.State != StateRunning {
			continue
		}
		if err != nil {
			return stopped, err
		}
		if err := c.Machine.Stop(ctx, run.Execution, "bifrost jobs stop"); err != nil {
			return stopped, err
		}
		stopped++
	}
	return stopped, nil
}

func (c *Control) explainUnknown(id string, err error) error {
	if errors.Is(err, bifrost.ErrNotFound) {
		return fmt.Errorf("there is no job %s: %w; bifrost jobs lists them, and one that was started a moment ago "+
			"comes with its plan; a plan that was refused leaves none: the command that started it said why, and the "+
			"failed execution %s-... of the state machine does (docs/operations.md, Jobs fail)",
			id, bifrost.ErrNotFound, id)
	}
	return err
}

// Status says how a job stands.
func (c *Control) Status(ctx context.Context, id string) (Status, error) {
	spec, err := c.Spec(ctx, id)
	if err != nil {
		return Status{}, c.explainUnknown(id, err)
	}
	s := Status{ID: id, Kind: spec.Kind, State: StateUnknown}
	runs, err := c.Runs(ctx, id)
	if err != nil {
		return s, err
	}
	if s.Runs = len(runs); s.Runs > 0 {
		last := runs[s.Runs-1]
		if err := c.askMachine(ctx, &s, last); err != nil {
			return s, err
		}
	}
	if err := c.count(ctx, &s); err != nil {
		return s, err
	}
	end, err := c.Report(ctx, id, "")
	if err == nil {
		s.Complete = true
	} else if !errors.Is(err, bifrost.ErrNotFound) {
		return s, err
	}
	if s.Report == nil && s.Complete {
		s.Report = &end
	}
	return s, nil
}

// askMachine asks for the last execution.
func (c *Control) askMachine(ctx context.Context, s *Status, last Run) error {
	s.Execution, s.Begun = last.Execution, last.At
	execution, err := c.Machine.Describe(ctx, last.Execution)
	if err == nil {
		s.State, s.Ended, s.Error = execution.State, execution.Ended, execution.Error
	} else if !errors.Is(err, ErrForgotten) {
		return err
	}
	report, err := c.Report(ctx, s.ID, last.Execution)
	if err == nil {
		s.Report = &report
	} else if !errors.Is(err, bifrost.ErrNotFound) {
		return err
	}
	return nil
}

// count adds up the items, and those that are done.
func (c *Control) count(ctx context.Context, s *Status) error {
	items, err := c.plannedItems(ctx, s.ID)
	if errors.Is(err, bifrost.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var atWork map[int]int64
	if s.Running() && s.Kind != KindVerify {
		if atWork, err = c.readNotes(ctx, s.ID, c.Now()); err != nil {
			return err
		}
	}
	done, err := c.DoneItems(ctx, s.ID)
	if err != nil {
		return err
	}
	s.Items, s.Done = len(items), len(done)
	isDone := map[int]bool{}
	for _, n := range done {
		isDone[n] = true
	}
	for _, item := range items {
		s.Records += item.Records
		s.Bytes += item.Bytes
		if isDone[item.Number] {
			s.DoneRecords += item.Records
			s.DoneBytes += item.Bytes
		} else if records, told := atWork[item.Number]; told && item.Records > 0 {
			records = min(records, item.Records)
			s.AtWork++
			s.DoneRecords += records
			s.DoneBytes += int64(float64(item.Bytes) * float64(records) / float64(item.Records))
		}
	}
	return nil
}

// plannedItems reads the items once.
func (c *Control) plannedItems(ctx context.Context, id string) ([]Item, error) {
	if items, known := c.planned[id]; known {
		return items, nil
	}
	items, err := c.Items(ctx, id)
	if err == nil {
		if c.planned == nil {
			c.planned = map[string][]Item{}
		}
		c.planned[id] = items
	}
	return items, err
}

// Follow shows how an execution stands, at once and then each time that wait returns,
// until it has ended. Before its plan is written it is not a job yet.
func (c *Control) Follow(
	ctx context.Context, id, execution string, wait func(context.Context) error, show func(Status),
) (Status, error) {
	for {
		status, err := c.Status(ctx, id)
		planned := err == nil && status.Execution == execution
		if err != nil && !errors.Is(err, bifrost.ErrNotFound) {
			return status, err
		}
		if planned {
			show(status)
		}
		if !planned || !status.Running() {
			now, err := c.Machine.Describe(ctx, execution)
			if err != nil {
				return status, err
			}
			if now.State != StateRunning {
				if !planned {
					status.ID, status.Execution = id, execution
					status.State, status.Ended, status.Error = now.State, now.Ended, now.Error
				}
				return status, nil
			}
		}
		if err := wait(ctx); err != nil {
			return status, err
		}
	}
}
