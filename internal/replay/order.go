// What would put older records after newer ones.

package replay

import (
	"context"
	"math"
	"slices"
)

// checkOrder objects to what would put older records behind newer ones of the same source
// partition. What is written again is asked for.
func (l *looker) checkOrder(ctx context.Context, p *PartOutlook) error {
	if len(p.Todo) == 0 {
		return nil
	}
	if err := l.newerLives(ctx, p); err != nil {
		return err
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

// newerLives objects to records of a life of the topic behind those of a later one.
func (l *looker) newerLives(ctx context.Context, p *PartOutlook) error {
	for _, life := range p.Others {
		if !life.Newer {
			continue
		}
		beside, err := l.hasWritten(ctx, p, life)
		if err != nil {
			return err
		}
		if !beside {
			continue
		}
		some, err := l.hasRecords(ctx, p)
		if err != nil || !some {
			return err
		}
		l.addObjection(p, AnswerForce, "it has records of %s, a later life of the topic: those of %s would come "+
			"behind them", life.Name, p.Source)
		return nil
	}
	return nil
}

// hasWritten reports whether another life has records in a partition that the part is
// written to.
func (l *looker) hasWritten(ctx context.Context, p *PartOutlook, life Life) (bool, error) {
	for _, number := range life.Numbers {
		other, _, err := l.state.readPosition(ctx, pair{life.Life, number, l.topics[p.Target].identity()})
		if err != nil {
			return false, err
		}
		for _, mark := range other.Marks {
			if l.request.Rekey || mark.Partition == p.Source.Number {
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

// mixedLives objects to two lives of a topic that would be written into the same
// partition side by side.
func (l *looker) mixedLives(ctx context.Context) error {
	into := map[string][]*PartOutlook{} // by the target
	for i := range l.out.Parts {
		p := &l.out.Parts[i]
		into[p.Target] = append(into[p.Target], p)
	}
	for i := range l.out.Parts {
		p := &l.out.Parts[i]
		for _, q := range into[p.Target] {
			if !slices.ContainsFunc(p.Others, func(other Life) bool { return other.Name == q.Source.Name }) {
				continue
			}
			if !l.request.Rekey && p.Source.Number != q.Source.Number {
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
			l.addObjection(p, AnswerForce, "records of %s and %s, two lives of one topic, would be mixed in it: "+
				"replay one after the other, the older first", p.Source, q.Source)
			break
		}
	}
	return nil
}
