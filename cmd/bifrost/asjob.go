// The flag --as-job of replay, restore and verify --deep.

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/job"
)

// addAsJob adds the flag that makes a job of a command.
func addAsJob(c *cobra.Command, asJob *bool) {
	c.Flags().BoolVar(asJob, "as-job", false, "do it in the stack, by many functions side by side, and show how far they are (docs/jobs.md)")
}

// notInJobs refuses flags that mean nothing to a job.
func notInJobs(c *cobra.Command, names ...string) error {
	for _, name := range names {
		if c.Flags().Changed(name) {
			return usage.Errorf("--%s does not go together with --as-job", name)
		}
	}
	return nil
}

// newJobID is an ID that nobody has to think of.
func newJobID(a *app.App, kind job.Kind) string {
	return fmt.Sprintf("%s-%s", kind, a.Now().UTC().Format("20060102T150405"))
}

// startJob checks a job, starts it and follows it.
func startJob(a *app.App, ctx context.Context, spec job.Spec, asJSON bool) error {
	if err := spec.Check(); err != nil {
		return usage.Of(err)
	}
	control, parts, err := control(a, ctx)
	if err != nil {
		return err
	}
	defer parts.Close()
	return runJob(a, ctx, control, spec, asJSON)
}

// startAsJob verifies by a job.
func (v *verifier) startAsJob(c *cobra.Command, topics []string) error {
	if !v.options.Deep {
		return usage.Errorf("--as-job is for --deep: without it, tables and ends of objects are a matter of minutes")
	}
	if err := notInJobs(c, "kafka", "gaps", "parallel"); err != nil {
		return err
	}
	return startJob(v.App, c.Context(), job.Spec{ID: newJobID(v.App, job.KindVerify), Kind: job.KindVerify, Topics: topics}, v.json)
}

// startAsJob replays by a job.
func (r *replayer) startAsJob(c *cobra.Command, topics []string) error {
	if err := notInJobs(c, "again", "dry-run", "parallel", "offset-map"); err != nil {
		return err
	}
	rate, err := r.checkFlags()
	if err != nil {
		return err
	}
	id := r.id
	if id == "" {
		id = newJobID(r.App, job.KindReplay)
	}
	return startJob(r.App, c.Context(), job.Spec{
		ID: id, Kind: job.KindReplay, Topics: topics, BytesPerSecond: rate, To: r.into.JobTarget(r.LookupVariable),
		Replay: &job.Replay{
			Partitions: r.Numbers, From: r.From, To: r.To, Since: r.Times.Since, Until: r.Times.Until,
			Rekey: r.rekey, Create: r.create, Force: r.force, Compression: r.compression,
		},
	}, r.json)
}

// startAsJob restores by a job. The capture is chosen here: the latest may be another
// one when the job is planned.
func (r *restorer) startAsJob(c *cobra.Command) error {
	if err := notInJobs(c, "plan", "finish", "parallel"); err != nil {
		return err
	}
	if !r.yes {
		return usage.Errorf("this writes into the cluster %s: give --yes to do it, or leave out --as-job and give --plan to see it", r.from.into.Brokers)
	}
	ctx := c.Context()
	rule, parts, _, err := r.from.open(ctx, r.App)
	if err != nil {
		return err
	}
	defer parts.Close()
	var topics []string
	for glob := range strings.SplitSeq(r.from.topics, ",") {
		if glob = strings.TrimSpace(glob); glob != "" {
			topics = append(topics, glob)
		}
	}
	return startJob(r.App, ctx, job.Spec{
		ID: newJobID(r.App, job.KindRestore), Kind: job.KindRestore, Topics: topics, BytesPerSecond: rule.Throttle,
		To:      r.from.into.JobTarget(r.LookupVariable),
		Restore: &job.Restore{Capture: rule.Snapshot.Key, Groups: r.groups, ACLs: r.acls},
	}, r.json)
}
