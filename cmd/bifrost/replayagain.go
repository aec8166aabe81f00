// Whether what a replay writes would be archived again.

package main

import (
	"context"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// tellArchivedAgain says which targets are archived by the very archive that is
// replayed, because they are in its cluster and the ticks select them.
func (r *replayer) tellArchivedAgain(ctx context.Context) error {
	ticks, err := r.parts.Ledger.Ticks(ctx)
	if err != nil {
		return err
	}
	for _, t := range r.look.Topics {
		if archivedAgain(r.rows, ticks, r.parts.Config.Topics, r.look.ClusterID, t.Topic) {
			r.Warn("topic %s is in the cluster that is archived, so what is written there is archived again; exclude it (ExcludeTopics) if you do not want that", t.Topic)
		}
	}
	return nil
}

// archivedAgain asks the record of the ticks which topics they select, and only
// without one the settings of this process, which may be others than the stack's.
func archivedAgain(rows []bifrost.Progress, ticks []bifrost.TickRecord, settings bifrost.TopicFilter, clusterID, target string) bool {
	same := false
	for _, p := range rows {
		same = same || p.ClusterID == clusterID
	}
	for _, tick := range ticks {
		if tick.ClusterID == clusterID && !tick.CompleteAt.IsZero() {
			settings = tick.Filter
		}
	}
	return same && settings.Archives(target)
}
