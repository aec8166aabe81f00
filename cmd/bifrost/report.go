// The command report: writes the page about the archive.

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/reportpage"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/config"
)

func newReport(a *app.App) *cobra.Command {
	r := &report{App: a}
	c := &cobra.Command{
		Use:     "report [TOPIC ...]",
		GroupID: groupLook,
		Short:   "Write one HTML page: is all well, coverage, losses, growth, cost",
		Long: `Report writes one self-contained page, for all topics or those named: first whether a
person has to look, and at what; then each topic over offsets and over the times of its
records, with its partitions on request; growth, what waits and how long until Kafka may
delete it, every gap with its reason, the last verifications (verify --record) and
captures, and what a month costs. The page needs no network and no script. --json has
the same as numbers.`,
		Example:           "  bifrost report > report.html\n  bifrost report orders --since 30d --output orders.html",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.CompleteTopics,
		RunE:              func(c *cobra.Command, topics []string) error { return r.run(c.Context(), topics) },
	}
	c.Flags().StringVarP(&r.output, "output", "o", "-", "file to write; - is standard output")
	c.Flags().StringVar(&r.Since, "since", "", "begin of the time that is shown: a time as for cat")
	c.Flags().StringVar(&r.Until, "until", "", "end of the time that is shown")
	c.Flags().StringVar(&r.restored, "restore", "", "a file with what restore --json printed, for a section about it")
	c.Flags().Float64Var(&r.price, "price", 0.023,
		"`DOLLARS` for a GB in a month; S3 Standard's list price in us-east-1 in 2026")
	app.AddJSON(c, &r.json)
	return c
}

type report struct {
	*app.App
	settings.Selection
	output   string
	restored string
	price    float64
	json     bool
}

func (r *report) run(ctx context.Context, topics []string) error {
	if err := r.Selection.ParseFlags(nil, r.Now()); err != nil {
		return err
	}
	if r.json && (r.output != "-" || r.restored != "") {
		return usage.Errorf("--json prints instead of the page: leave out --output and --restore")
	}
	parts, err := r.OpenParts(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	facts := reportpage.Facts{Config: parts.Config, Price: r.price, Now: r.Now()}
	if r.restored != "" {
		if facts.Restored, err = reportpage.ReadRestored(r.restored); err != nil {
			return err
		}
	}
	if facts.Seen, err = condition.ReadOverview(ctx, parts, topics, facts.Now); err != nil {
		return err
	}
	r.TellAllLives(facts.Seen.Progress(), topics...)
	facts.Scan, err = reportpage.NewScan(ctx, parts.Ledger, facts.Seen.Rows, r.Times, facts.Now)
	if err != nil {
		return err
	}
	facts.Checks = reportpage.ReadChecks(ctx, parts.Store, parts.Config.Group)
	facts.Checks.BucketErr = settings.Belonging(parts).CheckBucket(ctx)
	page := reportpage.NewPage(facts)
	if r.json {
		return r.PrintJSON(page.JSON(facts))
	}
	if r.output == "-" {
		return page.WritePage(r.Out)
	}
	return console.WriteFile(r.output, page.WritePage)
}
