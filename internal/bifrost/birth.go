package bifrost

import (
	"context"
	"encoding/json"
	"fmt"
)

func (t *tick) incarnationName(ctx context.Context, i Incarnation) (string, error) {
	t.mutex.Lock()
	name, known := t.names[i.Topic]
	t.mutex.Unlock()
	if known {
		return name, nil
	}
	owner, err := claimPath(ctx, t.Shelf, t.Settings.Group, markerOf(i, true))
	if err != nil {
		return "", err
	}
	name = i.Topic
	if owner.Incarnation() != i {
		name = i.LaterName()
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.names[i.Topic] = name
	return name, nil
}

// birthRecord is the content of a partition's birth object. No two are the same,
// so whoever reads it knows whether it is their own.
type birthRecord struct {
	ClusterID string  `json:"cluster_id"`
	TopicID   TopicID `json:"topic_id"`
	Birth     string  `json:"birth"`
}

// bear puts the partition's birth object, unless it has one. It is put after the
// progress row and before anything is archived, so whoever makes it knows that
// nobody has archived under the partition's prefix before the row was there: then
// bear reports true. The tables cannot tell that, they may have been lost; nor can
// a listing, which does not show what is completing. Where an older Bifrost, which
// made no birth objects, may have been at work, nobody knows.
func (t *tick) bear(ctx context.Context, p Progress) (unused bool, err error) {
	key := BirthKey(t.Settings.Group, p.Partition)
	mine, err := json.Marshal(birthRecord{ClusterID: p.ClusterID, TopicID: p.TopicID, Birth: t.NewGeneration()})
	if err != nil {
		return false, err
	}
	there, err := t.Shelf.CreateOnce(ctx, key, mine)
	if err != nil {
		return false, fmt.Errorf("put the birth object %s: %w", key, err)
	}
	if string(there) != string(mine) {
		return false, nil
	}
	owner, err := ReadMarker(ctx, t.Store, MarkerKey(t.Settings.Group, p.Topic()))
	return err == nil && owner.Born, ignoreNotFound(err)
}
