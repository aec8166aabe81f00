// The command capture: what the cluster is now, written into the bucket.

package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/config"
)

func newCapture(a *app.App) *cobra.Command {
	var asJSON bool
	var guard clusterGuard
	c := &cobra.Command{
		Use:     "capture",
		GroupID: groupWork,
		Short:   "Write down what the cluster is and where its groups stand, now",
		Long: `Capture writes what of a cluster is not in its records into the bucket: topics
with partitions and settings, ACLs, quotas, users, and where each consumer group
stands beside the ends of the logs. Discover does the same every 15 minutes
(BIFROST_CAPTURE_MINUTES); by hand it is always a new one, before an upgrade, say.

What the credentials may not see is written down as not captured, with the right
that they lack; that is no failure. docs/capture.md says what cannot be captured.`,
		Example: "  bifrost capture\n  bifrost capture --json | jq .not_captured",
		RunE:    func(c *cobra.Command, _ []string) error { return runCapture(c.Context(), a, guard, asJSON) },
	}
	guard.addTo(c)
	app.AddJSON(c, &asJSON)
	return c
}

// captureJSON is what capture --json prints.
type captureJSON struct {
	ClusterID     string                `json:"cluster_id"`
	At            *string               `json:"at"`
	Positions     string                `json:"positions"`
	Configuration string                `json:"configuration"`
	Bytes         int64                 `json:"bytes"`
	Topics        int                   `json:"topics"`
	Partitions    int                   `json:"partitions"`
	Groups        int                   `json:"groups"`
	NotCaptured   []capture.NotCaptured `json:"not_captured"`
}

func runCapture(ctx context.Context, a *app.App, guard clusterGuard, asJSON bool) error {
	a.SetVariable("BIFROST_LOG_LEVEL", "error") // what is missing is shown below
	parts, err := a.OpenParts(ctx, config.Archiver)
	if err != nil {
		return err
	}
	defer parts.Close()
	if err := guard.askBrokers(ctx, parts.Kafka, parts.Ledger); err != nil {
		return err
	}
	made, err := parts.Capturer().CaptureNow(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return a.PrintJSON(captureJSON{
			ClusterID: made.ClusterID, At: human.Timestamp(made.At),
			Positions: made.Key, Configuration: made.ConfigurationKey, Bytes: made.Bytes(),
			Topics: made.Counts.Topics, Partitions: made.Counts.Partitions, Groups: made.Counts.Groups,
			NotCaptured: made.NotCaptured,
		})
	}
	t := &console.Table{Columns: []console.Column{
		{Title: "cluster"}, {Title: "time"}, {Title: "topics", Right: true}, {Title: "partitions", Right: true},
		{Title: "groups", Right: true}, {Title: "size", Right: true}, {Title: "object", Shrink: true},
	}}
	t.AddRow(console.Plain(made.ClusterID), console.Plain(human.Moment(made.At)),
		console.Number(made.Counts.Topics), console.Number(made.Counts.Partitions), console.Number(made.Counts.Groups),
		console.Plain(human.Size(made.Bytes())), console.Plain(made.Key))
	tellNotCaptured(a, made.NotCaptured)
	return a.PrintTable(t)
}

// mostNames is how many names are told to a person.
const mostNames = 5

// tellNotCaptured says what is missing, and what would mend it.
func tellNotCaptured(a *app.App, missing []capture.NotCaptured) {
	for _, n := range missing {
		a.Warn("not captured: %s", notCapturedText(n))
	}
}

func notCapturedText(n capture.NotCaptured) string {
	about := strings.ReplaceAll(string(n.Part), "_", " ")
	if len(n.Names) > 0 {
		about += " " + strings.Join(n.Names[:min(mostNames, len(n.Names))], ", ")
	}
	if more := len(n.Names) - mostNames; more > 0 {
		about += " and " + human.Count(int64(more)) + " more"
	}
	next := ""
	if n.Needs != "" {
		next = "; allow " + n.Needs
	}
	return about + ": " + n.Reason + next
}
