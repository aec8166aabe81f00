// What would put older records after newer ones.

package replay

import (
	"context"
	"math"
	"slices"
)

// checkOrder objects to what would put older records behind newer ones of the same source
// partition, or records of a life of the topic behind those of another. What is written again is
// asked for.
func (l *looker) checkOrder(ctx context.Context, p *PartOutlook) error {
	beside, found, err := l.findBeside(ctx, p)
	if err != nil {
		return err
	}
	if beside.Apart {
		p.beside = beside.Name
	}
	if len(p.Todo) == 0 {
		return nil
	}
	if found {
		if err := l.objectToLife(ctx, p, beside); err != nil {
			return err
		}
	}
	if n := int32(len(l.topics[p.Target].leaders)); l.request.Rekey && p.Position.Partitions != 0 &&
		p.Position.Partitions != n {
		l.addObjection(p, AnswerForce, "it had %d partitions when records of %s were put into them by key, and has "+
			"%d now: records of a key would be in two of them", p.Position.Partitions, p.Source, n)
	}
	if l.request.Again {
		return nil
	}
	fresh := *p
	fresh.Todo = p.Position.Written.findRest(p.Ask, nil)
	offset, older, err := l.findFirst(ctx, &fresh, p.Position.Highest)
	if older {
		l.addObjection(p, AnswerForce, "records of %s from offset %d on are not there, and later ones, up to offset "+
			"%d, are: they would come behind them", p.Source, offset, p.Position.Highest-1)
	}
	return err
}

// findBeside finds another life that the target has records of, and behind which those of the part
// do not belong. Branches of one life go on from each other, so that the older may be there.
func (l *looker) findBeside(ctx context.Context, p *PartOutlook) (beside Life, found bool, err error) {
	for _, life := range p.Others {
		if found && !life.Apart || !life.Newer && !life.Apart {
			continue
		}
		written, err := l.hasWritten(ctx, p, life)
		if err != nil || written && life.Apart {
			return life, written, err
		}
		if written {
			beside, found = life, true
		}
	}
	return beside, found, nil
}

func (l *looker) objectToLife(ctx context.Context, p *PartOutlook, beside Life) error {
	some, err := l.hasRecords(ctx, p)
	if err != nil || !some {
		return err
	}
	age, what := "an earlier", "branch"
	if beside.Newer {
		age = "a later"
	}
	if beside.Apart {
		what = "life"
	}
	l.addObjection(p, AnswerForce, "it has records of %s, %s %s of the topic: those of %s would come behind them, "+
		"and belong into another topic", beside.Name, age, what, p.Source)
	return nil
}

// hasWritten reports whether another life has records in a partition that the part is
// written to; of another incarnation, in any partition of the topic.
func (l *looker) hasWritten(ctx context.Context, p *PartOutlook, life Life) (bool, error) {
	for _, number := range life.Numbers {
		other, _, err := l.state.readPosition(ctx, pair{life.Life, number, l.topics[p.Target].identity()})
		if err != nil {
			return false, err
		}
		for _, mark := range other.Marks {
			if l.request.Rekey || life.Apart || mark.Partition == p.Source.Number {
				return true, nil
			}
		}
	}
	return false, nil
}

// hasRecords reports whether there is anything to write at all: what is left may be
// markers only.
func (l *looker) hasRecords(ctx context.Context, p *PartOutlook) (bool, error) {
	_, some, err := l.findFirst(ctx, p, math.MaxInt64)
	return some, err
}

// mixedLives objects to two lives of a topic that would be written into one target, and to two
// branches of one life that would be written into the same partition, side by side.
func (l *looker) mixedLives(ctx context.Context) error {
	into := map[string][]*PartOutlook{} // by the target
	for i := range l.out.Parts {
		p := &l.out.Parts[i]
		into[p.Target] = append(into[p.Target], p)
	}
	for i := range l.out.Parts {
		p := &l.out.Parts[i]
		for _, q := range into[p.Target] {
			other := slices.IndexFunc(p.Others, func(other Life) bool { return other.Name == q.Source.Name })
			if other < 0 {
				continue
			}
			apart := p.Others[other].Apart
			if !l.request.Rekey && !apart && p.Source.Number != q.Source.Number {
				continue
			}
			both, err := l.hasRecords(ctx, p)
			if err == nil && both {
				both, err = l.hasRecords(ctx, q)
			}
			if err != nil {
				return err
			}
			if !both {
				continue
			}
			what, next := "branches", "replay one after the other, the older first"
			if apart {
				what, next = "lives", "replay each into a topic of its own"
			}
			l.addObjection(p, AnswerForce, "records of %s and %s, two %s of one topic, would be mixed in it: %s",
				p.Source, q.Source, what, next)
			break
		}
	}
	return nil
}
