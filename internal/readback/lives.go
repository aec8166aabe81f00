// The lives of a topic, by age.

package readback

import (
	"cmp"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Lives knows how old the lives of topics are, as far as their rows tell. The first one has the
// topic's own name; branches of one are numbered; one that has ended is older than one that goes
// on; of two others the one that a tick saw later came later or, where no row tells what ticks
// saw, as after a rebuild, the one with the newer records.
type Lives map[bifrost.Incarnation]*life

type life struct {
	first  bool // it has the topic's own name
	goesOn bool
	seen   time.Time // by a tick
	newest time.Time // last record
	latest bifrost.Progress
}

// NewLives looks at all rows of an archive, or of the topics in question.
func NewLives(all []bifrost.Progress) Lives {
	lives := Lives{}
	for _, p := range all {
		l := lives[p.Incarnation()]
		if l == nil {
			l = &life{latest: p}
			lives[p.Incarnation()] = l
		}
		l.first = l.first || p.Name == p.Topic()
		l.goesOn = l.goesOn || p.Status != bifrost.StatusClosed && p.Status != bifrost.StatusForked
		if p.At.After(l.seen) {
			l.seen = p.At
		}
		if p.LastRecordAt.After(l.newest) {
			l.newest = p.LastRecordAt
		}
		if p.Fork() > l.latest.Fork() {
			l.latest = p
		}
	}
	return lives
}

// Compare orders rows by topic, then the lives of a topic by age, then by number.
func (lives Lives) Compare(a, b bifrost.Progress) int {
	return cmp.Or(
		cmp.Compare(a.Topic(), b.Topic()),
		lives.compareAges(a, b),
		cmp.Compare(a.Fork(), b.Fork()),
		cmp.Compare(a.Name, b.Name),
		cmp.Compare(a.Number, b.Number),
	)
}

func (lives Lives) compareAges(a, b bifrost.Progress) int {
	one, other := lives[a.Incarnation()], lives[b.Incarnation()]
	if one == other {
		return 0
	}
	return cmp.Or(
		falseFirst(other.first, one.first), // the first life comes first
		falseFirst(one.goesOn, other.goesOn),
		one.seen.Compare(other.seen),
		one.newest.Compare(other.newest),
		cmp.Compare(a.TopicID.String(), b.TopicID.String()),
		cmp.Compare(a.ClusterID, b.ClusterID),
	)
}

// Clusters are the IDs of the clusters that rows are of, in order. Rows of old versions name none.
func Clusters(all []bifrost.Progress) (clusters []string) {
	for _, p := range all {
		if p.ClusterID != "" && !slices.Contains(clusters, p.ClusterID) {
			clusters = append(clusters, p.ClusterID)
		}
	}
	slices.Sort(clusters)
	return clusters
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Sort puts rows in the order of Compare.
func (lives Lives) Sort(rows []bifrost.Progress) { slices.SortFunc(rows, lives.Compare) }

// Present is the name of the life of a topic that goes on; empty if that is none, or several.
func (lives Lives) Present(topic string) (name string) {
	for i, l := range lives {
		if i.Topic != topic || !l.goesOn {
			continue
		}
		if name != "" {
			return ""
		}
		name = l.latest.Name
	}
	return name
}

// LaterLives lists the names of what followed after the topic of the name was deleted and
// made again, or its log was cut, by age; none for a name that is itself one of a later life.
func LaterLives(all []bifrost.Progress, name string) (names []string) {
	later := slices.DeleteFunc(slices.Clone(all),
		func(p bifrost.Progress) bool { return p.Name == name || p.Topic() != name })
	NewLives(all).Sort(later)
	for _, p := range later {
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	return names
}
