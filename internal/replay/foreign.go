// What the target has that these replays have not written.

package replay

import (
	"context"
	"maps"
	"slices"
)

// isForeign reports whether a producer is none of a replay's.
func (l *looker) isForeign(ctx context.Context, topic topicFacts, producer int64) (bool, error) {
	if producer < 0 {
		return true, nil
	}
	known, asked := l.known[topic.name]
	if !asked {
		var err error
		if known, err = l.state.findReplays(ctx, topic.identity()); err != nil {
			return false, err
		}
		for _, by := range l.identities {
			known.producers[by.id] = true
		}
		l.known[topic.name] = known
	}
	return !known.producers[producer], nil
}

// noteForeign remembers records that no replay has written.
func (l *looker) noteForeign(p *PartOutlook, partition int32, offset int64) {
	if p.foreign == nil {
		p.foreign = map[int32]int64{}
	}
	p.foreign[partition] = offset
	seen := l.foreign[p.Target]
	if seen == nil {
		seen = map[int32]int64{}
		l.foreign[p.Target] = seen
	}
	if first, some := seen[partition]; !some || offset < first {
		seen[partition] = offset
	}
}

// warnOfOtherTopics tells of records that replays of other topics have written, as far as it is known: it may
// be meant, and it may be the wrong target.
func (l *looker) warnOfOtherTopics() {
	for _, topic := range l.topicNames() {
		others := maps.Clone(l.known[topic].lives)
		for _, p := range l.request.Parts {
			if p.Target == topic {
				delete(others, p.Life)
				for _, other := range p.Others {
					delete(others, other.Life)
				}
			}
		}
		for _, life := range slices.Sorted(maps.Keys(others)) {
			l.addWarning(topic, "it has records that a replay of another topic has written (%s)", life)
		}
	}
}

func (l *looker) warnOfForeign() {
	for _, topic := range l.topicNames() {
		if seen := l.foreign[topic]; len(seen) > 0 {
			partition := slices.Min(slices.Collect(maps.Keys(seen)))
			l.addWarning(topic, "it has records that no replay has written, in %d of its partitions; the first "+
				"known of partition %d is at offset %d", len(seen), partition, seen[partition])
		}
	}
}
