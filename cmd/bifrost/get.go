// The command get: one record, by its offset.

package main

import (
	"bufio"
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/recordfmt"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

func newGet(a *app.App) *cobra.Command {
	var name string
	var asJSON, null bool
	var encodings recordfmt.Encodings
	decode := recordfmt.Decoding{Lenient: true}
	c := &cobra.Command{
		Use:     "get TOPIC PARTITION OFFSET",
		GroupID: groupRead,
		Short:   "Print one record",
		Long: `Get finds the record by the catalogue and fetches the tail of its object and the
member that holds it: two ranged requests, however large the object is.

` + recordfmt.FormatHelp,
		Example: `  bifrost get orders 0 1234
  bifrost get orders 0 1234 --json
  bifrost get orders 0 1234 --format '%k %T %h\n'
  bifrost get orders 0 1234 --json --decode`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: a.CompletePartitions(2),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case asJSON:
				name = "json"
			case null:
				name = "null"
			}
			return getRecord(c.Context(), a, args, name, encodings, decode)
		},
	}
	c.Flags().StringVarP(&name, "format", "f", "value", "how to print the record")
	app.CompleteWords(c, "format", slices.Sorted(maps.Keys(recordfmt.Formats))...)
	c.Flags().BoolVarP(&null, "null", "0", false, "same as --format null")
	c.Flags().BoolVar(&asJSON, "json", false, "same as --format json")
	encodings.AddFlags(c)
	decode.AddFlags(c)
	return c
}

func getRecord(
	ctx context.Context, a *app.App, args []string, name string,
	encodings recordfmt.Encodings, decode recordfmt.Decoding,
) error {
	_, isTerminal := console.Terminal(a.Out)
	f, err := recordfmt.ParseFormat(name, isTerminal)
	if err != nil {
		return err
	}
	if err := encodings.Check(name); err != nil {
		return err
	}
	p, offset, err := parsePosition(args)
	if err != nil {
		return err
	}
	parts, err := a.OpenParts(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	all, err := readRows(ctx, a, parts, p)
	if err != nil {
		return err
	}
	decoder, err := decode.OpenDecoder(ctx, a, parts)
	if err != nil {
		return err
	}
	record, err := settings.NewReader(parts, 1).Find(ctx, p, offset)
	if err != nil {
		return explainMissing(all, p, err)
	}
	shown := recordfmt.Record{Encodings: encodings, Located: readback.Located{Partition: p, Record: record}}
	if err := decoder.DecodeRecord(ctx, &shown); err != nil {
		return err
	}
	defer decoder.TellFailures(a)
	return a.WriteBuffered(func(out *bufio.Writer) error { return f.Write(out, &shown) })
}
