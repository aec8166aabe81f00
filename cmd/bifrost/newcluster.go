// Whether the brokers are those of the archive.

package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
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

// askBrokers asks the brokers which cluster they are of, and checks it.
func (g clusterGuard) askBrokers(ctx context.Context, brokers bifrost.Cluster, tables progressLister) error {
	clusterID, _, err := brokers.Topics(ctx)
	if err != nil {
		return err
	}
	return g.checkCluster(ctx, clusterID, tables)
}

// checkCluster refuses a cluster of which the tables know nothing while they know others.
func (g clusterGuard) checkCluster(ctx context.Context, clusterID string, tables progressLister) error {
	if g.isNew {
		return nil
	}
	rows, err := tables.ListProgress(ctx)
	if err != nil {
		return err
	}
	known := readback.Clusters(rows)
	if len(known) == 0 || slices.Contains(known, clusterID) {
		return nil
	}
	return usage.Errorf("the brokers are those of cluster %s, of which the archive has nothing, and it has records of "+
		"cluster %s: are these the brokers of this archive? See BIFROST_BROKERS (--brokers). If that cluster was "+
		"replaced by this one, give --new-cluster", clusterID, strings.Join(known, ", "))
}
