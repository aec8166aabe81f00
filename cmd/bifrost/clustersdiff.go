// The command clusters diff: in what two captures differ.

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// liveCluster is the name of what is no capture but the cluster as it is now.
const liveCluster = "live"

func newClustersDiff(a *app.App) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "diff A B|live",
		Short: "Say in what two captures differ, or one and the cluster of now",
		Long: `Diff compares topics, settings, ACLs, quotas, users, brokers and groups. What moves on
by itself is no difference: groups that read on, their states, logs that grow. A
position or a log that went back is one. What one of the two does not know is shown
as unknown, and is neither equal nor different. Of two different clusters topic IDs,
brokers and positions are not compared.

"live" is the cluster of BIFROST_BROKERS; nothing is written.

` + whichCapture,
		Example: "  bifrost clusters diff latest live\n" +
			"  bifrost clusters diff @7d latest --json | jq '.differences[]'\n" +
			"  bifrost clusters diff UKqv@2026-01-31 9xYz",
		Args:        cobra.ExactArgs(2),
		Annotations: map[string]string{app.UnhealthyMeaning: "they differ"},
		RunE: func(c *cobra.Command, args []string) error {
			return diffCaptures(c.Context(), a, args[0], args[1], asJSON)
		},
	}
	app.AddJSON(c, &asJSON)
	return c
}

// diffJSON is what clusters diff --json prints.
type diffJSON struct {
	A    comparedJSON `json:"a"`
	B    comparedJSON `json:"b"`
	Same bool         `json:"same"`
	capture.Drift
}

type comparedJSON struct {
	ClusterID string  `json:"cluster_id"`
	At        *string `json:"at"`
	Positions string  `json:"positions"` // empty for live
}

func diffCaptures(ctx context.Context, a *app.App, first, second string, asJSON bool) error {
	role := config.Reader
	if first == liveCluster || second == liveCluster {
		role = config.Archiver
	}
	parts, err := a.OpenParts(ctx, role)
	if err != nil {
		return err
	}
	defer parts.Close()
	from, err := captureOrLive(ctx, a, parts, first)
	if err != nil {
		return err
	}
	to, err := captureOrLive(ctx, a, parts, second)
	if err != nil {
		return err
	}
	drift := capture.Diff(from, to)
	if asJSON {
		err = a.PrintJSON(diffJSON{comparedOf(from), comparedOf(to), len(drift.Differences) == 0, drift})
	} else {
		err = showDrift(a, from, to, drift)
	}
	if err == nil && len(drift.Differences) > 0 {
		err = app.Unhealthyf("they differ in %d things", len(drift.Differences))
	}
	return err
}

func captureOrLive(ctx context.Context, a *app.App, parts *wiring.Parts, name string) (capture.Snapshot, error) {
	if name != liveCluster {
		return openCapture(ctx, a, parts, name)
	}
	made, err := parts.Capturer().Read(ctx)
	if err != nil {
		return capture.Snapshot{}, err
	}
	return made.Snapshot()
}

func comparedOf(s capture.Snapshot) comparedJSON {
	return comparedJSON{s.Positions.ClusterID, human.Timestamp(s.Positions.At), s.Key}
}

func showDrift(a *app.App, from, to capture.Snapshot, drift capture.Drift) error {
	a.Say("a: cluster %s at %s", from.Positions.ClusterID, human.Moment(from.Positions.At))
	a.Say("b: cluster %s at %s", to.Positions.ClusterID, human.Moment(to.Positions.At))
	for _, u := range drift.Unknown {
		a.Say("unknown in %s: %s", u.In, notCapturedText(u.NotCaptured))
	}
	if len(drift.Differences) == 0 {
		a.Say("No difference in what both of them know.")
		return nil
	}
	t := &console.Table{Columns: []console.Column{
		{Title: "part"},
		{Title: "name"},
		{Title: "what"},
		{Title: "a"},
		{Title: "b", Shrink: true},
	}}
	for _, d := range drift.Differences {
		t.AddRow(console.Plain(string(d.Part)), console.Plain(d.Name), console.Plain(d.Field), sideOf(d.A), sideOf(d.B))
	}
	return a.PrintTable(t)
}

func sideOf(value *string) console.Cell {
	switch {
	case value == nil:
		return console.Styled("absent", console.StyleWarn)
	case *value == "":
		return console.Plain("present")
	}
	return console.Plain(*value)
}
