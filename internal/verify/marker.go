// How the small objects are checked.

package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// strayKey judges a key of the group that lies under no partition: a marker, an
// object of a capture, or nothing of ours.
func (v *verification) strayKey(key string) {
	if _, ok := capture.ParseCaptureKey(v.Group, key); ok {
		return // of the cluster, not of its records
	}
	name := nameOf(v.Group, key)
	p := bifrost.Partition{Name: name}
	if key == bifrost.MarkerKey(v.Group, name) && name == p.Topic() {
		return // read with its topic's progress rows
	}
	if v.options.Topics.Selects(p.Topic()) {
		v.reportViolation(Violation{Kind: ForeignObject, Partition: -1, Start: -1, End: -1, Key: key,
			Expected: "markers and objects of partitions, nothing else", Found: "a key that Bifrost does not write"})
	}
}

// checkMarkers holds the progress rows of each topic against its marker.
func (v *verification) checkMarkers(ctx context.Context, progress []bifrost.Progress) {
	topics := map[string][]bifrost.Progress{}
	for _, p := range progress {
		if v.options.Topics.Selects(p.Topic()) {
			topics[p.Topic()] = append(topics[p.Topic()], p)
		}
	}
	v.eachMarker(ctx, topics)
}

// eachMarker reads the marker of each topic, and holds these rows against it.
func (v *verification) eachMarker(ctx context.Context, topics map[string][]bifrost.Progress) {
	parallel.Each(v.crew, slices.Sorted(maps.Keys(topics)), func(topic string) {
		if err := v.checkMarker(ctx, topic, topics[topic]); err != nil {
			v.addFailure(fmt.Errorf("topic %s: %w", topic, err))
		}
	})
}

func (v *verification) checkMarker(ctx context.Context, topic string, rows []bifrost.Progress) error {
	key := bifrost.MarkerKey(v.Group, topic)
	violation := Violation{Topic: topic, Partition: -1, Start: -1, End: -1, Key: key,
		Expected: "the owner of the plain path"}
	owner, err := bifrost.ReadMarker(ctx, v.Bucket, key)
	switch {
	case errors.Is(err, bifrost.ErrNotFound):
		violation.Kind, violation.Found = MarkerMissing, "no object"
		v.reportViolation(violation)
		return nil
	case errors.Is(err, bifrost.ErrBadMarker):
		violation.Kind, violation.Found = MarkerInvalid, err.Error()
		v.reportViolation(violation)
		return nil
	case err != nil:
		return err
	}
	if owner.Topic != topic {
		violation.Kind, violation.Found = MarkerInvalid, fmt.Sprintf("a marker of topic %q", owner.Topic)
		v.reportViolation(violation)
	}
	v.mutex.Lock()
	v.born[topic] = owner.Born
	v.mutex.Unlock()
	for _, p := range rows {
		v.nameOfRow(key, owner.Incarnation(), p)
	}
	return nil
}

// checkForks holds the progress row of a branch against the record of its fork, and
// that of a branch that was left against the record of the next.
func (c *partitionCheck) checkForks(ctx context.Context) error {
	p := c.progress
	i := p.Incarnation()
	_, _, left, err := bifrost.ForkOf(ctx, c.Bucket, c.Group, p.Partition, i)
	if err := c.forkErr(i.Forked(p.Number, p.Fork()+1), p.Status == bifrost.StatusForked && !left, err); err != nil {
		return err
	}
	if p.Fork() == 0 {
		return nil
	}
	record, err := bifrost.ReadFork(ctx, c.Bucket, c.Group, p.Partition)
	if errors.Is(err, bifrost.ErrNotFound) {
		return c.forkErr(p.Partition, true, nil)
	}
	if err != nil {
		return c.forkErr(p.Partition, false, err)
	}
	if record.Incarnation() != i || record.From != p.StartOffset {
		c.reportAt(ForkInvalid, bifrost.Range{Start: record.From, End: record.From},
			bifrost.ForkKey(c.Group, p.Partition),
			fmt.Sprintf("a branch of cluster %s topic ID %s from offset %d", record.ClusterID, record.TopicID,
				record.From),
			fmt.Sprintf("a progress row of cluster %s topic ID %s with start_offset %d", p.ClusterID, p.TopicID,
				p.StartOffset))
	}
	return nil
}

func (c *partitionCheck) forkErr(p bifrost.Partition, missing bool, err error) error {
	key := bifrost.ForkKey(c.Group, p)
	switch {
	case missing:
		c.reportAt(ForkMissing, noOffsets, key, "the record of a fork", "no object")
	case errors.Is(err, bifrost.ErrBadFork):
		c.reportAt(ForkInvalid, noOffsets, key, "the record of a fork", err.Error())
	case err != nil:
		return err
	}
	return nil
}

// nameOfRow checks that a progress row stands under the name that its
// incarnation has by the marker.
func (v *verification) nameOfRow(key string, owner bifrost.Incarnation, p bifrost.Progress) {
	i := p.Incarnation()
	expected := i.LaterName()
	if n := p.Fork(); n > 0 {
		expected = i.Forked(p.Number, n).Name
	} else if i == owner {
		expected = i.Topic
	}
	if p.Name != expected {
		v.reportViolation(Violation{Kind: MarkerMismatch, Topic: p.Name, Partition: p.Number, Start: -1, End: -1,
			Key: key,
			Expected: fmt.Sprintf("the row of cluster %s topic ID %s under the name %s", p.ClusterID, p.TopicID,
				expected),
			Found: fmt.Sprintf("it under %s; the marker gives the plain path to cluster %s topic ID %s", p.Name,
				owner.ClusterID, owner.TopicID)})
	}
}

// nameOf is the first element of the key after the group: a topic, or the name
// of a later incarnation.
func nameOf(group, key string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(key, group+"/"), "/")
	return name
}
