package bifrost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Marker is the content of the write-once object that says which incarnation
// owns the plain path of a topic. Neither the tables nor a listing may decide
// that: both can be lost or late.
type Marker struct {
	ClusterID string  `json:"cluster_id"`
	Topic     string  `json:"topic"`
	TopicID   TopicID `json:"topic_id"`

	// Born says that every partition of every incarnation of the topic got a birth
	// object before anything was archived of it. A Bifrost that made none wrote
	// markers without it.
	Born bool `json:"born,omitempty"`
}

// Incarnation is the life of the topic that the marker names.
func (m Marker) Incarnation() Incarnation { return Incarnation{m.ClusterID, m.Topic, m.TopicID} }

func markerOf(i Incarnation, born bool) Marker {
	return Marker{ClusterID: i.ClusterID, Topic: i.Topic, TopicID: i.TopicID, Born: born}
}

// claimPath writes the marker, unless one is there, and answers what is there.
func claimPath(ctx context.Context, shelf Shelf, group string, mine Marker) (Marker, error) {
	key := MarkerKey(group, mine.Topic)
	content, err := json.Marshal(mine)
	if err != nil {
		return Marker{}, err
	}
	if content, err = shelf.CreateOnce(ctx, key, content); err != nil {
		return Marker{}, fmt.Errorf("mark the owner of the plain path at %s: %w", key, err)
	}
	var owner Marker
	if err := json.Unmarshal(content, &owner); err != nil {
		return Marker{}, fmt.Errorf("the marker %s does not name an incarnation (%q): %w", key, content, err)
	}
	return owner, nil
}

// maxMarkerBytes is more than any marker has.
const maxMarkerBytes = 64 << 10

// ReadMarker reads the marker of a topic. ErrNotFound: there is none, for
// certain. ErrBadMarker: it says nothing.
func ReadMarker(ctx context.Context, bucket ObjectOpener, key string) (Marker, error) {
	var m Marker
	content, err := readSmall(ctx, bucket, key)
	if err != nil {
		return m, fmt.Errorf("read the marker %s: %w", key, err)
	}
	if err := json.Unmarshal(content, &m); err != nil {
		return m, fmt.Errorf("%w: %s holds %.100q: %w", ErrBadMarker, key, content, err)
	}
	return m, nil
}

// readSmall reads a marker or the record of a fork.
func readSmall(ctx context.Context, bucket ObjectOpener, key string) ([]byte, error) {
	object, err := bucket.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(object, 0, min(object.Stored().Size, maxMarkerBytes)))
}

// ErrBadMarker says that the object at the key of a marker is none.
var ErrBadMarker = errors.New("the marker does not name an incarnation")

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
