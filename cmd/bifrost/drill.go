// The command drill: whether a restore would give back what is archived.

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/restore"
)

func newDrill(a *app.App) *cobra.Command {
	d := &driller{App: a}
	c := &cobra.Command{
		Use:     "drill --at TIME|latest --to-brokers HOST:PORT",
		GroupID: groupCheck,
		Short:   "Restore a sample, compare it, and say how long all topics would take",
		Long: `Drill restores topics that it chooses by chance, up to --sample raw bytes, into a
cluster that is there for that, with the positions of groups in them. Then it reads
the sample back, compares it with the archive record by record, and each position
with the record that is read from there, and says how long all topics of the capture,
or those that --topics and --exclude leave of them, would take at the same rate: the
recovery time that was measured.

The topics stay in the target, as a restore leaves them: delete them before the next
drill.`,
		Example: "  bifrost drill --at latest --to-brokers drill:9092 --plan\n" +
			"  bifrost drill --at latest --to-brokers drill:9092 --yes\n" +
			"  bifrost drill --at latest --to-brokers drill:9092 --topics 'orders*' --sample 10GB --yes --json",
		Args: cobra.NoArgs,
		Annotations: map[string]string{app.UnhealthyMeaning: "the sample is not what it was, " +
			"or nothing was written because something stands against it"},
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c.Context()) },
	}
	flags := c.Flags()
	d.from.addTo(c)
	flags.StringVar(&d.sample, "sample", "1GB", "raw bytes to restore, at most, but one topic at least")
	flags.BoolVar(&d.plan, "plan", false, "show a sample and what would be restored of it, and write nothing")
	flags.BoolVar(&d.yes, "yes", false, "do it")
	app.AddJSON(c, &d.json)
	return c
}

type driller struct {
	*app.App
	from      restoreFlags
	sample    string
	plan, yes bool
	json      bool
}

func (d *driller) run(ctx context.Context) error {
	sample, err := human.ParseBytes("--sample", "bytes", d.sample)
	if err != nil {
		return err
	}
	rule, parts, cluster, err := d.from.open(ctx, d.App)
	if err != nil {
		return err
	}
	defer parts.Close()
	if !d.yes && !d.plan {
		return usage.Errorf("this makes topics in the cluster at %s and writes into them: give --yes to do it, or "+
			"--plan to see it alone", d.from.into.Brokers)
	}
	drill := rule.Drill
	if d.plan {
		drill = rule.PlannedDrill
	}
	report, err := drill(ctx, sample)
	if err != nil {
		return cluster.Explain(err)
	}
	if d.json {
		err = d.PrintJSON(report)
	} else {
		d.tellReport(report)
	}
	if err == nil && !report.Stands() {
		return d.summarizeFailure(report)
	}
	return err
}

// summarizeFailure is the end of a drill that cannot be relied on.
func (d *driller) summarizeFailure(report *restore.DrillReport) error {
	if report.Restore == nil {
		return app.Unhealthyf("nothing was written: %d things have to be settled first", len(report.Refusals))
	}
	return app.Unhealthyf("%d partitions are not as before", len(report.Wrong))
}

// tellPlan says what a drill would do.
func (d *driller) tellPlan(report *restore.DrillReport) {
	for _, difference := range report.Restore.Differences {
		d.Say("Would not be as it was: %s %s: %s", difference.Kind, difference.Name, difference.Reason)
	}
	tellCodecs(d.App, report.Restore)
	d.Say("A sample: %s", strings.Join(report.Topics, ", "))
	d.Say("%s records, %s raw, of %d topics with %s records, %s raw, would be restored and compared. Nothing was "+
		"written; the next drill chooses by chance again.", human.Count(report.Restore.Records),
		human.Size(report.Restore.Bytes), report.AllTopics, human.Count(report.AllRecords), human.Size(report.AllBytes))
}

func (d *driller) tellReport(report *restore.DrillReport) {
	for _, refusal := range report.Refusals {
		d.Refuse("%s", refusal)
	}
	if report.Restore == nil {
		return
	}
	if report.Plan {
		d.tellPlan(report)
		return
	}
	for _, wrong := range report.Wrong {
		d.Differ("%s", wrong)
	}
	for _, difference := range report.Restore.Differences {
		d.Say("Not as it was, and told: %s %s: %s", difference.Kind, difference.Name, difference.Reason)
	}
	d.Say("The sample: %s", strings.Join(report.Topics, ", "))
	result := "all partitions are as before"
	if n := len(report.Wrong); n > 0 {
		result = fmt.Sprintf("%d partitions are not as before", n)
	}
	d.Say("%s records and %d positions of groups were compared: %s.", human.Count(report.Records), report.Positions,
		result)
	of := "of the capture"
	if d.from.topics != "" || d.from.exclude != "" {
		of = "that --topics and --exclude leave"
	}
	d.Say("%s raw took %s; all %d topics %s, with %s records, %s raw, would take %s at that rate.",
		human.Size(report.Bytes), human.Seconds(report.Seconds), report.AllTopics, of,
		human.Count(report.AllRecords), human.Size(report.AllBytes), human.Seconds(report.AllSeconds))
}
