package main

import (
	"bufio"
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/archive"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
)

func newGet(a *app) *cobra.Command {
	var name string
	var asJSON bool
	c := &cobra.Command{
		Use:     "get TOPIC PARTITION OFFSET",
		GroupID: groupRead,
		Short:   "Print one record",
		Long: `Get finds the record by the catalogue and fetches the tail of its object and the
member that holds it: two ranged requests, however large the object is.

` + formatHelp,
		Example: `  bifrost get orders 0 1234
  bifrost get orders 0 1234 --json
  bifrost get orders 0 1234 --format '%k %T %h\n'`,
		Args: cobra.ExactArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			if asJSON {
				name = "json"
			}
			return a.get(c.Context(), args, name)
		},
	}
	c.Flags().StringVarP(&name, "format", "f", "value", "how to print the record")
	c.Flags().BoolVar(&asJSON, "json", false, "same as --format json")
	return c
}

func (a *app) get(ctx context.Context, args []string, name string) error {
	f, err := parseFormat(name)
	if err != nil {
		return err
	}
	number, err := strconv.ParseInt(args[1], 10, 32)
	if err != nil || number < 0 {
		return usagef("partition %q is no partition's number", args[1])
	}
	offset, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil || offset < 0 {
		return usagef("offset %q is no offset", args[2])
	}
	parts, err := a.open(ctx, config.Reader)
	if err != nil {
		return err
	}
	defer parts.Close()
	p := bifrost.Partition{Name: args[0], Number: int32(number)}
	record, err := reader(parts, 1).Find(ctx, p, offset)
	if err != nil {
		return err
	}
	return a.buffered(func(out *bufio.Writer) error { return f.write(out, &archive.Located{Partition: p, Record: record}) })
}
