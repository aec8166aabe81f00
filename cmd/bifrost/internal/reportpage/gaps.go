// The list of gaps, each with its reason.

package reportpage

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// gap is a stretch of offsets without an object of records.
type gap struct {
	bifrost.Partition
	bifrost.Range
	reason string
	at     time.Time // when the last of it was recorded
}

// kindOf is what a gap of the reason means.
func kindOf(reason string) bifrost.GapKind {
	kind, _ := bifrost.ExplainGap(reason)
	return kind
}

// mostGaps is how many gaps the page lists.
var mostGaps = 200

// gapList is the newest gaps, losses before others, with the number of all.
type gapList struct {
	kept     []gap
	count    int
	losses   int
	lastLoss time.Time        // when it was recorded; zero for none
	byReason map[string]int64 // offsets
}

// addGap counts a gap, if it is one.
func (l *gapList) addGap(g gap) {
	if !g.Valid() {
		return
	}
	if l.byReason == nil {
		l.byReason = map[string]int64{}
	}
	l.count++
	l.byReason[g.reason] += g.Len()
	if kindOf(g.reason) == bifrost.GapLost {
		l.losses++
		if g.at.After(l.lastLoss) {
			l.lastLoss = g.at
		}
	}
	l.keepGaps(g)
}

// mergeGaps adds those of another list.
func (l *gapList) mergeGaps(other gapList) {
	if l.byReason == nil {
		l.byReason = map[string]int64{}
	}
	for reason, offsets := range other.byReason {
		l.byReason[reason] += offsets
	}
	l.count, l.losses = l.count+other.count, l.losses+other.losses
	if other.lastLoss.After(l.lastLoss) {
		l.lastLoss = other.lastLoss
	}
	l.keepGaps(other.kept...)
}

func (l *gapList) keepGaps(some ...gap) {
	if l.kept = append(l.kept, some...); len(l.kept) > 2*mostGaps {
		l.kept = newestGaps(l.kept, mostGaps)
	}
}

// reasons are those of the gaps, losses first.
func (l *gapList) reasons() []string {
	return slices.SortedFunc(maps.Keys(l.byReason), func(a, b string) int {
		return cmp.Or(cmp.Compare(kindOf(a), kindOf(b)), cmp.Compare(a, b))
	})
}

// newestGaps orders gaps, losses first, then the newest, and keeps so many of them.
func newestGaps(gaps []gap, most int) []gap {
	slices.SortFunc(gaps, func(a, b gap) int {
		return cmp.Or(boolFirst(kindOf(a.reason) == bifrost.GapLost, kindOf(b.reason) == bifrost.GapLost), b.at.Compare(a.at),
			cmp.Compare(a.Name, b.Name), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Start, b.Start))
	})
	return gaps[:min(most, len(gaps))]
}

func boolFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// pageGap is a line of the list.
type pageGap struct{ Partition, From, To, Offsets, Class, Kind, Reason, At string }

// pageReason is the sum of the gaps with one reason.
type pageReason struct{ Reason, Words, Kind, Class, Offsets string }

var gapWords = map[bifrost.GapKind]pageReason{
	bifrost.GapLost:    {Kind: "lost", Class: "bad"},
	bifrost.GapApart:   {Kind: "no loss"},
	bifrost.GapRemoved: {Kind: "taken out", Class: "warn"},
}

// gapSection puts the gaps into words.
func (p *Page) gapSection(s *Scan) {
	list := newestGaps(s.gaps.kept, mostGaps)
	for _, g := range list {
		words := gapWords[kindOf(g.reason)]
		p.Gaps = append(p.Gaps, pageGap{
			Partition: g.Partition.String(),
			From:      human.Count(g.Start),
			To:        human.Count(g.End),
			Offsets:   human.Count(g.Len()),
			Class:     words.Class,
			Kind:      words.Kind,
			Reason:    g.reason,
			At:        human.Moment(g.at),
		})
	}
	p.MoreGaps = s.gaps.count - len(list)
	for _, reason := range s.gaps.reasons() {
		words := gapWords[kindOf(reason)]
		words.Reason, words.Offsets = reason, human.Count(s.gaps.byReason[reason])
		_, words.Words = bifrost.ExplainGap(reason)
		p.Reasons = append(p.Reasons, words)
	}
}
