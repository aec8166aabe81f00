// Where a replay stands before it writes: what the target has, what remains to be done.

package replay

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
)

// Request is what a command asks for.
type Request struct {
	Parts []Part
	Rekey bool // choose partitions by key, as producers do, instead of keeping them
	Again bool // write also what was written before
	Force bool // write also what breaks an order, or stands behind what cannot be known

	first int64 // number of the first stretch of a run that goes on; 0 when one begins
}

// beginsAgain reports whether a part of which so many stretches are committed is written once more
// from its beginning. A run that goes on behind an interruption begins again only if none of its own is
// committed.
func (r Request) beginsAgain(stretch int64) bool {
	return r.Again && (r.first == 0 || stretch < r.first)
}

// Source gives the records of a part with offsets and timestamps in the span, in
// order. Records with other timestamps may be among them. Their memory is borrowed
// until the next one.
type Source func(ctx context.Context, p Part, span Span) iter.Seq2[baldr.Record, error]

// Outlook is where a replay stands, and what it has left to do.
type Outlook struct {
	Parts    []PartOutlook
	Warnings []Warning // in order of topics

	stateExists bool // the topic that keeps positions is there
}

// Warning is something about a target topic that a person should know.
type Warning struct{ Topic, Text string }

// PartOutlook is the same of one part.
type PartOutlook struct {
	Part
	Position   Position    // zero when nothing was written; of the target as it is now
	Todo       []Segment   // in order
	Gone       int64       // records that were written, and that the target has deleted since
	Busy       bool        // another run is writing, or was killed a moment ago
	Objections []Objection // that no flag has answered

	pair      pair
	made      bool            // the target topic exists
	lastKnown int64           // number of the last stretch that the state topic knows; the position may be behind it
	foreign   map[int32]int64 // by partition of the target, the first known record that no replay has written
	beside    string          // another life of the topic that the target has records of; empty if none
}

// Beside names another life of the topic of which a replay has written records into the target;
// empty if there is none.
func (p *PartOutlook) Beside() string { return p.beside }

// Foreign are the partitions of the target that have records which no replay has
// written, as far as they were looked at, each with the offset of the first known one.
func (p *PartOutlook) Foreign() map[int32]int64 { return p.foreign }

// Made reports whether the target topic was there.
func (p *PartOutlook) Made() bool { return p.made }

// Objections are those of all parts.
func (o *Outlook) Objections() (all []Objection) {
	for _, p := range o.Parts {
		all = append(all, p.Objections...)
	}
	return all
}

// Written is how much of what was asked for, and of what was asked for before, is in
// the targets already, whatever they have deleted since included.
func (o *Outlook) Written() (records, gone int64) {
	for _, p := range o.Parts {
		records += p.Position.Records
		gone += p.Gone
	}
	return records, gone
}

// Look finds out where a replay stands. It writes nothing and disturbs no other run.
func Look(ctx context.Context, request Request, source Source, options Options) (*Outlook, error) {
	client, err := kgo.NewClient(options.Client...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	return lookAt(ctx, cluster{client}, request, source, nil)
}

// looker looks at the parts of a request.
type looker struct {
	cluster
	request    Request
	source     Source
	identities map[pair]identity // of pairs that are fenced; nil when nobody is to be disturbed
	topics     map[string]topicFacts
	ends       map[string]map[int32]logEnds
	state      *stateReader
	legacy     legacyState
	tails      map[tailKey]tail
	known      map[string]replays         // into a target, by its name
	foreign    map[string]map[int32]int64 // by topic and partition, the first known record that no replay has written
	out        *Outlook
}

// lookAt looks at all parts; those whose topic does not exist have everything to do.
// If they are fenced, everything that was written or not is decided.
func lookAt(ctx context.Context, c cluster, request Request, source Source,
	identities map[pair]identity) (*Outlook, error) {
	l := &looker{cluster: c, request: request, source: source, identities: identities, out: &Outlook{},
		tails: map[tailKey]tail{}, known: map[string]replays{}, foreign: map[string]map[int32]int64{}}
	if err := l.askAll(ctx); err != nil {
		return nil, err
	}
	for _, part := range distinct(request.Parts) {
		p, err := l.lookAtPart(ctx, part)
		if err != nil {
			return nil, err
		}
		l.out.Parts = append(l.out.Parts, *p)
	}
	if err := l.mixedLives(ctx); err != nil {
		return nil, err
	}
	l.warnOfForeign()
	l.warnOfOtherTopics()
	return l.out, l.sameTopics(ctx)
}

// askAll asks for everything that all parts have in common: the state first, so that
// what it says was written is in the logs that are asked for after it.
func (l *looker) askAll(ctx context.Context) (err error) {
	if l.topics, err = l.cluster.describeTopics(ctx, l.topicNames()...); err != nil {
		return err
	}
	if l.state, err = l.newStateReader(ctx); err != nil {
		return err
	}
	l.out.stateExists = l.state.exists
	for _, part := range l.request.Parts {
		if topic, made := l.topics[part.Target]; made {
			if _, _, err := l.state.readPosition(ctx, pairOf(part, topic)); err != nil {
				return err
			}
		}
	}
	if l.legacy, err = l.readLegacyState(ctx); err != nil {
		return err
	}
	var made []string
	for name := range l.topics {
		made = append(made, name)
	}
	if len(made) > 0 {
		l.ends, err = l.cluster.listEnds(ctx, made...)
	}
	return err
}

func (l *looker) topicNames() (names []string) {
	seen := map[string]bool{}
	for _, p := range l.request.Parts {
		if !seen[p.Target] {
			names = append(names, p.Target)
		}
		seen[p.Target] = true
	}
	return names
}

// sameTopics refuses what was seen of topics that were replaced meanwhile: ends are
// asked for by name.
func (l *looker) sameTopics(ctx context.Context) error {
	now, err := l.cluster.describeTopics(ctx, l.topicNames()...)
	if err != nil {
		return err
	}
	for name, topic := range l.topics {
		if now[name].id != topic.id {
			return fmt.Errorf("look at topic %s: %w", name, errTopicReplaced)
		}
	}
	return nil
}

func pairOf(p Part, target topicFacts) pair {
	return pair{p.Life, p.Source.Number, target.identity()}
}

func (l *looker) lookAtPart(ctx context.Context, part Part) (*PartOutlook, error) {
	p := &PartOutlook{Part: part}
	topic, made := l.topics[part.Target]
	if p.made = made; made {
		p.pair = pairOf(part, topic)
		position, busy, err := l.state.readPosition(ctx, p.pair)
		if err != nil {
			return nil, err
		}
		p.Position, p.Busy, p.lastKnown = position, busy, position.Stretch
		if err := l.checkTarget(ctx, p, topic); err != nil {
			return nil, fmt.Errorf("look for %s in topic %s: %w", part.Source, part.Target, err)
		}
	}
	if l.request.beginsAgain(p.Position.Stretch) {
		again := part.Ask
		p.Position.Again = &again
	}
	p.Todo = p.Position.Written.findRest(part.Ask, p.Position.Again)
	if made {
		if err := l.checkOrder(ctx, p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// addObjection adds an objection unless it is answered already.
func (l *looker) addObjection(p *PartOutlook, answer Answer, format string, args ...any) {
	if answer == AnswerForce && l.request.Force || answer == AnswerAgain && l.request.Again {
		l.addWarning(p.Target, format, args...)
		return
	}
	p.Objections = append(p.Objections, Objection{p.Target, fmt.Sprintf(format, args...), answer})
}

func (l *looker) addWarning(topic, format string, args ...any) {
	l.out.Warnings = append(l.out.Warnings, Warning{topic, fmt.Sprintf(format, args...)})
}

// findFirst is the first record of the segments below an offset.
func (l *looker) findFirst(ctx context.Context, p *PartOutlook, below int64) (offset int64, found bool, err error) {
	for _, s := range p.Todo {
		if s.Start >= below {
			break
		}
		span := s.Hull()
		span.End = min(span.End, below)
		for record, err := range l.source(ctx, p.Part, span) {
			if err != nil {
				return 0, false, err
			}
			if record.Offset < 0 {
				return 0, false, errValuesOnly
			}
			if s.Wants(record.Timestamp) {
				return record.Offset, true, nil
			}
		}
	}
	return 0, false, nil
}

var errValuesOnly = errors.New("the archive holds values only here: no offsets, keys and timestamps to replay")
