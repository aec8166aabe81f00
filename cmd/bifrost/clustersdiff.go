package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// liveCluster is the name of what is no capture but the cluster as it is now.
const liveCluster = "live"

func newClustersDiff(a *app) *cobra.Command {
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
		Example:     "  bifrost clusters diff latest live\n  bifrost clusters diff @7d latest --json | jq '.differences[]'\n  bifrost clusters diff UKqv@2026-01-31 9xYz",
		Args:        cobra.ExactArgs(2),
		Annotations: map[string]string{unhealthyMeaning: "they differ"},
		RunE: func(c *cobra.Command, args []string) error {
			return a.diffCaptures(c.Context(), args[0], args[1], asJSON)
		},
	}
	addJSON(c, &asJSON)
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

func (a *app) diffCaptures(ctx context.Context, first, second string, asJSON bool) error {
	role := config.Reader
	if first == liveCluster || second == liveCluster {
		role = config.Archiver
	}
	parts, err := a.open(ctx, role)
	if err != nil {
		return err
	}
	defer parts.Close()
	from, err := a.captureOrLive(ctx, parts, first)
	if err != nil {
		return err
	}
	to, err := a.captureOrLive(ctx, parts, second)
	if err != nil {
		return err
	}
	drift := capture.Diff(from, to)
	if asJSON {
		err = a.printJSON(diffJSON{comparedOf(from), comparedOf(to), len(drift.Differences) == 0, drift})
	} else {
		err = a.showDrift(from, to, drift)
	}
	if err == nil && len(drift.Differences) > 0 {
		err = errUnhealthy
	}
	return err
}

func (a *app) captureOrLive(ctx context.Context, parts *wiring.Parts, name string) (capture.Snapshot, error) {
	if name != liveCluster {
		return a.openCapture(ctx, parts, name)
	}
	made, err := parts.Capturer().Read(ctx)
	if err != nil {
		return capture.Snapshot{}, err
	}
	return made.Snapshot()
}

func comparedOf(s capture.Snapshot) comparedJSON {
	return comparedJSON{s.Positions.ClusterID, timestamp(s.Positions.At), s.Key}
}

func (a *app) showDrift(from, to capture.Snapshot, drift capture.Drift) error {
	a.say("a: cluster %s at %s", from.Positions.ClusterID, moment(from.Positions.At))
	a.say("b: cluster %s at %s", to.Positions.ClusterID, moment(to.Positions.At))
	for _, u := range drift.Unknown {
		a.say("unknown in %s: %s", u.In, notCapturedText(u.NotCaptured))
	}
	if len(drift.Differences) == 0 {
		a.say("No difference in what both of them know.")
		return nil
	}
	t := &table{columns: []column{{title: "part"}, {title: "name"}, {title: "what"}, {title: "a"}, {title: "b", shrink: true}}}
	for _, d := range drift.Differences {
		t.add(plain(string(d.Part)), plain(d.Name), plain(d.Field), sideOf(d.A), sideOf(d.B))
	}
	return a.print(t)
}

func sideOf(value *string) cell {
	switch {
	case value == nil:
		return cell{"absent", styleWarn}
	case *value == "":
		return plain("present")
	}
	return plain(*value)
}
