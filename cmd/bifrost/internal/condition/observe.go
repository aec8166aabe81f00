// What Kafka says now, put into rows of the tables.

package condition

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// ObserveLive puts into the rows what Kafka says now, or why it does not say it.
func ObserveLive(ctx context.Context, cluster bifrost.Cluster, rows []bifrost.Progress, now time.Time) error {
	clusterID, topics, err := cluster.Topics(ctx)
	if err != nil {
		return err
	}
	offsets, err := cluster.Offsets(ctx, topics)
	if err != nil {
		return err
	}
	ids := map[string]bifrost.TopicID{}
	for _, t := range topics {
		ids[t.Name] = t.ID
	}
	for i := range rows {
		p := &rows[i]
		answer, ok := offsets[bifrost.TopicPartition{Topic: p.Topic(), Partition: p.Number}]
		unseen := ""
		switch {
		case p.Status == bifrost.StatusClosed || p.Status == bifrost.StatusForked:
			continue // for good
		case p.Status == StatusUnknown:
			continue // nobody knows how far it is archived
		case p.ClusterID != clusterID:
			unseen = fmt.Sprintf("these are the brokers of cluster %s, and not of cluster %s", clusterID, p.ClusterID)
		case !ok || ids[p.Topic()] != p.TopicID:
			unseen = "the brokers do not list it: it was deleted, or is hidden from these credentials"
		case answer.Err != nil:
			unseen = fmt.Sprintf("list offsets: %v", answer.Err)
		}
		if unseen != "" {
			p.Trouble = bifrost.Trouble{Error: unseen, Since: cmp.Or(p.Trouble.Since, now), At: now}
			continue
		}
		answer.LossAt = p.Threat() // which a tick works out
		p.Observation, p.Trouble = answer.Observation, bifrost.Trouble{}
	}
	return nil
}
