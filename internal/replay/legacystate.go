// What old versions of Bifrost have written, whose positions had another form.

package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// legacyState is what versions of Bifrost before positions were kept by source and target
// have written, by the names of source partition and topic. They knew neither which
// life of a topic they wrote to nor how to find a batch again, so that it cannot be
// told whether it is there.
type legacyState map[legacyKey]legacyReplay

type legacyKey struct {
	source string
	number int32
	target string
}

type legacyReplay struct {
	id      string
	records int64
	end     int64 // source offset
}

func (l *looker) readLegacyState(ctx context.Context) (legacyState, error) {
	facts, err := l.cluster.describeTopics(ctx, bifrost.EarlierReplayStateTopic)
	if errors.Is(err, kerr.TopicAuthorizationFailed) {
		return nil, nil // who may not see it has not written it, and it may not be there at all
	}
	if err != nil {
		return nil, err
	}
	topic, exists := facts[bifrost.EarlierReplayStateTopic]
	if !exists || len(l.topics) == 0 {
		return nil, nil
	}
	ends, err := l.cluster.listEnds(ctx, topic.name)
	if err != nil {
		return nil, err
	}
	found := legacyState{}
	for partition, ends := range ends[topic.name] {
		read, err := l.cluster.readShard(ctx, topic, partition, ends)
		if err != nil {
			return nil, err
		}
		for key, value := range read.values {
			id, rest, _ := strings.Cut(key, "/")
			if rest == "job" {
				continue
			}
			var done struct {
				Source, Target string
				Number         int32
				Records, End   int64
			}
			if err := json.Unmarshal(value, &done); err != nil {
				return nil, fmt.Errorf("read topic %s, key %s: %w", topic.name, key, err)
			}
			at := legacyKey{done.Source, done.Number, done.Target}
			was := found[at]
			found[at] = legacyReplay{id, was.records + done.Records, max(was.end, done.End)}
		}
	}
	return found, nil
}

// objectToLegacyState objects to what an earlier version has written into a topic that
// has something, unless this one has gone on since, by somebody's word.
func (l *looker) objectToLegacyState(p *PartOutlook) {
	was, some := l.legacy[legacyKey{p.Source.Name, p.Source.Number, p.Target}]
	if !some || was.records == 0 || p.Position.Stretch > 0 {
		return
	}
	for _, ends := range l.ends[p.Target] {
		if ends.end > 0 {
			l.addObjection(p, AnswerAgain, "replay %s of an earlier version of Bifrost has written %d records of %s "+
				"into a topic of this name, up to source offset %d, and this version cannot tell whether they are "+
				"in this one: finish that replay with that version, or name another topic", was.id, was.records,
				p.Source, was.end)
			return
		}
	}
}
