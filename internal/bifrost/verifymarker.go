package bifrost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// maxMarkerBytes is more than any marker has.
const maxMarkerBytes = 64 << 10

// readMarker reads the marker of a topic. ErrNotFound: there is none, for
// certain. errBadMarker: it says nothing.
func readMarker(ctx context.Context, bucket opener, key string) (marker, error) {
	var m marker
	content, err := readSmall(ctx, bucket, key)
	if err != nil {
		return m, fmt.Errorf("read the marker %s: %w", key, err)
	}
	if err := json.Unmarshal(content, &m); err != nil {
		return m, fmt.Errorf("%w: %s holds %.100q: %w", errBadMarker, key, content, err)
	}
	return m, nil
}

// readSmall reads a marker or the record of a fork.
func readSmall(ctx context.Context, bucket opener, key string) ([]byte, error) {
	object, err := bucket.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(object, 0, min(object.Stored().Size, maxMarkerBytes)))
}

var errBadMarker = errors.New("the marker does not name an incarnation")

// strayKey judges a key of the group that lies under no partition: a marker, an
// object of a capture, or nothing of ours.
func (v *verification) strayKey(key string) {
	if _, ok := ParseCaptureKey(v.Group, key); ok {
		return // of the cluster, not of its records
	}
	name := nameOf(v.Group, key)
	if key == MarkerKey(v.Group, name) && !strings.Contains(name, nameSeparator) {
		return // read with its topic's progress rows
	}
	if p := (Partition{Name: name}); v.options.Topics.Selects(p.Topic()) {
		v.violate(Violation{Kind: ForeignObject, Partition: -1, Start: -1, End: -1, Key: key,
			Expected: "markers and objects of partitions, nothing else", Found: "a key that Bifrost does not write"})
	}
}

// markers holds the progress rows of each topic against its marker.
func (v *verification) markers(ctx context.Context, progress []Progress) {
	topics := map[string][]Progress{}
	var names []string
	for _, p := range progress {
		if !v.options.Topics.Selects(p.Topic()) {
			continue
		}
		if topics[p.Topic()] == nil {
			names = append(names, p.Topic())
		}
		topics[p.Topic()] = append(topics[p.Topic()], p)
	}
	parallel.Each(v.crew, names, func(topic string) {
		if err := v.marker(ctx, topic, topics[topic]); err != nil {
			v.fail(fmt.Errorf("topic %s: %w", topic, err))
		}
	})
}

func (v *verification) marker(ctx context.Context, topic string, rows []Progress) error {
	key := MarkerKey(v.Group, topic)
	violation := Violation{Topic: topic, Partition: -1, Start: -1, End: -1, Key: key, Expected: "the owner of the plain path"}
	owner, err := readMarker(ctx, v.Bucket, key)
	switch {
	case errors.Is(err, ErrNotFound):
		violation.Kind, violation.Found = MarkerMissing, "no object"
		v.violate(violation)
		return nil
	case errors.Is(err, errBadMarker):
		violation.Kind, violation.Found = MarkerInvalid, err.Error()
		v.violate(violation)
		return nil
	case err != nil:
		return err
	}
	if owner.Topic != topic {
		violation.Kind, violation.Found = MarkerInvalid, fmt.Sprintf("a marker of topic %q", owner.Topic)
		v.violate(violation)
	}
	v.mutex.Lock()
	v.born[topic] = owner.Born
	v.mutex.Unlock()
	for _, p := range rows {
		v.nameOfRow(key, owner.incarnation(), p)
	}
	return nil
}

// fork holds the progress row of a branch against the record of its fork, and
// that of a branch that was left against the record of the next.
func (c *partitionCheck) fork(ctx context.Context) error {
	p := c.progress
	i := p.incarnation()
	_, _, left, err := forkOf(ctx, c.Bucket, c.Group, p.Partition, i)
	if err := c.forkErr(i.forked(p.Number, p.Fork()+1), p.Status == StatusForked && !left, err); err != nil {
		return err
	}
	if p.Fork() == 0 {
		return nil
	}
	record, err := readFork(ctx, c.Bucket, c.Group, p.Partition)
	if missing := errors.Is(err, ErrNotFound); missing || err != nil {
		return c.forkErr(p.Partition, missing, ignoreNotFound(err))
	}
	if record.incarnation() != i || record.From != p.StartOffset {
		c.violation(ForkInvalid, Range{record.From, record.From}, ForkKey(c.Group, p.Partition),
			fmt.Sprintf("a branch of cluster %s topic ID %s from offset %d", record.ClusterID, record.TopicID, record.From),
			fmt.Sprintf("a progress row of cluster %s topic ID %s with start_offset %d", p.ClusterID, p.TopicID, p.StartOffset))
	}
	return nil
}

func (c *partitionCheck) forkErr(p Partition, missing bool, err error) error {
	key := ForkKey(c.Group, p)
	switch {
	case missing:
		c.violation(ForkMissing, Range{-1, -1}, key, "the record of a fork", "no object")
	case errors.Is(err, errBadFork):
		c.violation(ForkInvalid, Range{-1, -1}, key, "the record of a fork", err.Error())
	case err != nil:
		return err
	}
	return nil
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// nameOfRow checks that a progress row stands under the name that its
// incarnation has by the marker.
func (v *verification) nameOfRow(key string, owner Incarnation, p Progress) {
	i := p.incarnation()
	expected := i.LaterName()
	if n := p.Fork(); n > 0 {
		expected = i.forked(p.Number, n).Name
	} else if i == owner {
		expected = i.Topic
	}
	if p.Name != expected {
		v.violate(Violation{Kind: MarkerMismatch, Topic: p.Name, Partition: p.Number, Start: -1, End: -1, Key: key,
			Expected: fmt.Sprintf("the row of cluster %s topic ID %s under the name %s", p.ClusterID, p.TopicID, expected),
			Found:    fmt.Sprintf("it under %s; the marker gives the plain path to cluster %s topic ID %s", p.Name, owner.ClusterID, owner.TopicID)})
	}
}
