// The command report: writes the page about the archive.

package main

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/reportpage"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/internal/config"
)

func newReport(a *app.App) *cobra.Command {
	r := &report{App: a}
	c := &cobra.Command{
		Use:     "report [TOPIC ...]",
		GroupID: groupLook,
		Short:   "Write one HTML page: coverage, lag, sizes, rates, cost",
		Long: `Report writes one self-contained page, for all topics or those named: a map of
every partition over the times of its records (archived, at work, gap), and tables
of lag, sizes, rates and cost. The page needs no network and no script.`,
		Example:           "  bifrost report > report.html\n  bifrost report orders --since 30d --output orders.html",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: a.CompleteTopics,
		RunE:              func(c *cobra.Command, topics []string) error { return r.run(c.Context(), topics) },
	}
	c.Flags().StringVarP(&r.output, "output", "o", "-", "file to write; - is standard output")
	c.Flags().StringVar(&r.Since, "since", "", "begin of the map: a time as for cat")
	c.Flags().StringVar(&r.Until, "until", "", "end of the map")
	c.Flags().StringVar(&r.restored, "restore", "", "a file with what restore --json printed, for a section about it")
	c.Flags().Float64Var(&r.price, "price", 0.023,
		"dollars for a GB in a month; S3 Standard's list price in us-east-1 in 2026")
	return c
}

type report struct {
	*app.App
	settings.Selection
	output   string
	restored string
	price    float64
}

func (r *report) run(ctx context.Context, topics []string) error {
	if err := r.Selection.ParseFlags(nil, r.Now()); err != nil {
		return err
	}
	parts, err := r.OpenParts(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	seen, err := condition.ReadOverview(ctx, parts, topics, r.Now())
	if err != nil {
		return err
	}
	c, err := reportpage.NewCoverage(ctx, parts.Ledger, seen.Rows, r.Times, r.Now())
	if err != nil {
		return err
	}
	page := reportpage.NewPage(parts.Config, seen, c, r.price, r.Now())
	if r.restored != "" {
		if page.Restored, err = reportpage.ReadRestored(r.restored); err != nil {
			return err
		}
	}
	if r.output == "-" {
		return reportpage.PageTemplate.Execute(r.Out, page)
	}
	return writeFile(r.output, func(w io.Writer) error { return reportpage.PageTemplate.Execute(w, page) })
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close()
		return fmt.Errorf("write %s: %w", name, err)
	}
	return file.Close()
}
