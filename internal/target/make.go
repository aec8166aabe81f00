// How missing topics are made.

package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Made are the topics that one run has made.
type Made struct {
	look   *Look
	topics map[string][16]byte // topic ID by name
}

// Names lists them.
func (m *Made) Names() []string {
	var names []string
	for name := range m.topics {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Make makes the topics that do not exist, and waits until all brokers know them. What
// it has made when it fails is in the answer: [Made.TakeBack] removes it.
func (l *Look) Make(ctx context.Context) (*Made, error) {
	made := &Made{look: l, topics: map[string][16]byte{}}
	var missing []Topic
	for _, t := range l.Topics {
		if !t.Exists {
			missing = append(missing, t)
		}
	}
	if len(missing) == 0 {
		return made, nil
	}
	admin, err := l.newAdministrator()
	if err != nil {
		return made, err
	}
	defer admin.Close()
	for some := range slices.Chunk(missing, topicsAtOnce) {
		if err := made.makeTopics(ctx, admin, some); err != nil {
			return made, err
		}
	}
	return made, made.awaitTopics(ctx, admin)
}

// topicsAtOnce bounds a request that makes topics. Tests make it tiny.
var topicsAtOnce = 200

func (m *Made) makeTopics(ctx context.Context, admin administrator, topics []Topic) error {
	answers, err := create(ctx, admin, false, topics...)
	if err != nil {
		return fmt.Errorf("make the target topics: %w", err)
	}
	for _, t := range topics {
		answer, answered := answers[t.Topic]
		switch {
		case !answered:
			err = errors.Join(err, fmt.Errorf("make the target topic %s: Kafka did not answer for it", t.Topic))
		case answer.err != nil:
			err = errors.Join(err, fmt.Errorf("make the target topic %s: %w%s", t.Topic, answer.err,
				creationAdvice(answer.err)))
		default:
			m.topics[t.Topic] = answer.id
		}
	}
	return err
}

// awaitTopics returns when the leaders of all partitions answer, and these credentials may
// write.
func (m *Made) awaitTopics(ctx context.Context, admin administrator) error {
	err := awaitLeaders(ctx, func(ctx context.Context) error {
		ends, err := admin.ListEndOffsets(ctx, m.Names()...)
		if err == nil {
			err = ends.Error()
		}
		return err
	})
	if err != nil {
		return err
	}
	details, err := admin.describeTopics(ctx, m.Names()...)
	if err != nil {
		return fmt.Errorf("look at the topics that were made: %w", err)
	}
	for _, name := range m.Names() {
		if !details[name].mayWrite {
			return fmt.Errorf("topic %s was made, but these credentials may not write it: allow them Write on it", name)
		}
	}
	return nil
}

// leadersPatience is how long topics that were made may take to have leaders that answer.
// There may be thousands of partitions, and brokers that are busy make their logs one after
// the other: that is more than one request takes.
const leadersPatience = 5 * time.Minute

const awaitPause = 50 * time.Millisecond

// awaitLeaders asks until the leaders of what was made answer.
func awaitLeaders(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, leadersPatience)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the topics that were made: %w", err)
		case <-time.After(awaitPause):
		}
	}
}

// TakeBack deletes the topics of this run that nothing was written into, after it has
// failed. It names those that it leaves: because there is something in them, or because
// they could not be deleted. A topic of the same name that somebody else has made since
// is not touched.
func (m *Made) TakeBack(ctx context.Context) (removed, left []string, err error) {
	if len(m.topics) == 0 {
		return nil, nil, nil
	}
	admin, err := m.look.newAdministrator()
	if err != nil {
		return nil, m.Names(), err
	}
	defer admin.Close()
	empty, err := m.listEmpty(ctx, admin)
	if err != nil {
		return nil, m.Names(), err
	}
	for _, name := range m.Names() {
		if !slices.Contains(empty, name) {
			left = append(left, name)
			continue
		}
		if failed := m.removeTopic(ctx, admin, name); failed != nil {
			left, err = append(left, name), errors.Join(err, failed)
			continue
		}
		removed = append(removed, name)
	}
	return removed, left, err
}

// listEmpty lists the topics that are still those of this run and whose logs were never
// written: an aborted record or a marker is there as well.
func (m *Made) listEmpty(ctx context.Context, admin administrator) (empty []string, err error) {
	details, err := admin.describeTopics(ctx, m.Names()...)
	if err != nil {
		return nil, err
	}
	ends, err := admin.ListEndOffsets(ctx, m.Names()...)
	if err != nil {
		return nil, err
	}
	for name, id := range m.topics {
		detail := details[name]
		written := detail.err != nil || detail.id != id || len(detail.partitions) == 0
		for _, partition := range detail.partitions {
			end, found := ends.Lookup(name, partition.Partition)
			written = written || !found || end.Err != nil || end.Offset != 0
		}
		if !written {
			empty = append(empty, name)
		}
	}
	return empty, nil
}

// removeTopic deletes a topic by its ID, or by its name where topics have none.
func (m *Made) removeTopic(ctx context.Context, admin administrator, name string) error {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = int32(patience.Milliseconds())
	topic := kmsg.NewDeleteTopicsRequestTopic()
	if id := m.topics[name]; id != [16]byte{} {
		topic.TopicID = id
	} else {
		topic.Topic = &name
		request.TopicNames = []string{name}
	}
	request.Topics = []kmsg.DeleteTopicsRequestTopic{topic}
	response, err := request.RequestWith(ctx, admin.raw)
	if err != nil {
		return fmt.Errorf("delete topic %s, which was made and is empty: %w", name, err)
	}
	for _, t := range response.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return fmt.Errorf("delete topic %s, which was made and is empty: %w", name, err)
		}
	}
	return nil
}
