// Package condition says of each partition, of a topic, and of the ticks whether a person
// should look, from the tables and, where asked, from Kafka.
package condition

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/health"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// Judged is a progress row with how far it can be believed, or the sum of some.
type Judged struct {
	bifrost.Progress
	health.Sight
	Threat time.Time // when Kafka may delete a record that is not archived, as far as the row tells; zero for never
	Blind  int       // partitions whose log no tick has looked at since their row was made: their lag is not known
	Gone   int64     // offsets that were not archived of topics that are deleted, and are no recorded gap yet
}

// Overview is what every command shows that says how the archive is.
type Overview struct {
	Rows  []Judged
	Ticks health.Sights
	Lost  string // why tables without rows are not those of a new archive; empty otherwise
}

// ReadOverview reads the rows of the topics, or of all, and what the ticks have left on
// record.
func ReadOverview(ctx context.Context, parts *wiring.Parts, topics []string, now time.Time) (Overview, error) {
	rows, err := readback.SelectProgress(ctx, parts.Ledger, topics)
	if err != nil {
		return Overview{}, err
	}
	lost := ""
	if len(rows) == 0 {
		if lost, err = settings.Belonging(parts).LostTables(ctx); err != nil {
			return Overview{}, err
		}
	}
	sights, err := SightsOf(ctx, parts, now)
	if err != nil {
		return Overview{}, err
	}
	all, err := AddGone(ctx, parts.Ledger, JudgeRows(rows, sights))
	return Overview{all, sights, lost}, err
}

// Progress is the rows without what is thought of them.
func (w Overview) Progress() []bifrost.Progress {
	rows := make([]bifrost.Progress, len(w.Rows))
	for i, p := range w.Rows {
		rows[i] = p.Progress
	}
	return rows
}

// StatusUnknown stands for the status of a partition whose row is gone.
const StatusUnknown bifrost.Status = "UNKNOWN"

// AddGone adds the partitions whose progress row is gone, of which nothing is known, to rows
// that are all of their topics.
func AddGone(ctx context.Context, catalogue readback.Catalogue, rows []Judged) ([]Judged, error) {
	progress := make([]bifrost.Progress, len(rows))
	for i, p := range rows {
		progress[i] = p.Progress
	}
	gone, err := readback.GoneRows(ctx, catalogue, progress)
	if err != nil || len(gone) == 0 {
		return rows, err
	}
	for _, p := range gone {
		p.Status, p.Error = StatusUnknown, "its progress row is gone or not made yet: "+readback.ErrRowGone.Error()
		rows = append(rows, Judged{Progress: p, Blind: blind(p)})
	}
	lives := readback.NewLives(progress)
	slices.SortFunc(rows, func(a, b Judged) int { return lives.Compare(a.Progress, b.Progress) })
	return rows, nil
}

// SightsOf reads what the ticks have left on record.
func SightsOf(ctx context.Context, parts *wiring.Parts, now time.Time) (health.Sights, error) {
	ticks, err := parts.Ledger.Ticks(ctx)
	return NewSights(parts.Config, ticks, now), err
}

// NewSights is what the ticks have seen, as far as it can be believed now.
func NewSights(c config.Config, ticks []bifrost.TickRecord, now time.Time) health.Sights {
	return health.Sights{Ticks: ticks, Patience: c.Stalled, Now: now}
}

// JudgeRows says of each row how far it can be believed.
func JudgeRows(rows []bifrost.Progress, sights health.Sights) []Judged {
	all := make([]Judged, len(rows))
	for i, p := range rows {
		if p.Status == StatusUnknown {
			all[i] = Judged{Progress: p, Blind: blind(p)}
			continue
		}
		all[i] = Judged{Progress: p, Sight: sights.Of(p), Threat: p.Threat(), Blind: blind(p)}
		if lag := p.Lag(); p.IsGone() && lag > 0 {
			all[i].Gone = lag
			all[i].Error = fmt.Sprintf("%s: %s offsets were not archived, and the next ticks record them as lost",
				p.Suspicion, human.Count(lag))
		}
		if all[i].Excluded {
			all[i].Trouble = bifrost.Trouble{} // of a tick that still looked; none will take it away
		}
	}
	return all
}

// Unjudged is for what shows no health.
func Unjudged(rows []bifrost.Progress) []Judged {
	all := make([]Judged, len(rows))
	for i, p := range rows {
		all[i] = Judged{Progress: p, Blind: blind(p)}
	}
	return all
}

// blind is 1 if no tick has looked at the log since the row was made, as after a rebuild, or
// there is no row.
// A log that is closed or forked goes no further than its row.
func blind(p bifrost.Progress) int {
	if p.At.IsZero() && p.Status != bifrost.StatusClosed && p.Status != bifrost.StatusForked {
		return 1
	}
	return 0
}

// Failure says in a line why a person should look; nil if nobody needs to.
func (w Overview) Failure() error {
	problem, unhealthy := w.TickProblem(), slices.DeleteFunc(slices.Clone(w.Rows), Judged.isHealthy)
	switch {
	case problem != "" && len(unhealthy) > 0:
		return app.Unhealthyf("%s; %s", problem, describeUnhealthy(unhealthy, len(w.Rows)))
	case problem != "":
		return app.Unhealthyf("%s", problem)
	case len(unhealthy) > 0:
		return app.Unhealthyf("%s", describeUnhealthy(unhealthy, len(w.Rows)))
	case w.NothingYet() != "":
		return app.Unhealthyf("%s", w.NothingYet())
	}
	return nil
}

// NothingYet says why there is nothing to judge; empty if there is something. Whether a stack that has
// archived nothing works, nobody knows.
func (w Overview) NothingYet() string {
	if len(w.Rows) > 0 || w.Lost != "" {
		return ""
	}
	if last, any := w.Ticks.Last(); any && last.Error == "" {
		return fmt.Sprintf("nothing is archived yet: the last tick, at %s, found no topic to archive; bifrost plan "+
			"says which topics are selected", human.Moment(last.StartedAt))
	}
	return app.NothingArchived
}

func (p Judged) isHealthy() bool { return !Unhealthy(p) }

// describeUnhealthy counts partitions that a person should look at, and names the first.
func describeUnhealthy(unhealthy []Judged, all int) string {
	first := unhealthy[0]
	return fmt.Sprintf("%d of %d partitions need a look; %s is %s: %s", len(unhealthy), all, first.Partition,
		first.Status, cmp.Or(first.whatIsWrong(), "see bifrost help status"))
}

// IsHealthy reports whether nobody needs to look.
func (w Overview) IsHealthy() bool {
	return w.Failure() == nil
}

// TickProblem is what is wrong with the ticks. That none is on record is for the rows
// to judge: they may have been written just now, by a flush.
func (w Overview) TickProblem() string {
	if w.Lost != "" {
		return w.Lost
	}
	if _, any := w.Ticks.Last(); !any {
		return ""
	}
	return w.Ticks.Problem()
}

// Unhealthy reports whether a person should look at the partition.
func Unhealthy(p Judged) bool {
	if p.Status == bifrost.StatusForked {
		return false // its error says where the log goes on
	}
	if p.IsGone() && max(p.ArchivedUntil(), p.LastStable, p.HighWatermark) <= p.NextOffset {
		return p.Trouble.Error != "" || p.Unseen != "" // all of it is archived: the next tick closes it
	}
	return p.Error != "" || p.Trouble.Error != "" || p.Unseen != "" || p.Suspicion != "" ||
		!slices.Contains([]bifrost.Status{bifrost.StatusOpen, bifrost.StatusFencing, bifrost.StatusClosed}, p.Status)
}

// whatIsWrong is what is wrong with a partition, in a few words.
func (p Judged) whatIsWrong() string { return cmp.Or(p.Trouble.Error, p.Unseen, p.Error, p.Suspicion) }

const notSelected = "not selected any more: no tick looks at it"

// NotPast is a forecast, or now if it has come to pass: it may happen at any moment.
func NotPast(at, now time.Time) time.Time {
	if !at.IsZero() && at.Before(now) {
		return now
	}
	return at
}

// ByTopic groups rows that are in order of name.
func ByTopic(rows []Judged) [][]Judged {
	var groups [][]Judged
	for i, p := range rows {
		if i == 0 || rows[i-1].Name != p.Name {
			groups = append(groups, nil)
		}
		groups[len(groups)-1] = append(groups[len(groups)-1], p)
	}
	return groups
}

// severity orders states from what needs a person to what needs nobody.
var severity = []bifrost.Status{bifrost.StatusDiverged, bifrost.StatusBlocked, bifrost.StatusFencing,
	bifrost.StatusOpen, bifrost.StatusForked, bifrost.StatusClosed}

// SumOf is one row that stands for many: sums, the newest record, the oldest look,
// the worst state, the first error. Its offsets are sums too, so that its lag is
// the sum.
func SumOf(rows []Judged) Judged {
	sum := Judged{Progress: bifrost.Progress{Partition: rows[0].Partition, Status: rows[0].Status}}
	sum.Excluded = true
	for _, p := range rows {
		sum.NextOffset += p.NextOffset
		sum.LastStable += p.NextOffset + p.Lag()
		sum.Records += p.Records
		sum.RawBytes += p.RawBytes
		sum.StoredBytes += p.StoredBytes
		sum.Missing += p.Missing
		sum.Blind += p.Blind
		sum.Gone += p.Gone
		sum.Lost += p.Lost
		sum.Error = cmp.Or(sum.Error, p.Error)
		sum.Suspicion = cmp.Or(sum.Suspicion, p.Suspicion)
		sum.Trouble = cmp.Or(sum.Trouble, p.Trouble)
		sum.Unseen = cmp.Or(sum.Unseen, p.Unseen)
		sum.Excluded = sum.Excluded && p.Excluded
		sum.Threat = earlier(sum.Threat, p.Threat)
		if p.Status != bifrost.StatusClosed && p.Status != bifrost.StatusForked {
			sum.SeenAt = earlier(sum.SeenAt, p.SeenAt)
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

// earlier is the earlier of two times, of which a zero one is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// TellProblem says what is wrong with the ticks, or that there is nothing yet.
func TellProblem(a *app.App, w Overview) {
	if problem := cmp.Or(w.TickProblem(), w.NothingYet()); problem != "" {
		a.Warn("%s", problem)
	}
}

// TellTicks says when everything was looked at last.
func TellTicks(a *app.App, w Overview) {
	if last, ok := w.Ticks.Last(); ok && !last.CompleteAt.IsZero() {
		a.Say("The last complete tick was %s.", human.Ago(last.CompleteAt, a.Now()))
	}
}

// ErrorCell is what is wrong with a partition, as a cell of a table.
func ErrorCell(p Judged) console.Cell {
	text := p.whatIsWrong()
	if text == "" && p.Excluded {
		return console.Styled(notSelected, console.StyleWarn)
	}
	if text != "" && text == p.Trouble.Error {
		text = fmt.Sprintf("%s (since %s)", text, human.Moment(p.Trouble.Since))
	}
	return console.Styled(human.PlainError(text), console.StyleBad)
}

// KnownLag is the lag in words: what nobody knows is not 0.
func (p Judged) KnownLag() string {
	switch lag := p.Lag(); {
	case p.Blind == 0:
		return human.Count(lag)
	case lag > 0:
		return "≥ " + human.Count(lag)
	}
	return unknown
}

// KnownEnd is the end of the log in words.
func (p Judged) KnownEnd() string {
	if p.Blind > 0 {
		return unknown
	}
	return human.Count(p.LastStable)
}

// unknown stands where a figure would, and nobody knows it.
const unknown = "unknown"

// KnownCount is a figure of the row in words.
func (p Judged) KnownCount(figure int64) string {
	if p.Status == StatusUnknown {
		return unknown
	}
	return human.Count(figure)
}

// DescribeGone is an error that wraps [readback.ErrRowGone] if the row of a partition is gone.
func DescribeGone(rows []Judged) error {
	var gone []bifrost.Progress
	for _, p := range rows {
		if p.Status == StatusUnknown {
			gone = append(gone, p.Progress)
		}
	}
	return readback.DescribeGone(gone)
}

// IfKnown is the figure for JSON: null while no tick has looked at the log.
func (p Judged) IfKnown(figure int64) *int64 {
	if p.Blind > 0 {
		return nil
	}
	return &figure
}
