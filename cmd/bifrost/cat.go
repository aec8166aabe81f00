// The command cat: records of the archive, or of files, on standard output.

package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/recordfmt"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func newCat(a *app.App) *cobra.Command {
	k := &cat{App: a, decode: recordfmt.Decoding{Lenient: true}}
	c := &cobra.Command{
		Use:     "cat TOPIC [PARTITION ...] | cat FILE ...",
		GroupID: groupRead,
		Short:   "Print records of the archive, or of files",
		Long: `Cat prints records in the order of their offsets, one partition after the other,
or merged by time with --merge. What is lost or not archived yet is named on
standard error. The first argument is a topic if the archive has it, and otherwise
a file that exists, as are the others then; --file and --topic force it. What no
topic can be called, such as ./name, is a file, and - is standard input. TOPIC may be
a glob, which stands for all lives of the topics that it matches. Objects of
the archive, plain Baldr.gz of any writer, and uncompressed Baldr are told apart by
themselves. Files need no archive and no settings.

` + recordfmt.FormatHelp,
		Example: `  bifrost cat orders --last 10
  bifrost cat orders 0 --from 1000 --to 2000 --format json | jq .value
  bifrost cat orders --since 2h --merge --format '%T %p/%o %k: %s\n'
  bifrost cat 'orders*' --since 1d --merge
  bifrost cat orders 0-3 -0 | xargs -0 -n1 process
  bifrost cat orders --key customer-17 --json --decode | jq .value
  zcat old/0000000.baldr.gz | bifrost cat -`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.CompletePartitions(0),
		Annotations: map[string]string{
			app.UnhealthyMeaning: "the row of a partition is gone: all others were read",
			app.GoingOn: "What was printed is not all, and may end inside a record: run it again into an empty file, " +
				"or from the last whole record on (--from).",
		},
		RunE: func(c *cobra.Command, args []string) error {
			if k.json && c.Flags().Changed("format") && k.formatName != "json" {
				return usage.Errorf("--json is --format json, and --format is %s: want one of the two", k.formatName)
			}
			for name, n := range map[string]int64{"last": k.lastInAll, "last-each": k.last} {
				if n == 0 && c.Flags().Changed(name) {
					return usage.Errorf("--%s 0: want a number above 0", name)
				}
			}
			return k.run(c.Context(), args)
		},
	}
	flags := c.Flags()
	k.Source.AddFlags(c)
	k.Selection.AddBounds(c)
	flags.Int64Var(&k.lastInAll, "last", 0, "only so many records, the newest of all partitions, in order of time")
	flags.Int64Var(&k.last, "last-each", 0, "only so many records of each partition, the last ones")
	flags.Int64VarP(&k.limit, "limit", "n", 0, "stop after so many records; 0 for no limit")
	flags.BoolVar(&k.merge, "merge", false, "merge partitions by time")
	flags.StringVarP(&k.formatName, "format", "f", "value", "how to print a record")
	app.CompleteWords(c, "format", slices.Sorted(maps.Keys(recordfmt.Formats))...)
	flags.BoolVarP(&k.null, "null", "0", false, "same as --format null")
	flags.BoolVar(&k.json, "json", false, "same as --format json")
	k.encodings.AddFlags(c)
	k.keys.AddFlags(c)
	k.decode.AddFlags(c)
	flags.IntVar(&k.workers, "workers", runtime.GOMAXPROCS(0), "cores to decompress on")
	return c
}

type cat struct {
	*app.App
	recordfmt.Source
	settings.Selection
	keys        recordfmt.KeySelection
	decode      recordfmt.Decoding
	decoder     *recordfmt.RecordDecoder
	encodings   recordfmt.Encodings
	lastInAll   int64 // 0 for no limit; last is then the same of each partition
	last, limit int64
	merge       bool
	formatName  string
	null, json  bool
	workers     int
	selected    []bifrost.Progress // partitions of topics; none of files
	gone        error              // says that partitions are left out, because their rows are gone
}

// checkCounts refuses counts that nothing can be printed with.
func (k *cat) checkCounts() error {
	for _, count := range []struct {
		flag     string
		n, least int64
	}{{"last", k.lastInAll, 0}, {"last-each", k.last, 0}, {"limit", k.limit, 0}, {"workers", int64(k.workers), 1}} {
		if count.n < count.least {
			return usage.Errorf("--%s %d: want at least %d", count.flag, count.n, count.least)
		}
	}
	return nil
}

func (k *cat) run(ctx context.Context, args []string) error {
	switch {
	case k.null:
		k.formatName = "null"
	case k.json:
		k.formatName = "json"
	}
	_, isTerminal := console.Terminal(k.Out)
	f, err := recordfmt.ParseFormat(k.formatName, isTerminal)
	if err != nil {
		return err
	}
	if err := k.encodings.Check(k.formatName); err != nil {
		return err
	}
	if err := k.checkCounts(); err != nil {
		return err
	}
	if k.lastInAll > 0 && k.last > 0 {
		return usage.Errorf("--last is of all partitions together, --last-each of each: want one of the two")
	}
	if err := k.keys.Check(); err != nil {
		return err
	}
	k.last = max(k.last, k.lastInAll)
	if k.last > 0 && k.keys.MatchKey() != nil {
		return usage.Errorf("--last counts records of every key: leave out either it or the keys, or use --since")
	}
	parts, rows, err := k.Source.OpenTopic(ctx, k.App, args[0])
	if err != nil {
		return err
	}
	if parts != nil {
		defer parts.Close()
	}
	if k.decoder, err = k.decode.OpenDecoder(ctx, k.App, parts); err != nil {
		return err
	}
	var records iter.Seq2[readback.Located, error]
	if parts == nil {
		records, err = k.openFiles(args, f)
	} else {
		records, err = k.openTopicRecords(ctx, parts, rows, args[1:], f)
	}
	if err != nil {
		return err
	}
	return k.WriteBuffered(func(out *bufio.Writer) error { return k.copyRecords(ctx, out, records, f) })
}

func (k *cat) copyRecords(
	ctx context.Context, out *bufio.Writer, records iter.Seq2[readback.Located, error], f recordfmt.Format,
) error {
	n := int64(0)
	defer k.decoder.TellFailures(k.App)
	for record, err := range records {
		if err != nil {
			return err
		}
		shown := recordfmt.Record{Located: record, Encodings: k.encodings}
		if err := k.decoder.DecodeRecord(ctx, &shown); err != nil {
			return err
		}
		if err := f.Write(out, &shown); err != nil {
			return err // of standard output, it says so itself
		}
		if n++; n == k.limit {
			return k.gone
		}
	}
	if n == 0 && len(k.selected) > 0 && ctx.Err() == nil {
		k.tellNothingMatched()
	}
	return cmp.Or(ctx.Err(), k.gone)
}

// mostNamed is how many topics a message names.
const mostNamed = 5

// tellNothingMatched says where the archive of the partitions ends, in which there was no record
// of those that were asked for.
func (k *cat) tellNothingMatched() {
	least, most, newest := k.selected[0].NextOffset, int64(0), time.Time{}
	for _, p := range k.selected {
		least, most = min(least, p.NextOffset), max(most, p.NextOffset)
		if p.LastRecordAt.After(newest) {
			newest = p.LastRecordAt
		}
	}
	end := fmt.Sprintf("offset %d", most)
	if least < most {
		end = fmt.Sprintf("offsets %d to %d", least, most)
	}
	if !newest.IsZero() {
		end += ", its newest record is of " + human.Moment(newest)
	}
	names := settings.NamesOf(k.selected)
	of := strings.Join(names, ", ")
	if len(names) > mostNamed {
		of = fmt.Sprintf("%s and %d more", strings.Join(names[:mostNamed], ", "), len(names)-mostNamed)
	}
	switch {
	case k.keys.MatchKey() != nil:
		k.Say("No record matches: none of those that were asked for has such a key. The archive of %s ends at %s.",
			of, end)
	case k.To != 0 || k.Until != "":
		k.Say("No record matches: the archive of %s has none within these bounds. It ends at %s.", of, end)
	default:
		k.Say("No record matches: the archive of %s ends at %s.", of, end)
	}
}

// openTopicRecords is the records of the selected partitions.
func (k *cat) openTopicRecords(
	ctx context.Context, parts *wiring.Parts, rows []bifrost.Progress, partitions []string, f recordfmt.Format,
) (iter.Seq2[readback.Located, error], error) {
	if err := k.Selection.ParseFlags(partitions, k.Now()); err != nil {
		return nil, err
	}
	selected, err := k.Selection.SelectPartitions(rows)
	if err != nil {
		return nil, err
	}
	if len(k.Numbers) == 0 {
		gone := readback.CheckRows(ctx, parts.Ledger, rows)
		if gone != nil && !errors.Is(gone, readback.ErrRowGone) {
			return nil, gone
		}
		if gone != nil {
			k.Warn("%v; all other partitions are read", gone)
			k.gone = app.Unhealthyf("not all partitions were read: see the warning above")
		}
	}
	k.selected = selected
	reader := settings.NewReader(parts, k.workers)
	reader.Skipped = k.tellSkipped
	return k.joinRecords(ctx, reader, selected, f), nil
}

// joinRecords is the records of the partitions, merged by time or one partition after the
// other, or the last of all of them.
func (k *cat) joinRecords(
	ctx context.Context, reader *readback.Reader, selected []bifrost.Progress, f recordfmt.Format,
) iter.Seq2[readback.Located, error] {
	newest := k.lastInAll > 0 && len(selected) > 1
	if k.merge || newest {
		shareMemory(reader, len(selected))
	}
	streams := make([]readback.Stream, len(selected))
	for i, p := range selected {
		query := readback.Query{
			Partition:  p.Partition,
			Offsets:    k.OffsetRange(),
			Times:      k.Times,
			Keys:       k.keys.MatchKey(),
			ValuesOnly: f.ValuesOnly && !k.merge && !newest, // both need timestamps
		}
		streams[i] = readback.Stream{Partition: p.Partition, Records: k.partitionRecords(ctx, reader, query)}
	}
	switch {
	case newest:
		return lastOf(readback.ByTime(streams), k.lastInAll)
	case k.merge:
		return readback.ByTime(streams)
	}
	return readback.OneByOne(streams)
}

// lastOf is the last n records of a sequence. It holds as many in memory.
func lastOf(records iter.Seq2[readback.Located, error], n int64) iter.Seq2[readback.Located, error] {
	return func(yield func(readback.Located, error) bool) {
		var ring []readback.Located
		oldest := 0
		for record, err := range records {
			if err != nil {
				yield(record, err)
				return
			}
			record.Record = record.Clone() // its memory is the reader's
			switch {
			case int64(len(ring)) < n:
				ring = append(ring, record)
			default:
				ring[oldest] = record
				oldest = (oldest + 1) % len(ring)
			}
		}
		for i := range ring {
			if !yield(ring[(oldest+i)%len(ring)], nil) {
				return
			}
		}
	}
}

// mergeMemory is what the reads ahead of all partitions of a merge take together.
const mergeMemory = 64 << 20

func shareMemory(reader *readback.Reader, partitions int) {
	const most, readsAhead = readback.DefaultReadAhead, 5
	reader.ReadAhead = min(most, max(128<<10, mergeMemory/readsAhead/int64(max(1, partitions))))
	if partitions > 1 {
		reader.Workers = min(reader.Workers, 2)
	}
}

// partitionRecords is the records of one partition, or the last of them.
func (k *cat) partitionRecords(
	ctx context.Context, reader *readback.Reader, query readback.Query,
) iter.Seq2[baldr.Record, error] {
	if k.last == 0 {
		return reader.Records(ctx, query)
	}
	return func(yield func(baldr.Record, error) bool) {
		last, skip, err := reader.LastOffsets(ctx, query.Partition, k.last)
		if err != nil {
			yield(baldr.Record{}, err)
			return
		}
		query.Offsets = last
		for record, err := range reader.Records(ctx, query) {
			if skip > 0 && err == nil {
				skip--
				continue
			}
			if !yield(record, err) {
				return
			}
		}
	}
}

func (k *cat) tellSkipped(r bifrost.Row) {
	if r.State == bifrost.StateLost {
		k.Warn("%s: offsets %s are %s", r.Partition, r.Range, bifrost.DescribeGap(r.GapReason))
		return
	}
	k.Warn("%s: offsets %s are planned and not archived yet", r.Partition, r.Range)
}

// openFiles is the records of files, one after the other.
func (k *cat) openFiles(names []string, f recordfmt.Format) (iter.Seq2[readback.Located, error], error) {
	if k.merge || k.last != 0 || k.From != 0 || k.To != 0 || k.Since != "" || k.Until != "" {
		return nil, usage.Errorf("--merge, --last, --last-each, --from, --to, " +
			"--since and --until are for topics: files are printed whole")
	}
	keys := k.keys.MatchKey()
	options := baldr.ReaderOptions{
		Workers:        k.workers,
		ValuesOnly:     f.ValuesOnly && keys == nil,
		MaxRecordBytes: bifrost.LargestRecord,
		Keys:           keys,
	}
	return func(yield func(readback.Located, error) bool) {
		for _, name := range names {
			if !k.yieldFile(name, options, yield) {
				return
			}
		}
	}, nil
}

func (k *cat) yieldFile(name string, options baldr.ReaderOptions, yield func(readback.Located, error) bool) bool {
	records, partition, closeFile, err := k.openFile(name, options)
	if err != nil {
		yield(readback.Located{}, err)
		return false
	}
	defer closeFile()
	for record, err := range records {
		begins, is := errors.AsType[*baldr.FormatError](err)
		if is && begins.Pos == 0 && errors.Is(err, baldr.ErrTooLarge) {
			err = fmt.Errorf("%s is neither a Baldr nor a Baldr.gz file: %w", human.Visible(name), err)
		}
		if options.Keys != nil && err == nil {
			if record.Offset < 0 {
				err = fmt.Errorf("%s: %w", name, recordfmt.ErrNoKeys)
			} else if !options.Keys(record.Key) {
				continue
			}
		}
		if !yield(readback.Located{Partition: partition, Record: record}, err) || err != nil {
			return false
		}
	}
	return true
}

func (k *cat) openFile(
	name string, options baldr.ReaderOptions,
) (iter.Seq2[baldr.Record, error], bifrost.Partition, func() error, error) {
	nothing := func() error { return nil }
	if name == "-" {
		return readback.StreamRecords(k.In, options), bifrost.Partition{}, nothing, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, bifrost.Partition{}, nothing, err
	}
	records, summary, err := readback.FileRecords(file, options)
	if err != nil {
		return nil, bifrost.Partition{}, nothing, errors.Join(err, file.Close())
	}
	partition := bifrost.Partition{}
	if summary != nil {
		partition = bifrost.Partition{Name: summary.Topic, Number: summary.Partition}
	}
	return records, partition, file.Close, nil
}
