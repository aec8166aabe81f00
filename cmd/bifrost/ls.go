// The command ls: the ranges of a topic, with their objects.

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/recordfmt"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

func newLs(a *app.App) *cobra.Command {
	l := &ls{App: a}
	c := &cobra.Command{
		Use:     "ls TOPIC [PARTITION ...]",
		GroupID: groupLook,
		Short:   "List the objects of a topic: ranges, records, sizes, times, gaps",
		Long: `Ls lists the rows of the catalogue: one object each, with the half-open range of
offsets it holds. A row that is PLANNED has no object yet. One that is a GAP has an
object that says why there are no records; it is LOST if records were to be archived
and Kafka deleted them first. TOPIC may be a glob, which stands for all lives of the
topics that it matches. With --key or --key-glob only objects with such a record are
listed; the keys of all others are read for that.

MISSING counts offsets that hold no record in Kafka either, so that nothing is lost:
markers of transactions, records of aborted ones, and what compaction removed before
the archive read it; --json tells them apart. All times are in UTC.`,
		Example: `  bifrost ls orders
  bifrost ls 'orders*' --state lost
  bifrost ls orders --key customer-17 --since 7d --json | jq -r .object`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.CompletePartitions(0),
		Annotations: map[string]string{app.UnhealthyMeaning: "the row of a partition is gone, whose objects are not " +
			"listed"},
		RunE: func(c *cobra.Command, args []string) error { return l.run(c.Context(), args[0], args[1:]) },
	}
	c.Flags().StringVar(&l.state, "state", "",
		"only rows in this state: PLANNED, ARCHIVED, GAP (of any reason) or LOST")
	app.CompleteWords(c, "state", statesToAsk...)
	l.Selection.AddBounds(c)
	l.keys.AddFlags(c)
	c.Flags().BoolVar(&l.json, "json", false, "print a JSON object a line instead, for scripts")
	return c
}

// statesToAsk are the words of --state.
var statesToAsk = []string{string(bifrost.StatePlanned), string(bifrost.StateArchived), stateGap,
	string(bifrost.StateLost)}

type ls struct {
	*app.App
	settings.Selection
	keys  recordfmt.KeySelection
	state string
	json  bool
	holds func(ctx context.Context, r bifrost.Row) (bool, error) // a record with one of the keys; nil for any row
}

// rangeJSON is a line of ls --json. docs/cli.md documents it.
type rangeJSON struct {
	Topic string `json:"topic"` // as Name
	bifrost.TopicNames
	Partition      int32       `json:"partition"`
	StartOffset    int64       `json:"start_offset"`
	EndOffset      int64       `json:"end_offset"`
	State          string      `json:"state"`
	Reason         string      `json:"reason"`
	Lost           bool        `json:"lost"` // a gap, and records were lost in it
	Object         string      `json:"object"`
	Records        int64       `json:"records"`
	Missing        jsonMissing `json:"missing"`
	RawBytes       int64       `json:"raw_bytes"`
	StoredBytes    int64       `json:"stored_bytes"`
	FirstTimestamp *string     `json:"first_timestamp"`
	FirstMS        *int64      `json:"first_timestamp_ms"`
	LastTimestamp  *string     `json:"last_timestamp"`
	LastMS         *int64      `json:"last_timestamp_ms"`
	Checksum       string      `json:"checksum_crc64nvme"`
	Attempts       int         `json:"attempts"`
	PlannedAt      *string     `json:"planned_at"`
	ArchivedAt     *string     `json:"archived_at"`
	Error          string      `json:"error"`
}

type jsonMissing struct {
	Control   int64 `json:"control"`
	Aborted   int64 `json:"aborted"`
	Compacted int64 `json:"compacted"`
}

func newRangeJSON(r bifrost.Row) rangeJSON {
	j := rangeJSON{
		Topic:       r.Name,
		TopicNames:  r.TopicNames(),
		Partition:   r.Number,
		StartOffset: r.Start,
		EndOffset:   r.End,
		State:       stateWord(r),
		Reason:      r.GapReason,
		Lost:        isLost(r),
		Object:      r.Facts.Key,
		Records:     r.Facts.Records,
		Missing:     jsonMissing(r.Facts.Missing),
		RawBytes:    r.Facts.RawBytes,
		StoredBytes: r.Facts.StoredBytes,
		Checksum:    r.Facts.Checksum,
		Attempts:    r.Attempts,
		PlannedAt:   human.Timestamp(r.PlannedAt),
		ArchivedAt:  human.Timestamp(r.ArchivedAt),
		Error:       r.Error,
	}
	if r.State == bifrost.StateArchived {
		first, last := human.Millis(r.Facts.FirstTimestamp), human.Millis(r.Facts.LastTimestamp)
		j.FirstTimestamp, j.FirstMS = human.Timestamp(first), human.Milliseconds(first)
		j.LastTimestamp, j.LastMS = human.Timestamp(last), human.Milliseconds(last)
	}
	return j
}

func (l *ls) run(ctx context.Context, topic string, partitions []string) error {
	if l.state = strings.ToUpper(l.state); l.state != "" && !slices.Contains(statesToAsk, l.state) {
		return usage.Errorf("--state %q: want PLANNED, ARCHIVED, GAP or LOST", l.state)
	}
	if err := l.keys.Check(); err != nil {
		return err
	}
	if err := l.Selection.ParseFlags(partitions, l.Now()); err != nil {
		return err
	}
	parts, err := l.OpenParts(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	all, err := parts.Ledger.ListProgress(ctx)
	if err != nil {
		return err
	}
	rows, err := readback.Topics(all, topic)
	if err != nil {
		return err
	}
	l.TellLives(all, settings.NamesOf(rows)...)
	selected, err := l.Selection.SelectPartitions(rows)
	if err != nil {
		return err
	}
	if match := l.keys.MatchKey(); match != nil {
		reader := settings.NewReader(parts, runtime.GOMAXPROCS(0))
		l.holds = func(ctx context.Context, r bifrost.Row) (bool, error) { return l.holdsKey(ctx, reader, r, match) }
	}
	var gone error
	if len(l.Numbers) == 0 {
		gone = readback.CheckRows(ctx, parts.Ledger, rows)
	}
	return errors.Join(l.listRows(ctx, parts.Ledger, selected), gone)
}

// holdsKey reports whether the object of a row has a record whose key matches. It reads keys up to
// the first that does.
func (l *ls) holdsKey(
	ctx context.Context, reader *readback.Reader, r bifrost.Row, match func(key []byte) bool,
) (bool, error) {
	if r.State != bifrost.StateArchived {
		return false, nil
	}
	query := readback.Query{
		Partition: r.Partition, Offsets: r.Range, Times: l.Times, Keys: match, ValuesOnly: false, // keys are asked for
	}
	for _, err := range reader.Records(ctx, query) {
		return err == nil, err
	}
	return false, nil
}

// listRows prints what the catalogue has of the partitions.
func (l *ls) listRows(ctx context.Context, catalogue readback.Catalogue, selected []bifrost.Progress) error {
	if l.json {
		return l.WriteBuffered(func(out *bufio.Writer) error {
			lines := json.NewEncoder(out)
			return l.eachRow(ctx, catalogue, selected,
				func(r bifrost.Row) error { return lines.Encode(newRangeJSON(r)) })
		})
	}
	t := &console.Table{Columns: []console.Column{
		{Title: "topic"},
		{Title: "part", Right: true},
		{Title: "start", Right: true},
		{Title: "end", Right: true},
		{Title: "state"},
		{Title: "records", Right: true},
		{Title: "missing", Right: true, Spare: 4},
		{Title: "raw", Right: true, Spare: 5},
		{Title: "stored", Right: true},
		{Title: "first record", Spare: 2},
		{Title: "last record", Spare: 3},
		{Title: "object", Spare: 6},
		{Title: "why", Shrink: true},
	}}
	several := len(settings.NamesOf(selected)) > 1
	err := l.eachRow(ctx, catalogue, selected, func(r bifrost.Row) error {
		topic := console.Cell{} // a column without a text is left out
		if several {
			topic = console.Plain(r.Name)
		}
		t.AddRow(append([]console.Cell{topic}, rowCells(r)...)...)
		return nil
	})
	if err != nil {
		return err
	}
	if t.IsEmpty() {
		l.Say("No range of %s matches.", strings.Join(settings.NamesOf(selected), ", "))
		return nil
	}
	return l.PrintTable(t)
}

func rowCells(r bifrost.Row) []console.Cell {
	cells := []console.Cell{console.Plain(fmt.Sprint(r.Number)), console.Plain(fmt.Sprint(r.Start)),
		console.Plain(fmt.Sprint(r.End)), stateCell(r)}
	f := r.Facts
	switch r.State {
	case bifrost.StateArchived:
		missing := bifrost.SumMissing(f.Missing)
		return append(cells, console.Plain(human.Count(f.Records)), console.Plain(human.Count(missing)),
			console.Plain(human.Size(f.RawBytes)), console.Plain(human.Size(f.StoredBytes)),
			console.Plain(human.Moment(human.Millis(f.FirstTimestamp))),
			console.Plain(human.Moment(human.Millis(f.LastTimestamp))), console.Plain(f.Key), console.Cell{})
	case bifrost.StateLost:
		return append(cells, console.Cell{}, console.Cell{}, console.Cell{}, console.Plain(human.Size(f.StoredBytes)),
			console.Cell{}, console.Cell{}, console.Plain(f.Key), console.Plain(bifrost.DescribeGap(r.GapReason)))
	}
	return append(cells, console.Cell{}, console.Cell{}, console.Cell{}, console.Cell{}, console.Cell{},
		console.Cell{}, console.Cell{}, console.Plain(r.Error))
}

// stateGap is what a row is shown as that is LOST in the table and whose gap is no loss.
const stateGap = "GAP"

func stateCell(r bifrost.Row) console.Cell {
	if word := stateWord(r); word == stateGap {
		return console.Styled(word, console.StyleWarn)
	}
	return console.Styled(string(r.State), stateStyles[r.State])
}

// stateWord is the state that people and programs are told.
func stateWord(r bifrost.Row) string {
	if r.State == bifrost.StateLost && !isLost(r) {
		return stateGap
	}
	return string(r.State)
}

// isLost reports whether records of the row were lost.
func isLost(r bifrost.Row) bool { return r.State == bifrost.StateLost && lostFor(r.GapReason) }

// lostFor reports whether the offsets of a gap of the reason were lost.
func lostFor(reason string) bool {
	kind, _ := bifrost.ExplainGap(reason)
	return kind == bifrost.GapLost
}

// isAsked reports whether the row is in the state that was asked for: GAP is every gap.
func (l *ls) isAsked(r bifrost.Row) bool {
	switch l.state {
	case "":
		return true
	case stateGap:
		return r.State == bifrost.StateLost
	case string(bifrost.StateLost):
		return isLost(r)
	}
	return l.state == string(r.State)
}

var stateStyles = map[bifrost.State]console.Style{
	bifrost.StateArchived: console.StyleGood,
	bifrost.StateLost:     console.StyleBad,
	bifrost.StatePlanned:  console.StyleWarn,
}

// eachRow calls show for every row that is wanted.
func (l *ls) eachRow(
	ctx context.Context, catalogue readback.Catalogue, partitions []bifrost.Progress, show func(bifrost.Row) error,
) error {
	for _, p := range partitions {
		for row, err := range readback.Rows(ctx, catalogue, p.Partition, l.OffsetRange()) {
			if err != nil {
				return err
			}
			if !l.isAsked(row) || !l.Times.Overlaps(row) {
				continue
			}
			if l.holds != nil {
				if holds, err := l.holds(ctx, row); err != nil {
					return err
				} else if !holds {
					continue
				}
			}
			if err := show(row); err != nil {
				return err
			}
		}
	}
	return nil
}
