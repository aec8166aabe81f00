package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

func newLs(a *app) *cobra.Command {
	l := &ls{app: a}
	c := &cobra.Command{
		Use:     "ls TOPIC [PARTITION ...]",
		GroupID: groupLook,
		Short:   "List the objects of a topic: ranges, records, sizes, times, gaps",
		Long: `Ls lists the rows of the catalogue: one object each, with the half-open range of
offsets it holds. A row that is PLANNED has no object yet; one that is LOST is a
gap: its object says why nobody can read the records any more.`,
		Example: `  bifrost ls orders
  bifrost ls orders 0 1 --state LOST
  bifrost ls orders --since 7d --json | jq -r .object`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completePartitions(0),
		RunE:              func(c *cobra.Command, args []string) error { return l.run(c.Context(), args[0], args[1:]) },
	}
	c.Flags().StringVar(&l.state, "state", "", "only rows in this state: PLANNED, ARCHIVED or LOST")
	completeWords(c, "state", "PLANNED", "ARCHIVED", "LOST")
	l.selection.addBounds(c)
	c.Flags().BoolVar(&l.json, "json", false, "print a JSON object a line instead, for scripts")
	return c
}

type ls struct {
	*app
	selection
	state string
	json  bool
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
		Topic: r.Name, TopicNames: r.TopicNames(), Partition: r.Number,
		StartOffset: r.Start, EndOffset: r.End, State: string(r.State), Reason: r.GapReason,
		Object: r.Facts.Key, Records: r.Facts.Records, Missing: jsonMissing(r.Facts.Missing), RawBytes: r.Facts.RawBytes, StoredBytes: r.Facts.StoredBytes,
		Checksum: r.Facts.Checksum, Attempts: r.Attempts, PlannedAt: timestamp(r.PlannedAt), ArchivedAt: timestamp(r.ArchivedAt), Error: r.Error,
	}
	if r.State == bifrost.StateArchived {
		first, last := millis(r.Facts.FirstTimestamp), millis(r.Facts.LastTimestamp)
		j.FirstTimestamp, j.FirstMS, j.LastTimestamp, j.LastMS = timestamp(first), milliseconds(first), timestamp(last), milliseconds(last)
	}
	return j
}

func (l *ls) run(ctx context.Context, topic string, partitions []string) error {
	if l.state != "" && l.state != string(bifrost.StatePlanned) && l.state != string(bifrost.StateArchived) && l.state != string(bifrost.StateLost) {
		return usagef("--state %q: want PLANNED, ARCHIVED or LOST", l.state)
	}
	if err := l.selection.parse(partitions, l.now()); err != nil {
		return err
	}
	parts, err := l.open(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	rows, err := progress(ctx, parts.Ledger, []string{topic})
	if err != nil {
		return err
	}
	selected, err := l.selection.partitions(rows)
	if err != nil {
		return err
	}
	if l.json {
		return l.buffered(func(out *bufio.Writer) error {
			return l.each(ctx, parts.Ledger, selected, func(r bifrost.Row) error { return json.NewEncoder(out).Encode(newRangeJSON(r)) })
		})
	}
	t := &table{columns: []column{
		{title: "part", right: true}, {title: "start", right: true}, {title: "end", right: true}, {title: "state"}, {title: "records", right: true},
		{title: "missing", right: true, spare: 4}, {title: "raw", right: true, spare: 5}, {title: "stored", right: true}, {title: "first record", spare: 2}, {title: "last record", spare: 3},
		{title: "object", spare: 6}, {title: "why", shrink: true},
	}}
	err = l.each(ctx, parts.Ledger, selected, func(r bifrost.Row) error {
		t.add(rowCells(r)...)
		return nil
	})
	if err != nil {
		return err
	}
	return l.print(t)
}

func rowCells(r bifrost.Row) []cell {
	cells := []cell{plain(fmt.Sprint(r.Number)), plain(fmt.Sprint(r.Start)), plain(fmt.Sprint(r.End)), {string(r.State), stateStyles[r.State]}}
	f := r.Facts
	switch r.State {
	case bifrost.StateArchived:
		missing := f.Missing.Control + f.Missing.Aborted + f.Missing.Compacted
		return append(cells, plain(count(f.Records)), plain(count(missing)), plain(size(f.RawBytes)), plain(size(f.StoredBytes)),
			plain(moment(millis(f.FirstTimestamp))), plain(moment(millis(f.LastTimestamp))), plain(f.Key), cell{})
	case bifrost.StateLost:
		return append(cells, cell{}, cell{}, cell{}, plain(size(f.StoredBytes)), cell{}, cell{}, plain(f.Key), plain("a gap: "+r.GapReason))
	}
	return append(cells, cell{}, cell{}, cell{}, cell{}, cell{}, cell{}, cell{}, plain(r.Error))
}

var stateStyles = map[bifrost.State]style{bifrost.StateArchived: styleGood, bifrost.StateLost: styleBad, bifrost.StatePlanned: styleWarn}

// each calls show for every row that is wanted.
func (l *ls) each(ctx context.Context, catalogue readback.Catalogue, partitions []bifrost.Progress, show func(bifrost.Row) error) error {
	for _, p := range partitions {
		for row, err := range readback.Rows(ctx, catalogue, p.Partition, l.offsets()) {
			if err != nil {
				return err
			}
			if l.state != "" && l.state != string(row.State) || !l.times.Overlaps(row) {
				continue
			}
			if err := show(row); err != nil {
				return err
			}
		}
	}
	return nil
}
