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

// gapKind says what a gap means for the archive.
type gapKind uint8

const (
	gapLost    gapKind = iota // records were there to be archived, and are gone
	gapApart                  // nothing that was to be archived here
	gapRemoved                // taken out on purpose
)

// gapReasons explains every reason that Bifrost writes.
var gapReasons = map[string]struct {
	kind  gapKind
	words string
}{
	bifrost.ReasonRetention:        {gapLost, "Kafka deleted it by its retention before it was archived"},
	bifrost.ReasonTopicDeleted:     {gapLost, "the topic was deleted before it was archived"},
	bifrost.ReasonBeforeFirstSight: {gapApart, "Kafka had deleted it before Bifrost first saw the partition"},
	bifrost.ReasonSkipped:          {gapApart, "below the start that the settings ask for"},
	bifrost.ReasonForked:           {gapApart, "below the fork: in the objects of the branch that was left"},
	bifrost.ReasonDiverged:         {gapRemoved, "Kafka cut it off its log before it was archived"},
	bifrost.ReasonRequest:          {gapRemoved, "somebody had Kafka delete it (DeleteRecords)"},
	bifrost.ReasonErased:           {gapRemoved, "its object was erased, and somebody recorded that"},
}

// kindOf is what a gap of the reason means. A reason that this version does not know is no
// good news.
func kindOf(reason string) gapKind {
	if bifrost.IsLoss(reason) {
		return gapLost
	}
	if known, ok := gapReasons[reason]; ok {
		return known.kind
	}
	return gapLost
}

// wordsOf explains a reason.
func wordsOf(reason string) string {
	return cmp.Or(gapReasons[reason].words, "a reason that this version of bifrost does not know")
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
	if kindOf(g.reason) == gapLost {
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

// newestGaps orders gaps, losses first, then the newest, and keeps so many of them.
func newestGaps(gaps []gap, most int) []gap {
	slices.SortFunc(gaps, func(a, b gap) int {
		return cmp.Or(boolFirst(kindOf(a.reason) == gapLost, kindOf(b.reason) == gapLost), b.at.Compare(a.at),
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

var gapWords = map[gapKind]pageReason{
	gapLost:    {Kind: "lost", Class: "bad"},
	gapApart:   {Kind: "no loss"},
	gapRemoved: {Kind: "taken out", Class: "warn"},
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
	reasons := slices.SortedFunc(maps.Keys(s.gaps.byReason), func(a, b string) int {
		return cmp.Or(cmp.Compare(kindOf(a), kindOf(b)), cmp.Compare(a, b))
	})
	for _, reason := range reasons {
		words := gapWords[kindOf(reason)]
		words.Reason, words.Words, words.Offsets = reason, wordsOf(reason), human.Count(s.gaps.byReason[reason])
		p.Reasons = append(p.Reasons, words)
	}
}
