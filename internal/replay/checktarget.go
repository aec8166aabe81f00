// Whether the target still has what a position says was written.

package replay

import (
	"context"
	"fmt"
	"math"
	"slices"
)

// checkTarget holds a position against the target's log as it is now: whether the last
// batch of each partition stands, what the target has deleted since, and what is
// there that the position does not know of.
func (l *looker) checkTarget(ctx context.Context, p *PartOutlook, topic topicFacts) error {
	l.objectToLegacyState(p)
	stand := true
	for _, mark := range p.Position.Marks {
		found, err := l.judgeMark(ctx, topic, mark)
		if err != nil {
			return err
		}
		switch found {
		case holds:
			if err := l.checkEnded(ctx, p, topic, mark); err != nil {
				return err
			}
		case cut:
			stand = false
		case hole:
			l.addObjection(p, AnswerForce, "partition %d was compacted where the last batch of %s was, at offset "+
				"%d, so that it cannot be known whether its records were ever there", mark.Partition, p.Source,
				mark.nextOffset()-1)
		}
	}
	if !stand {
		if err := l.goBack(ctx, p, topic); err != nil {
			return err
		}
	}
	if err := l.countGone(ctx, p); err != nil {
		return err
	}
	return l.checkBeyond(ctx, p, topic)
}

// verdict is what the log says of a mark.
type verdict int

const (
	holds   verdict = iota // the batch is there
	deleted                // it was, and the target has deleted it since
	cut                    // the log ends before it, or has something else there
	hole                   // it is compacted away, if it ever was there
)

// judgeMark asks the log for the batch that a mark tells of.
func (l *looker) judgeMark(ctx context.Context, topic topicFacts, mark Mark) (verdict, error) {
	ends, exists := l.ends[topic.name][mark.Partition]
	switch {
	case !exists || ends.end < mark.nextOffset():
		return cut, nil
	case ends.start >= mark.nextOffset():
		return deleted, nil
	}
	last := mark.nextOffset() - 1
	for b, err := range l.readBatches(ctx, topic, mark.Partition, last, mark.nextOffset()) {
		switch {
		case err != nil:
			return cut, err
		case b.base == mark.Base && b.next == mark.nextOffset() && b.producer == mark.ProducerID &&
			b.epoch == mark.Epoch && b.sequence == mark.Sequence:
			return holds, nil
		case b.base <= last:
			return cut, nil // and grown again
		}
		break
	}
	return hole, nil
}

// goBack takes back the stretches that a log has lost. If it has lost them whole, they
// are written again. If it has kept a part, which no marker ends, nothing can be
// written behind that part without making it count.
func (l *looker) goBack(ctx context.Context, p *PartOutlook, topic topicFacts) error {
	stretches, err := l.state.readStretches(ctx, p.pair, p.Position)
	if err != nil {
		return err
	}
	again := slices.ContainsFunc(stretches, func(s Stretch) bool { return s.Again })
	kept := len(stretches)
	for ; !again && kept > 0; kept-- {
		stand, err := l.countStanding(ctx, topic, fold(stretches[:kept]).Marks)
		if err != nil {
			return err
		}
		if stand == len(fold(stretches[:kept]).Marks) {
			break
		}
	}
	part := again
	for _, s := range stretches[kept:] {
		stand, err := l.countStanding(ctx, topic, s.Marks)
		if err != nil {
			return err
		}
		part = part || stand > 0
	}
	was := p.Position
	p.Position = fold(stretches[:kept])
	for _, mark := range was.Marks {
		left, err := l.hasLeftovers(ctx, p, topic, mark)
		if err != nil {
			return err
		}
		part = part || left
	}
	if part {
		p.Position = was
		l.addObjection(p, AnswerAgain, "its log was cut, and a part of what was written of %s is left: it cannot be "+
			"told which records are there. Name another topic", p.Source)
		p.Position.Marks = nil // after this answer nothing rests on them
		return nil
	}
	l.addWarning(p.Target, "its log was cut, so that %d records of %s that were written are not there any more; "+
		"they are written again", was.Records-p.Position.Records, p.Source)
	return nil
}

// countStanding counts the marks whose batch is there, or was deleted since.
func (l *looker) countStanding(ctx context.Context, topic topicFacts, marks []Mark) (n int, err error) {
	for _, mark := range marks {
		found, err := l.judgeMark(ctx, topic, mark)
		if err != nil {
			return 0, err
		}
		if found == holds || found == deleted {
			n++
		}
	}
	return n, nil
}

// hasLeftovers reports whether the log has batches of the pair behind its position.
func (l *looker) hasLeftovers(ctx context.Context, p *PartOutlook, topic topicFacts, lost Mark) (bool, error) {
	ends, exists := l.ends[topic.name][lost.Partition]
	if !exists {
		return false, nil
	}
	from := ends.start
	if mark, some := p.Position.markIn(lost.Partition); some {
		from = max(from, mark.nextOffset())
	}
	t, err := l.tailFrom(ctx, topic, lost.Partition, from, l.producersOf(p, lost.ProducerID))
	if err != nil {
		return false, err
	}
	return t.committed >= 0 || t.open >= 0, nil
}

// checkEnded objects to a batch whose transaction nothing ends: the log was cut between the
// two. While its run may still be alive the end may be on its way.
func (l *looker) checkEnded(ctx context.Context, p *PartOutlook, topic topicFacts, mark Mark) error {
	if _, fenced := l.identities[p.pair]; !fenced {
		return nil
	}
	own := l.producersOf(p, mark.ProducerID)
	if own.overtakenBy(mark.ProducerID, mark.Epoch) {
		return ErrShutOut // the position that was read is of that run
	}
	size := 0
	for b, err := range l.readBatches(ctx, topic, mark.Partition, mark.nextOffset(),
		l.ends[topic.name][mark.Partition].end) {
		if err != nil {
			return err
		}
		if own.overtakenBy(b.producer, b.epoch) {
			return ErrShutOut
		}
		if size += len(b.raw); size > tailBytes || b.control && b.producer == mark.ProducerID {
			return nil
		}
		if b.producer == mark.ProducerID {
			break
		}
	}
	l.addObjection(p, AnswerAgain, "partition %d has lost the end of a transaction of %s, behind offset %d: its log "+
		"was cut, and readers of committed records get no further. Name another topic", mark.Partition, p.Source,
		mark.nextOffset()-1)
	return nil
}

// countGone counts what the target has deleted of what was written.
func (l *looker) countGone(ctx context.Context, p *PartOutlook) error {
	some := false
	for _, mark := range p.Position.Marks {
		some = some || l.ends[p.Target][mark.Partition].start > mark.First
	}
	if !some {
		return nil
	}
	stretches, err := l.state.readStretches(ctx, p.pair, p.Position)
	if err != nil {
		return err
	}
	for _, s := range stretches {
		for _, m := range s.Map {
			p.Gone += min(m.Count, max(0, l.ends[p.Target][m.Partition].start-m.Target))
		}
	}
	return nil
}

// checkBeyond looks at what the target has behind the position: records of this pair that
// the state topic does not know of, and records of others.
func (l *looker) checkBeyond(ctx context.Context, p *PartOutlook, topic topicFacts) error {
	if len(p.Objections) > 0 {
		return nil
	}
	for partition, ends := range l.ends[topic.name] {
		mark, marked := p.Position.markIn(partition)
		if !marked && !l.request.Rekey && partition != p.Source.Number {
			continue
		}
		from := ends.start
		if marked {
			from = max(from, mark.nextOffset())
		}
		var own producers
		if by, fenced := l.identities[p.pair]; fenced && marked {
			own = l.producersOf(p, by.id, mark.ProducerID)
		} else if fenced && by.epoch > 0 {
			own = l.producersOf(p, by.id)
		}
		t, err := l.tailFrom(ctx, topic, partition, from, own)
		if err != nil {
			return err
		}
		switch {
		case t.committed >= 0:
			l.addObjection(p, AnswerAgain, "partition %d has records of %s from offset %d on that topic %s does not "+
				"know of: the state of this replay is lost. Name another topic", partition, p.Source, t.committed,
				stateTopic)
		case t.open >= 0:
			l.addObjection(p, AnswerAgain, "partition %d has a part of a transaction of %s at offset %d that nobody "+
				"ends: its log was cut. Name another topic", partition, p.Source, t.open)
		case t.unseen >= 0 && len(own) > 0:
			l.addWarning(p.Target, "partition %d was not looked at from offset %d on: there is much behind what was "+
				"written of %s", partition, t.unseen, p.Source)
		}
		if marked && mark.Foreign != nil && *mark.Foreign >= ends.start { // it is there still
			t.foreign = *mark.Foreign
		}
		if t.foreign >= 0 {
			l.noteForeign(p, partition, t.foreign)
		}
	}
	return nil
}

// producers are those that write as one pair, by their IDs: the newest epoch that is not
// of another run which has begun since this one has fenced. Kafka gives all runs of a pair
// the same ID, so that it is the epoch that tells them apart.
type producers map[int64]int16

func (l *looker) producersOf(p *PartOutlook, ids ...int64) producers {
	own := producers{}
	for _, id := range ids {
		own[id] = math.MaxInt16
		if by, fenced := l.identities[p.pair]; fenced && by.id == id {
			own[id] = by.epoch
		}
	}
	return own
}

func (own producers) have(id int64) bool {
	_, some := own[id]
	return some
}

// overtakenBy reports whether this is another run that has taken over: what it writes is
// neither lost nor cut, but under way.
func (own producers) overtakenBy(id int64, epoch int16) bool {
	newest, some := own[id]
	return some && epoch > newest
}

// tail is what a log has from an offset on.
type tail struct {
	committed int64 // offset of the first batch of the pair that is committed, -1 none
	open      int64 // of the first one that nothing ends
	foreign   int64 // of the first record that no replay has written
	unseen    int64 // where the look ended; -1 at the end of the log
}

type tailKey struct {
	topic     string
	partition int32
	from      int64
	own       string
}

// tailBytes is how much of a log is looked at behind a position. What the pair itself has
// there does not count until some of it is committed: one transaction, or what is left of
// interrupted ones, may be larger, and what is behind it must not be overlooked.
var tailBytes = 32 << 20

// tailFrom reads a log from an offset on. Without producers to look for it ends with the
// first record that no replay has written.
func (l *looker) tailFrom(ctx context.Context, topic topicFacts, partition int32, from int64,
	own producers) (tail, error) {
	key := tailKey{topic.name, partition, from, fmt.Sprint(own)}
	if t, known := l.tails[key]; known {
		return t, nil
	}
	t, err := l.readTail(ctx, topic, partition, from, own)
	if err == nil {
		l.tails[key] = t
	}
	return t, err
}

func (l *looker) readTail(ctx context.Context, topic topicFacts, partition int32, from int64,
	own producers) (tail, error) {
	t := tail{-1, -1, -1, -1}
	pending := map[int64]int64{} // by producer, offset of its first batch that has not ended
	size := 0
	for b, err := range l.readBatches(ctx, topic, partition, from, l.ends[topic.name][partition].end) {
		if err != nil {
			return t, err
		}
		if own.overtakenBy(b.producer, b.epoch) {
			return t, ErrShutOut
		}
		if !own.have(b.producer) || t.committed >= 0 {
			size += len(b.raw)
		}
		if size > tailBytes {
			t.unseen = b.base
			break
		}
		written := int64(-1) // offset of records that count from here on
		switch first, open := pending[b.producer]; {
		case b.control:
			committed, err := b.commits()
			if err != nil {
				return t, err
			}
			if delete(pending, b.producer); open && committed {
				written = first
			}
		case !b.transactional:
			written = max(b.base, from)
		case !open:
			pending[b.producer] = b.base
		}
		if written < 0 {
			continue
		}
		if own.have(b.producer) {
			if t.committed < 0 {
				t.committed = written
			}
			continue
		}
		foreign, err := l.isForeign(ctx, topic, b.producer)
		if err != nil {
			return t, err
		}
		if past := l.known[topic.name].marks[partition]; !foreign && len(own) == 0 && past > b.next {
			return l.tailFrom(ctx, topic, partition, past, own) // of what other replays have written
		}
		if foreign && t.foreign < 0 {
			t.foreign = written
		}
		if t.foreign >= 0 && len(own) == 0 {
			return t, nil
		}
	}
	if t.unseen < 0 {
		for producer, first := range pending {
			if own.have(producer) && (t.open < 0 || first < t.open) {
				t.open = first
			}
		}
	}
	if known, asked := l.known[topic.name]; asked && t.foreign < 0 {
		if first, some := known.foreign[partition]; some && first >= l.ends[topic.name][partition].start {
			t.foreign = first
		}
	}
	return t, nil
}
