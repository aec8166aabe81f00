// Whether the brokers are those of the archive.

package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// clusterGuard keeps a command with wrong brokers from archiving another cluster. The deployed functions
// have no such guard: their settings do not change from one command to the next.
type clusterGuard struct{ isNew bool }

func (g *clusterGuard) addTo(c *cobra.Command) {
	c.Flags().BoolVar(&g.isNew, "new-cluster", false,
		"the archive knows nothing of the brokers' cluster, and is to: the one that it knows was replaced")
}

// progressLister is a ledger that lists progress rows.
type progressLister interface {
	ListProgress(ctx context.Context) ([]bifrost.Progress, error)
}

// check refuses a cluster of which the tables know nothing while they know another one.
func (g clusterGuard) check(ctx context.Context, clusterID string, tables progressLister) error {
	if g.isNew {
		return nil
	}
	rows, err := tables.ListProgress(ctx)
	if err != nil {
		return err
	}
	var known []string
	for _, row := range rows {
		if row.ClusterID == clusterID {
			return nil
		}
		if row.ClusterID != "" && !slices.Contains(known, row.ClusterID) {
			known = append(known, row.ClusterID)
		}
	}
	if len(known) == 0 {
		return nil
	}
	slices.Sort(known)
	return usage.Errorf("the brokers are those of cluster %s, of which the archive has nothing, and it has records of "+
		"cluster %s: are these the brokers of this archive? See BIFROST_BROKERS (--brokers). If that cluster was "+
		"replaced by this one, give --new-cluster", clusterID, known[len(known)-1])
}
