// The command export: writes Parquet files of what is archived.

package main

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/jobs"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/recordfmt"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/export"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newExport(a *app.App) *cobra.Command {
	e := &exporter{App: a}
	c := &cobra.Command{
		Use:     "export TOPIC ... --to DIR|s3://BUCKET/PREFIX",
		GroupID: groupRead,
		Short:   "Write what is archived as Parquet, for query engines",
		Long: `Export writes Parquet files that DuckDB and pyarrow read, one for each
object and day: topic=orders/date=2026-01-31/00000-00000000000000000000.parquet.
Run it again to add what has been archived since: whatever exports ran into one
place, at once, killed or repeated, a record is in exactly one file. Topics may be
globs. docs/engines.md has the columns, recipes, and what lies beside the files.`,
		Example: `  bifrost export orders --to ./lake
  bifrost export 'payments.*' --to s3://my-lake/kafka --decode
  bifrost export orders --to ./typed --typed
  bifrost export '*' --to s3://my-lake/lake --as-job
  duckdb -c "select date, count(*) from 'lake/topic=*/date=*/*.parquet' group by date"`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.CompleteTopics,
		Annotations: map[string]string{
			app.UnhealthyMeaning: "the row of a partition is gone: all others were exported; " +
				"with --as-job: the job ended and is not complete",
			app.GoingOn: "The files that are complete stay: run the same command again, and it goes on with the others.",
		},
		RunE: func(c *cobra.Command, topics []string) error {
			if e.asJob {
				return e.startAsJob(c, topics)
			}
			return e.run(c.Context(), topics)
		},
	}
	c.Flags().StringVar(&e.to, "to", "", "a directory, or s3://bucket/prefix outside of the archive")
	c.Flags().IntVar(&e.workers, "workers", runtime.GOMAXPROCS(0),
		"cores to work on, with two objects each at the same time as far as memory allows")
	e.decode.AddFlags(c)
	e.decode.AddTypedFlags(c)
	jobs.AddFlag(c, &e.asJob)
	app.AddJSON(c, &e.json)
	return c
}

// exportMemory is what an export takes at most beside four times the largest record. A heap
// that may double would take more.
const exportMemory = 512 << 20

type exporter struct {
	*app.App
	to      string
	workers int
	decode  recordfmt.Decoding
	asJob   bool
	json    bool
}

// startAsJob exports by a job.
func (e *exporter) startAsJob(c *cobra.Command, topics []string) error {
	if err := jobs.RefuseFlags(c, "workers"); err != nil {
		return err
	}
	if e.to == "" {
		return usage.Errorf("--to is missing: want s3://bucket/prefix, which the stack's parameters JobExportBucket and " +
			"JobExportPrefix name")
	}
	if !strings.Contains(e.to, "://") {
		return usage.Errorf("--to %s: a job exports to s3://bucket/prefix, which the stack's parameters JobExportBucket "+
			"and JobExportPrefix name", e.to)
	}
	asked := job.Export{To: e.to, Decode: e.decode.Values, DecodeKey: e.decode.Keys, Typed: e.decode.Typed,
		TypedKey: e.decode.TypedKey}
	if e.decode.Any() {
		asked.Schemas = e.decode.Schemas
	}
	return jobs.Start(e.App, c.Context(), job.Spec{
		ID:     jobs.NewID(e.App, job.KindExport),
		Kind:   job.KindExport,
		Topics: topics,
		Export: &asked,
	}, e.json)
}

// exportJSON is what export --json prints.
type exportJSON struct {
	Topics []string `json:"topics"`
	export.Summary
}

func (e *exporter) run(ctx context.Context, globs []string) error {
	filter, err := bifrost.NewTopicFilter(globs, nil)
	if err != nil {
		return usage.Errorf("%w", err)
	}
	if e.to == "" {
		return usage.Errorf("--to is missing: where to? Want a directory, or s3://bucket/prefix outside of the archive")
	}
	if e.workers < 1 {
		return usage.Errorf("--workers %d: want at least 1", e.workers)
	}
	parts, err := e.OpenParts(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	place, err := e.openPlace(parts)
	if err != nil {
		return err
	}
	progress, err := parts.Ledger.ListProgress(ctx)
	if err != nil {
		return err
	}
	if err := readback.CheckGlobs(progress, globs); err != nil {
		return err
	}
	rows := export.Partitions(progress, filter)
	if len(rows) == 0 { // it matches topics of Bifrost's own alone
		return noneMatches(globs)
	}
	e.TellAllLives(progress, globs...)
	gone := readback.CheckRows(ctx, parts.Ledger, rows)
	if gone != nil && !errors.Is(gone, readback.ErrRowGone) {
		return gone
	}
	decoder, err := e.decode.OpenDecoder(ctx, e.App, parts)
	if err != nil {
		return err
	}
	defer decoder.TellFailures(e.App)
	rule := e.exportRule(parts, place)
	if e.decode.Values || e.decode.Keys {
		rule.Decode = decoder.Columns().Decode
	}
	if decoder != nil {
		rule.Typing = decoder.Typing(e.App)
	}
	if err := rule.CheckSchemas(ctx, rows); err != nil {
		return err
	}
	err = rule.Begin(ctx)
	if errors.Is(err, export.ErrOtherOptions) {
		return usage.Of(err)
	}
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(exportMemory / 8 * 7)
	var result exportJSON
	var all []export.Part
	for _, p := range rows {
		result.Topics = append(result.Topics, p.Name)
		all = append(all, export.Part{Partition: p.Partition, Starts: readback.Everything})
	}
	slices.Sort(result.Topics)
	result.Topics = slices.Compact(result.Topics)
	if err := rule.Export(ctx, &result.Summary, all...); err != nil {
		return err
	}
	return errors.Join(e.showSummary(place, result), gone)
}

func (e *exporter) exportRule(parts *wiring.Parts, place export.Place) *export.Exporter {
	return &export.Exporter{
		Reader: settings.NewReader(parts, e.workers),
		Place:  place,
		AtOnce: 2 * e.workers, // one goes to the disk or to S3 while another is compressed
		Options: export.Options{
			Layout:    1,
			Bucket:    parts.Config.Bucket,
			Group:     parts.Config.Group,
			Decode:    e.decode.Values,
			DecodeKey: e.decode.Keys,
			Typed:     e.decode.Typed,
			TypedKey:  e.decode.TypedKey,
			Schemas:   export.SchemasOption(e.decode.Values || e.decode.Keys, e.decode.Schemas),
		},
		Exported: func(row bifrost.Row, o export.Object) {
			e.Say("exported  %s %s  %s records in %d files",
				row.Partition, row.Range, human.Count(o.Records), len(o.Files))
		},
		Erased: func(o export.Object) {
			var names []string
			for _, f := range o.Files {
				names = append(names, f.Name)
			}
			e.Warn("offsets [%d, %d) of %s/%d were erased from the archive after they had been "+
				"exported; they are still in %s", o.Start, o.End, o.Topic, o.Partition, strings.Join(names, ", "))
		},
	}
}

// openPlace is where files go. Among the objects of an archive they would be taken for
// something foreign, and it for theirs.
func (e *exporter) openPlace(parts *wiring.Parts) (export.Place, error) {
	if !strings.Contains(e.to, "://") {
		return export.InDirectory(e.to)
	}
	bucket, prefix, err := export.SplitURL(e.to)
	if err != nil {
		return nil, usage.Errorf("--to %w", err)
	}
	if bucket == parts.Config.Bucket && export.InsideGroup(prefix, parts.Config.Group) {
		return nil, usage.Errorf("--to %s: that is where the archive is (%s/): choose another prefix or bucket",
			e.to, parts.Config.Group)
	}
	return export.InBucket(parts.Bucket(bucket), bucket, prefix), nil
}

func (e *exporter) showSummary(place export.Place, result exportJSON) error {
	if e.json {
		return e.PrintJSON(result)
	}
	e.Say("Wrote %s records of %s objects in %s files to %s; %s objects were there.",
		human.Count(result.Records), human.Count(result.Objects), human.Count(result.Files), place,
		human.Count(result.Before))
	if result.Lost > 0 {
		e.Warn("%s offsets are recorded gaps; the place lists them in _bifrost/lost", human.Count(result.Lost))
	}
	if result.Waiting > 0 {
		e.Say("%s offsets are planned and not archived yet: run it again later.", human.Count(result.Waiting))
	}
	return nil
}
