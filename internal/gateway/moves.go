// Which groups may go on at the live cluster.

package gateway

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// moves are the groups that have committed through this gateway, and whether each may
// go on at the live cluster: a position below the live log's start is one that a
// consumer loses there without a word (auto.offset.reset).
type moves struct {
	mutex sync.Mutex
	words map[string]string // by group: what was said of it last
	asked map[string]bool   // has committed since
}

// mostGroups bounds what is kept; who has more than that watches them by other means.
const mostGroups = 1000

// note says that a group has committed.
func (m *moves) note(group string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.words == nil {
		m.words, m.asked = map[string]string{}, map[string]bool{}
	}
	if _, known := m.words[group]; !known {
		if len(m.words) >= mostGroups {
			return
		}
		m.words[group] = ""
	}
	m.asked[group] = true
}

// committed are the groups that have committed since this was called last, or all.
func (m *moves) committed(all bool) []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	groups := slices.Sorted(maps.Keys(m.words))
	if !all {
		groups = slices.DeleteFunc(groups, func(group string) bool { return !m.asked[group] })
		clear(m.asked)
	}
	return groups
}

// says notes what is to be said of a group, and reports whether it is new.
func (m *moves) says(group, words string) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	before := m.words[group]
	m.words[group] = words
	return before != words
}

// What may be said of a group.
const (
	mayMove    = "may move to the cluster"
	earlyMove  = "may move to the cluster with auto.offset.reset=earliest only"
	mayNotMove = "may not move to the cluster yet"
)

// watchGroups logs what may be done with each group when that changes.
func (g *Gateway) watchGroups() {
	ticker := time.NewTicker(refreshEvery)
	defer ticker.Stop()
	for {
		select {
		case <-g.draining:
			return
		case <-ticker.C:
		}
		g.judgeCommitted(g.ctx)
	}
}

// judgeCommitted judges the groups that have committed since, and those of which nobody
// could say anything then: they may have committed for the last time.
func (g *Gateway) judgeCommitted(ctx context.Context) {
	for _, group := range g.moves.committed(false) {
		word, why, err := g.judgeMove(ctx, group)
		if err != nil {
			g.moves.note(group)
		}
		if g.moves.says(group, word) {
			g.log.Info("group "+word, "group", group, "because", why)
		}
	}
}

// judgeMove tells whether a group that moves to the live cluster now reads each record
// once there, and why. If the cluster cannot be asked, the group may not move, and the
// error says so too.
func (g *Gateway) judgeMove(ctx context.Context, group string) (word, why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, upstreamPatience)
	defer cancel()
	unknown := func(err error) (string, string, error) {
		return mayNotMove, fmt.Sprintf("the live cluster could not be asked: %v", err), err
	}
	positions, err := g.live.admin.FetchOffsets(ctx, group)
	if err != nil {
		return unknown(err)
	}
	list, all := g.topics.current(), map[place]*partition{}
	for name := range positions {
		if t := list.byName[name]; t != nil {
			for number, p := range t.partitions {
				all[place{name, number}] = p
			}
		}
	}
	if len(all) == 0 {
		return mayNotMove, "it has no position in a topic that is archived", nil
	}
	starts, err := g.live.offsets(ctx, each(all, earliest), 0)
	if err != nil {
		return unknown(err)
	}
	ends, err := g.live.offsets(ctx, each(all, latest), 0)
	if err != nil {
		return unknown(err)
	}
	var early, never []string
	ahead := int64(-1)
	for _, p := range slices.SortedFunc(maps.Keys(all), comparePlaces) {
		start, end := starts[p], ends[p]
		if err := cmp.Or(kerr.ErrorForCode(start.ErrorCode), kerr.ErrorForCode(end.ErrorCode)); err != nil {
			return unknown(err)
		}
		position, committed := positions.Lookup(p.topic, p.number)
		where := fmt.Sprintf("%s/%d", p.topic, p.number)
		switch {
		case committed && position.At >= 0 && position.At < start.Offset:
			never = append(never, fmt.Sprintf("%s: position %d is below the live log start %d",
				where, position.At, start.Offset))
		case committed && position.At > end.Offset:
			never = append(never, fmt.Sprintf("%s: position %d is above the live end %d",
				where, position.At, end.Offset))
		case committed && position.At >= 0:
			if distance := position.At - start.Offset; ahead < 0 || distance < ahead {
				ahead = distance
			}
		default:
			first, err := all[p].firstOffset(ctx)
			if err != nil {
				return unknown(err)
			}
			if first < start.Offset {
				never = append(never, fmt.Sprintf("%s: no position, and the live log begins at %d,"+
					" above the archive's start %d", where, start.Offset, first))
			} else {
				early = append(early, where+": no position")
			}
		}
	}
	switch {
	case len(never) > 0:
		return mayNotMove, inShort(never), nil
	case len(early) > 0:
		return earlyMove, inShort(early), nil
	}
	return mayMove, fmt.Sprintf("every position is in the live log, the lowest %d offsets above a log start", ahead),
		nil
}

func each(all map[place]*partition, timestamp int64) map[place]int64 {
	asked := make(map[place]int64, len(all))
	for p := range all {
		asked[p] = timestamp
	}
	return asked
}

func comparePlaces(a, b place) int {
	return cmp.Or(strings.Compare(a.topic, b.topic), cmp.Compare(a.number, b.number))
}

// inShort is a sentence of the first few.
func inShort(all []string) string {
	const most = 5
	if len(all) > most {
		return strings.Join(all[:most], "; ") + fmt.Sprintf("; and %d more", len(all)-most)
	}
	return strings.Join(all, "; ")
}

// writeGroups answers for each group that has committed through this gateway.
func (g *Gateway) writeGroups(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, group := range g.moves.committed(true) {
		word, why, _ := g.judgeMove(r.Context(), group)        // why has the error
		_, _ = fmt.Fprintf(w, "%s %s: %s\n", group, word, why) // whoever asked is gone otherwise
	}
}
