package bifrost

import (
	"context"
	"encoding/json"
	"fmt"
)

// marker is the content of the write-once object that says which incarnation
// owns the plain path of a topic. Neither the tables nor a listing may decide
// that: both can be lost or late.
type marker struct {
	ClusterID string  `json:"cluster_id"`
	Topic     string  `json:"topic"`
	TopicID   TopicID `json:"topic_id"`

	// Born says that every partition of every incarnation of the topic got a birth
	// object before anything was archived of it. A Bifrost that made none wrote
	// markers without it.
	Born bool `json:"born,omitempty"`
}

func (m marker) incarnation() Incarnation { return Incarnation{m.ClusterID, m.Topic, m.TopicID} }

func markerOf(i Incarnation, born bool) marker {
	return marker{ClusterID: i.ClusterID, Topic: i.Topic, TopicID: i.TopicID, Born: born}
}

// claimPath writes the marker, unless one is there, and answers what is there.
func claimPath(ctx context.Context, shelf Shelf, group string, mine marker) (marker, error) {
	key := MarkerKey(group, mine.Topic)
	content, err := json.Marshal(mine)
	if err != nil {
		return marker{}, err
	}
	if content, err = shelf.CreateOnce(ctx, key, content); err != nil {
		return marker{}, fmt.Errorf("mark the owner of the plain path at %s: %w", key, err)
	}
	var owner marker
	if err := json.Unmarshal(content, &owner); err != nil {
		return marker{}, fmt.Errorf("the marker %s does not name an incarnation (%q): %w", key, content, err)
	}
	return owner, nil
}

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
	if owner.incarnation() != i {
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
	owner, err := readMarker(ctx, t.Store, MarkerKey(t.Settings.Group, p.Topic()))
	return err == nil && owner.Born, ignoreNotFound(err)
}
