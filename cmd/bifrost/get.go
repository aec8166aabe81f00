package main

import (
	"bufio"
	"context"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
)

func newGet(a *app) *cobra.Command {
	var name string
	var asJSON bool
	var decode decoding
	c := &cobra.Command{
		Use:     "get TOPIC PARTITION OFFSET",
		GroupID: groupRead,
		Short:   "Print one record",
		Long: `Get finds the record by the catalogue and fetches the tail of its object and the
member that holds it: two ranged requests, however large the object is.

` + formatHelp,
		Example: `  bifrost get orders 0 1234
  bifrost get orders 0 1234 --json
  bifrost get orders 0 1234 --format '%k %T %h\n'
  bifrost get orders 0 1234 --json --decode`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: a.completePartitions(2),
		RunE: func(c *cobra.Command, args []string) error {
			if asJSON {
				name = "json"
			}
			return a.get(c.Context(), args, name, decode)
		},
	}
	c.Flags().StringVarP(&name, "format", "f", "value", "how to print the record")
	completeWords(c, "format", slices.Sorted(maps.Keys(formats))...)
	c.Flags().BoolVar(&asJSON, "json", false, "same as --format json")
	decode.addFlags(c)
	return c
}

func (a *app) get(ctx context.Context, args []string, name string, decode decoding) error {
	_, isTerminal := terminal(a.out)
	f, err := parseFormat(name, isTerminal)
	if err != nil {
		return err
	}
	p, offset, err := parsePosition(args)
	if err != nil {
		return err
	}
	parts, err := a.open(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	decoder, err := decode.open(ctx, a, parts)
	if err != nil {
		return err
	}
	record, err := reader(parts, 1).Find(ctx, p, offset)
	if err != nil {
		return err
	}
	shown := printed{Located: readback.Located{Partition: p, Record: record}}
	if err := decoder.decode(ctx, &shown); err != nil {
		return err
	}
	defer decoder.tell(a)
	return a.buffered(func(out *bufio.Writer) error { return f.write(out, &shown) })
}
