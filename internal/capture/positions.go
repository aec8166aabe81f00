// How the part of a capture is written that moves all the time.

package capture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// How much is asked for at once, so that memory does not grow with the cluster.
// Tests make both tiny.
var (
	groupsAtOnce     = 100
	partitionsAtOnce = 5000
)

// Counts are how much there is of what moves.
type Counts struct {
	Groups, Topics, Partitions int
}

// readPositions writes all that moves. Groups come before the ends of the logs:
// what a group has read was there when the ends are asked for. So was what it has
// written, once the transactions that count it have ended.
func (r *reading) readPositions(ctx context.Context, topics []Topic) (Counts, error) {
	groups, err := r.writeGroups(ctx)
	if err != nil {
		return Counts{}, err
	}
	if err := r.awaitTransactions(ctx); err != nil {
		return Counts{}, err
	}
	partitions, err := r.writeOffsets(ctx, topics)
	return Counts{Groups: groups, Topics: len(topics), Partitions: partitions}, err
}

// errNotPutBack says why the groups of two types have no offsets here.
var errNotPutBack = map[string]error{
	GroupShare:   errors.New("share groups: Kafka keeps which records are delivered, and gives it to nobody (KIP-932)"),
	GroupStreams: errors.New("streams groups: topology and local state cannot be put back (KIP-1071)"),
}

func (r *reading) writeGroups(ctx context.Context) (int, error) {
	all, missing, err := r.cluster.Groups(ctx)
	switch {
	case errors.Is(err, ErrDenied), errors.Is(err, ErrNone):
		r.lacks(PartGroups, err, "")
	case err != nil:
		return 0, fmt.Errorf("list groups: %w", err)
	}
	for _, m := range missing {
		r.misses(PartGroups, m)
	}
	slices.SortFunc(all, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	// A group that moves is on two brokers for a moment.
	all = slices.CompactFunc(all, func(a, b Group) bool { return a.Name == b.Name })
	for some := range slices.Chunk(all, groupsAtOnce) {
		if err := r.writeCommitted(ctx, some); err != nil {
			return 0, err
		}
	}
	return len(all), ctx.Err()
}

// writeCommitted writes some groups with where they stand.
func (r *reading) writeCommitted(ctx context.Context, groups []Group) error {
	var names []string
	for _, g := range groups {
		if errNotPutBack[g.Type] == nil {
			names = append(names, g.Name)
		}
	}
	answers := map[string]CommittedAnswer{}
	if len(names) > 0 {
		answers = r.cluster.CommittedOffsets(ctx, names)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, g := range groups {
		answer, asked := answers[g.Name]
		switch err := errNotPutBack[g.Type]; {
		case err != nil:
			r.lacks(PartGroups, err, g.Name)
		case !asked:
			r.lacks(PartGroups, errNoAnswer, g.Name)
		case answer.Err != nil:
			r.lacks(PartGroups, answer.Err, g.Name)
		default:
			g.Offsets = ordered(answer.Offsets)
		}
		for _, m := range answer.Missing {
			r.lacks(PartGroups, fmt.Errorf("a position of group %s: %w", g.Name, m.Err), m.Name)
		}
		if err := r.out.writeLine(typeGroup, g); err != nil {
			return err
		}
	}
	return nil
}

var errNoAnswer = errors.New("no broker answered for it")

// ordered sorts the partitions of each topic; not nil, which would say that
// nothing was captured.
func ordered(offsets map[string][]Committed) map[string][]Committed {
	if offsets == nil {
		return map[string][]Committed{}
	}
	for _, partitions := range offsets {
		slices.SortFunc(partitions, func(a, b Committed) int { return int(a.Partition) - int(b.Partition) })
	}
	return offsets
}

// writeOffsets writes the ends of all logs, some partitions at a time.
func (r *reading) writeOffsets(ctx context.Context, topics []Topic) (int, error) {
	all := 0
	for len(topics) > 0 {
		n, partitions := 0, 0
		for n < len(topics) && (n == 0 || partitions+len(topics[n].Partitions) <= partitionsAtOnce) {
			partitions += len(topics[n].Partitions)
			n++
		}
		if err := r.offsetsOf(ctx, topics[:n]); err != nil {
			return 0, err
		}
		topics, all = topics[n:], all+partitions
	}
	return all, ctx.Err()
}

// errMadeAnew is about a topic whose offsets may be those of another.
var errMadeAnew = errors.New("the topic was deleted or made anew while it was read")

// offsetsOf asks for offsets, which Kafka gives by name, and then for the topic
// IDs once more: a topic made anew in between would lend its offsets.
func (r *reading) offsetsOf(ctx context.Context, topics []Topic) error {
	asked, names := make([]bifrost.Topic, len(topics)), make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
		asked[i] = bifrost.Topic{Name: t.Name, ID: t.ID, Partitions: make([]int32, len(t.Partitions))}
		for number := range t.Partitions {
			asked[i].Partitions[number] = int32(number)
		}
	}
	answers, err := r.cluster.Offsets(ctx, asked)
	if err != nil {
		return fmt.Errorf("list offsets: %w", err)
	}
	ids, err := r.cluster.TopicIDs(ctx, names)
	if err != nil {
		return fmt.Errorf("list topics again: %w", err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, t := range topics {
		line := Offsets{Topic: t.Name, ID: t.ID, Partitions: make([]*[4]int64, len(t.Partitions))}
		if id, known := ids[t.Name]; !known || id != t.ID {
			r.lacks(PartOffsets, errMadeAnew, t.Name)
		} else {
			r.fillOffsets(line, answers)
		}
		if err := r.out.writeLine(typeOffsets, line); err != nil {
			return err
		}
	}
	return nil
}

func (r *reading) fillOffsets(line Offsets, answers map[bifrost.TopicPartition]bifrost.OffsetAnswer) {
	for number := range line.Partitions {
		answer, known := answers[bifrost.TopicPartition{Topic: line.Topic, Partition: int32(number)}]
		if !known {
			answer.Err = errNoAnswer
		}
		if answer.Err != nil {
			r.lacks(PartOffsets, answer.Err, line.Topic+"/"+strconv.Itoa(number))
			continue
		}
		line.Partitions[number] = &[4]int64{
			answer.LogStart, answer.LastStable, answer.HighWatermark, int64(answer.LeaderEpoch),
		}
	}
}

// writeEnd writes what is missing and the last line.
func (r *reading) writeEnd(at *time.Time) (content []byte, sum string, missing []NotCaptured, err error) {
	if missing, err = r.writeMissing(); err != nil {
		return nil, "", nil, err
	}
	content, sum, err = r.out.writeEnd(End{At: at})
	return content, sum, missing, err
}
