package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/health"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// judged is a progress row with how far it can be believed, or the sum of some.
type judged struct {
	bifrost.Progress
	health.Sight
	threat time.Time // when Kafka may delete a record that is not archived, as far as the row tells; zero for never
}

// wellbeing is what every command shows that says how the archive is.
type wellbeing struct {
	rows  []judged
	ticks health.Sights
}

// look reads the rows of the topics, or of all, and what the ticks have left on
// record.
func look(ctx context.Context, parts *wiring.Parts, topics []string, now time.Time) (wellbeing, error) {
	rows, err := progress(ctx, parts.Ledger, topics)
	if err != nil {
		return wellbeing{}, err
	}
	sights, err := sightsOf(ctx, parts, now)
	return wellbeing{judge(rows, sights), sights}, err
}

func sightsOf(ctx context.Context, parts *wiring.Parts, now time.Time) (health.Sights, error) {
	ticks, err := parts.Ledger.Ticks(ctx)
	return newSights(parts.Config, ticks, now), err
}

func newSights(c config.Config, ticks []bifrost.TickRecord, now time.Time) health.Sights {
	return health.Sights{Ticks: ticks, Patience: c.Stalled, Now: now}
}

func judge(rows []bifrost.Progress, sights health.Sights) []judged {
	all := make([]judged, len(rows))
	for i, p := range rows {
		all[i] = judged{p, sights.Of(p), p.Threat()}
		if all[i].Excluded {
			all[i].Trouble = bifrost.Trouble{} // of a tick that still looked; none will take it away
		}
	}
	return all
}

// unjudged is for what shows no health.
func unjudged(rows []bifrost.Progress) []judged {
	all := make([]judged, len(rows))
	for i, p := range rows {
		all[i] = judged{Progress: p}
	}
	return all
}

// err is errUnhealthy when a person should look.
func (w wellbeing) err() error {
	if w.healthy() {
		return nil
	}
	return errUnhealthy
}

func (w wellbeing) healthy() bool {
	return w.problem() == "" && !slices.ContainsFunc(w.rows, unhealthy)
}

// problem is what is wrong with the ticks. That none is on record is for the rows
// to judge: they may have been written just now, by a flush.
func (w wellbeing) problem() string {
	if _, any := w.ticks.Last(); !any {
		return ""
	}
	return w.ticks.Problem()
}

// unhealthy reports whether a person should look at the partition.
func unhealthy(p judged) bool {
	if p.Status == bifrost.StatusForked {
		return false // its error says where the log goes on
	}
	return p.Error != "" || p.Trouble.Error != "" || p.Unseen != "" || p.Suspicion != "" ||
		!slices.Contains([]bifrost.Status{bifrost.StatusOpen, bifrost.StatusFencing, bifrost.StatusClosed}, p.Status)
}

// wrong is what is wrong with a partition, in a few words.
func (p judged) wrong() string { return cmp.Or(p.Trouble.Error, p.Unseen, p.Error, p.Suspicion) }

const notSelected = "not selected any more: no tick looks at it"

// byTopic groups rows that are in order of name.
func byTopic(rows []judged) [][]judged {
	var groups [][]judged
	for i, p := range rows {
		if i == 0 || rows[i-1].Name != p.Name {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], p)
	}
	return groups
}

// severity orders states from what needs a person to what needs nobody.
var severity = []bifrost.Status{bifrost.StatusDiverged, bifrost.StatusBlocked, bifrost.StatusFencing, bifrost.StatusOpen, bifrost.StatusForked, bifrost.StatusClosed}

// sumOf is one row that stands for many: sums, the newest record, the oldest look,
// the worst state, the first error. Its offsets are sums too, so that its lag is
// the sum.
func sumOf(rows []judged) judged {
	sum := judged{Progress: bifrost.Progress{Partition: rows[0].Partition, Status: rows[0].Status}}
	sum.Excluded = true
	for _, p := range rows {
		sum.NextOffset += p.NextOffset
		sum.LastStable += p.NextOffset + p.Lag()
		sum.Records += p.Records
		sum.RawBytes += p.RawBytes
		sum.StoredBytes += p.StoredBytes
		sum.Missing += p.Missing
		sum.Lost += p.Lost
		sum.Error = cmp.Or(sum.Error, p.Error)
		sum.Suspicion = cmp.Or(sum.Suspicion, p.Suspicion)
		sum.Trouble = cmp.Or(sum.Trouble, p.Trouble)
		sum.Unseen = cmp.Or(sum.Unseen, p.Unseen)
		sum.Excluded = sum.Excluded && p.Excluded
		sum.threat = sooner(sum.threat, p.threat)
		if p.Status != bifrost.StatusClosed && p.Status != bifrost.StatusForked {
			sum.SeenAt = sooner(sum.SeenAt, p.SeenAt)
		}
		if p.LastRecordAt.After(sum.LastRecordAt) {
			sum.LastRecordAt = p.LastRecordAt
		}
		if slices.Index(severity, p.Status) < slices.Index(severity, sum.Status) {
			sum.Status = p.Status
		}
	}
	return sum
}

// sooner is the earlier of two times, of which a zero one is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// tellProblem says what is wrong with the ticks.
func (a *app) tellProblem(w wellbeing) {
	if problem := w.problem(); problem != "" {
		a.warn("%s", problem)
	}
}

// tellTicks says that too, and when everything was looked at last.
func (a *app) tellTicks(w wellbeing) {
	a.tellProblem(w)
	if last, ok := w.ticks.Last(); ok && !last.CompleteAt.IsZero() {
		a.say("The last complete tick was %s.", ago(last.CompleteAt, a.now()))
	}
}

func errorCell(p judged) cell {
	text := p.wrong()
	if text == "" && p.Excluded {
		return cell{notSelected, styleWarn}
	}
	if text != "" && text == p.Trouble.Error {
		text = fmt.Sprintf("%s (since %s)", text, moment(p.Trouble.Since))
	}
	return cell{text, styleBad}
}
