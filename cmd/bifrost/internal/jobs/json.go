// The JSON of jobs.

package jobs

import (
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/restore"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// ListJSON is what jobs --json prints.
type ListJSON struct {
	Jobs []jobStatusJSON `json:"jobs"`
}

func newListJSON(all []job.Status) ListJSON {
	list := ListJSON{[]jobStatusJSON{}}
	for _, s := range all {
		list.Jobs = append(list.Jobs, newJobStatusJSON(s))
	}
	return list
}

// jobStatusJSON is how jobs --json prints each job.
type jobStatusJSON struct {
	ID          string  `json:"id"`
	Kind        string  `json:"kind"`
	State       string  `json:"state"` // of the last execution, as AWS calls it
	Complete    bool    `json:"complete"`
	Execution   string  `json:"execution"`  // the last one
	Executions  int     `json:"executions"` // of this job
	Begun       *string `json:"begun"`      // the last execution
	Ended       *string `json:"ended"`
	Error       string  `json:"error"` // why the last execution failed
	Items       int     `json:"items"`
	Done        int     `json:"done"`    // items
	AtWork      int     `json:"at_work"` // items whose workers said a moment ago how far they are
	Records     int64   `json:"records"`
	Bytes       int64   `json:"bytes"`
	DoneRecords int64   `json:"done_records"`
	DoneBytes   int64   `json:"done_bytes"`
}

// ShowJSON is what jobs show --json prints.
type ShowJSON struct {
	jobStatusJSON
	Report     *jobReportJSON     `json:"report"`     // null before an execution has ended by itself
	Violations []verify.Violation `json:"violations"` // that a verification has listed so far
}

// jobReportJSON is how an execution ended.
type jobReportJSON struct {
	Complete bool             `json:"complete"`
	Items    int              `json:"items"`
	Done     int              `json:"done"`
	Failed   int              `json:"failed"`
	Failures []jobFailureJSON `json:"failures"`
	Records  int64            `json:"records"`
	Bytes    int64            `json:"bytes"`
	Seconds  float64          `json:"seconds"`
	Cost     job.Cost         `json:"cost"`
	Verify   *verify.Summary  `json:"verify"`
	Restore  *restore.Report  `json:"restore"`
	Export   *job.Exported    `json:"export"`
}

type jobFailureJSON struct {
	Item  int     `json:"item"`
	Error string  `json:"error"`
	At    *string `json:"at"`
}

func newJobStatusJSON(s job.Status) jobStatusJSON {
	return jobStatusJSON{
		ID:          s.ID,
		Kind:        string(s.Kind),
		State:       s.State,
		Complete:    s.Complete,
		Execution:   s.Execution,
		Executions:  s.Runs,
		Begun:       human.Timestamp(s.Begun),
		Ended:       human.Timestamp(s.Ended),
		Error:       s.Error,
		Items:       s.Items,
		Done:        s.Done,
		AtWork:      s.AtWork,
		Records:     s.Records,
		Bytes:       s.Bytes,
		DoneRecords: s.DoneRecords,
		DoneBytes:   s.DoneBytes,
	}
}

func newJobReportJSON(r *job.Report) *jobReportJSON {
	if r == nil {
		return nil
	}
	j := &jobReportJSON{
		Complete: r.Complete, Items: r.Items, Done: r.Done, Failed: r.Failed, Failures: []jobFailureJSON{},
		Records: r.Records, Bytes: r.Bytes, Seconds: r.Seconds, Cost: r.Cost, Verify: r.Verify, Restore: r.Restore,
		Export: r.Export,
	}
	for _, f := range r.Failures {
		j.Failures = append(j.Failures, jobFailureJSON{f.Item, f.Error, human.Timestamp(f.At)})
	}
	return j
}
