// The command verify: holds tables, bucket, Kafka against each other.

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/fix"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/jobs"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/violation"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/verify"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newVerify(a *app.App) *cobra.Command {
	v := &verifier{App: a}
	c := &cobra.Command{
		Use:     "verify [TOPIC ...]",
		GroupID: groupCheck,
		Short:   "Compare tables, bucket and, if asked, Kafka with each other",
		Long: `Verify changes nothing without --fix and may run at any time. It reads the tables and the
end of each object: every offset is in one object or one recorded gap, and each
object is there, with the size, the checksum and the facts that its row says.
--deep downloads and decodes every object; --kafka compares record by record what
Kafka still has. Topics may be globs. docs/verify.md explains each kind of violation.

--fix puts right what the bucket proves: wrong progress rows, rows that contradict
the object which they name, objects hidden by a delete marker. It shows first what
it would do, asks, and verifies again. What is not proven it leaves as it is.

--record keeps what was found in the bucket, below GROUP/~verify/, where bifrost
report finds it. It is all that verify writes without --fix.`,
		Example: `  bifrost verify
  bifrost verify --deep orders 'payments.*'
  bifrost verify --deep --as-job
  bifrost verify --fix
  bifrost verify --deep --record
  bifrost verify --kafka --json | jq '.violations[] | .kind'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.CompleteTopics,
		Annotations:       map[string]string{app.UnhealthyMeaning: "violations were found, or there was nothing to verify"},
		RunE: func(c *cobra.Command, topics []string) error {
			if v.asJob {
				return v.startAsJob(c, topics)
			}
			return v.run(c.Context(), topics)
		},
	}
	c.Flags().BoolVar(&v.options.Deep, "deep", false, "download and decode every object")
	c.Flags().BoolVar(&v.options.Kafka, "kafka", false, "compare with what Kafka still has")
	c.Flags().BoolVar(&v.gaps, "gaps", false, "list recorded gaps too: they are no violations")
	c.Flags().IntVar(&v.parallel, "parallel", 16, "objects looked at side by side")
	c.Flags().BoolVar(&v.fix, "fix", false, "put right what the bucket proves, after asking")
	c.Flags().BoolVar(&v.yes, "yes", false, "with --fix: do not ask")
	c.Flags().BoolVar(&v.record, "record", false, "keep what was found in the bucket, for bifrost report")
	jobs.AddFlag(c, &v.asJob)
	app.AddJSON(c, &v.json)
	return c
}

// startAsJob verifies by a job.
func (v *verifier) startAsJob(c *cobra.Command, topics []string) error {
	if !v.options.Deep {
		return usage.Errorf("--as-job is for --deep: without it, tables and ends of objects are a matter of minutes")
	}
	if err := jobs.RefuseFlags(c, "kafka", "gaps", "parallel", "fix", "yes", "record"); err != nil {
		return err
	}
	return jobs.Start(v.App, c.Context(), job.Spec{
		ID:     jobs.NewID(v.App, job.KindVerify),
		Kind:   job.KindVerify,
		Topics: topics,
	}, v.json)
}

type verifier struct {
	*app.App
	options    verify.Options
	gaps, json bool
	asJob      bool
	fix, yes   bool
	record     bool
	parallel   int
	found      verifyJSON
	violations []verify.Violation // for --fix, --record
	lost       string             // why rows are missing; they are not told one by one then
}

// verifyJSON is what verify --json prints.
type verifyJSON struct {
	Complete   bool               `json:"complete"` // everything could be looked at
	Summary    verify.Summary     `json:"summary"`
	Violations []verify.Violation `json:"violations"`
	Gaps       []rangeJSON        `json:"gaps"`
}

func (v *verifier) run(ctx context.Context, topics []string) (err error) {
	if v.options.Topics, err = bifrost.NewTopicFilter(topics, nil); err != nil {
		return usage.Errorf("%w", err)
	}
	if v.parallel < 1 {
		return usage.Errorf("--parallel %d: want at least 1", v.parallel)
	}
	if v.yes && !v.fix {
		return usage.Errorf("--yes is for --fix")
	}
	if v.fix && v.json {
		return usage.Errorf("--fix says what it does in words: leave out --json")
	}
	role := config.Reader
	if v.options.Kafka {
		role = config.Archiver
	}
	parts, err := v.OpenParts(ctx, role)
	if err != nil {
		return err
	}
	defer parts.Close()
	if err := settings.CheckBucket(ctx, parts); err != nil {
		return err
	}
	all, err := parts.Ledger.ListProgress(ctx)
	if err != nil {
		return err
	}
	if err := checkNamed(ctx, parts, all, topics); err != nil {
		return err
	}
	v.TellAllLives(all, topics...)
	if len(all) == 0 && !v.json {
		if v.lost, err = settings.Belonging(parts).LostTables(ctx); err != nil {
			return err
		}
	}
	err = v.look(ctx, parts, topics)
	if !v.fix || !app.IsUnhealthy(err) || len(v.violations) == 0 {
		return err
	}
	fixer := fix.Fixer{App: v.App, Yes: v.yes, Wait: func(ctx context.Context, until time.Time, partitions int) error {
		return waitForFence(ctx, v.App, until, partitions)
	}}
	done, fixErr := fixer.Run(ctx, parts, v.violations)
	if fixErr != nil || !done {
		return cmp.Or(fixErr, err)
	}
	v.Say("Verifying again.")
	v.lost = ""
	err = v.look(ctx, parts, topics)
	if err == nil && !v.record {
		v.Say(recordHint)
	}
	return err
}

// recordHint says how the report learns what was put right.
const recordHint = "bifrost report tells of the last verification on record: bifrost verify --record makes it this one."

// look verifies once, and shows what it finds.
func (v *verifier) look(ctx context.Context, parts *wiring.Parts, topics []string) (err error) {
	rule := verify.Verifier{Group: parts.Config.Group, Ledger: parts.Ledger, Bucket: parts.Store, Now: time.Now,
		Expiration: parts.Config.Expiration, Parallel: v.parallel}
	if v.options.Kafka {
		rule.Cluster, rule.Source = parts.Kafka, parts.Kafka
	}
	v.found, v.violations = verifyJSON{Violations: []verify.Violation{}, Gaps: []rangeJSON{}}, nil
	v.options.Gap = v.describeGap
	began := v.Now()
	v.found.Summary, err = rule.Verify(ctx, v.options, v.showViolation)
	v.found.Complete = err == nil
	if err == nil && v.found.Summary.Partitions == 0 {
		err = cmp.Or(noneMatches(topics), v.nothingToLookAt(parts.Config))
	}
	if recordErr := v.recordFound(ctx, parts, topics, began, err); recordErr != nil {
		err = errors.Join(err, recordErr)
	}
	if showErr := v.showSummary(); showErr != nil {
		return showErr
	}
	if err == nil && v.found.Summary.Violations > 0 {
		return v.summarizeViolations()
	}
	return err
}

// nothingToLookAt is the end of a verification without a partition: nothing can be said of an archive
// of which there is nothing. What was found without one is an end of its own.
func (v *verifier) nothingToLookAt(c config.Config) error {
	if v.found.Summary.Violations > 0 {
		return nil
	}
	recorded := ""
	if v.record {
		recorded = ", and nothing was recorded"
	}
	return app.Unhealthyf("nothing was verified%s: neither the tables nor the bucket %s have a partition of group %s. "+
		"Either no tick has archived anything yet, or BIFROST_GROUP, BIFROST_BUCKET and the names of the tables are "+
		"not those of the archive", recorded, c.Bucket, c.Group)
}

// recordFound keeps what was found, if asked to. Of a verification that looked at nothing there is
// nothing to keep.
func (v *verifier) recordFound(ctx context.Context, parts *wiring.Parts, topics []string, began time.Time,
	failure error) error {
	if !v.record || v.found.Complete && failure != nil {
		return nil
	}
	r := verify.Record{
		At: began, EndedAt: v.Now(), Topics: topics, Deep: v.options.Deep, Kafka: v.options.Kafka,
		Complete: v.found.Complete, Summary: v.found.Summary, Violations: v.violations,
	}
	if failure != nil {
		r.Error = failure.Error()
	}
	key, err := verify.WriteRecord(ctx, parts.Store, parts.Config.Group, r)
	if err == nil && !v.json {
		v.Say("Recorded in %s.", key)
	}
	return err
}

func (v *verifier) showViolation(found verify.Violation) {
	if v.fix || v.record {
		v.violations = append(v.violations, found)
	}
	if v.json {
		v.found.Violations = append(v.found.Violations, found)
		return
	}
	if v.lost != "" && slices.Contains(ofLostTables, found.Kind) {
		return
	}
	fmt.Fprintln(v.Out, violation.Describe(v.Console, found))
}

// ofLostTables are the kinds of violations that every object is beside empty tables.
var ofLostTables = []verify.Kind{verify.ProgressMissing, verify.ObjectWithoutRow}

func (v *verifier) describeGap(row bifrost.Row) {
	switch {
	case !v.gaps:
	case v.json:
		v.found.Gaps = append(v.found.Gaps, newRangeJSON(row))
	default:
		gap := v.Paint(v.Out, console.StyleWarn, "gap")
		fmt.Fprintf(v.Out, "%s  %s %s  %s\n",
			human.Shown([]any{gap, row.Partition, row.Range, string(row.GapReason)})...)
	}
}

func (v *verifier) showSummary() error {
	if v.json {
		return v.PrintJSON(v.found)
	}
	s := v.found.Summary
	v.Say("Looked at %d partitions, %s rows, %s objects: %s records, %s as %s.",
		s.Partitions, human.Count(s.Rows), human.Count(s.Objects), human.Count(s.Records), human.Size(s.RawBytes),
		human.Size(s.StoredBytes))
	if v.options.Deep {
		v.Say("Decoded %s objects.", human.Count(s.DecodedObjects))
	}
	if s.NoChecksum > 0 && !v.options.Deep {
		v.Say("The store keeps no checksum of %s objects, so that their bytes were not compared: --deep reads them.",
			human.Count(s.NoChecksum))
	}
	if v.options.Kafka {
		v.Say("Compared %s records with Kafka; %s offsets are not there any more.",
			human.Count(s.ComparedRecords), human.Count(s.NotCompared))
	}
	if len(s.Gaps) > 0 {
		var gaps []string
		for _, reason := range slices.Sorted(maps.Keys(s.Gaps)) {
			gaps = append(gaps, fmt.Sprintf("%s offsets %s", human.Count(s.Gaps[reason]), reason))
		}
		v.Say("Recorded gaps: %s.", strings.Join(gaps, ", "))
	}
	if s.Expired > 0 {
		v.Say("Expired: %s objects.", human.Count(s.Expired))
	}
	if s.Violations == 0 && v.found.Complete && s.Partitions > 0 {
		v.Say("%s", v.Paint(v.Talk, console.StyleGood, "The archive is what the tables say."))
	}
	return nil
}

// summarizeViolations is the end of a verification that found some.
func (v *verifier) summarizeViolations() error {
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(v.found.Summary.Kinds)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", v.found.Summary.Kinds[kind], kind))
	}
	if v.lost != "" {
		return app.Unhealthyf("%s. %d violations: %s (--json lists each)", v.lost, v.found.Summary.Violations,
			strings.Join(kinds, ", "))
	}
	return app.Unhealthyf("%d violations: %s", v.found.Summary.Violations, strings.Join(kinds, ", "))
}
