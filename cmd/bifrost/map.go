// The command map: where an offset of the archive is in a target topic.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

func newMap(a *app.App) *cobra.Command {
	m := &mapper{App: a}
	c := &cobra.Command{
		Use:     "map TOPIC[:TARGET] PARTITION OFFSET",
		GroupID: groupRead,
		Short:   "Say where an offset is in a topic that was replayed or restored",
		Long: `Map translates an offset of the archive into one of the target: of the first record
whose offset in the source is not below it. It is for positions that are in no group,
such as those of Flink, Spark, or a database. At the end of what was written it is the
target's last stable offset. It is exact: the map was committed with the records.

TOPIC stands for the life of the topic that was written into TARGET; if several
were, name one as bifrost topics does.`,
		Example: "  bifrost map orders 0 123456 --to-brokers other:9092\n  bifrost map orders:orders-restored 0 123456",
		Args:    cobra.ExactArgs(3), ValidArgsFunction: a.CompletePartitions(2),
		RunE: func(c *cobra.Command, args []string) error { return m.run(c.Context(), args) },
	}
	m.into.AddTo(c)
	app.AddJSON(c, &m.json)
	return c
}

type mapper struct {
	*app.App
	into settings.TargetFlags
	json bool
}

// imageJSON is what map --json prints.
type imageJSON struct {
	SourceTopic     string `json:"source_topic"` // name in the archive
	SourcePartition int32  `json:"source_partition"`
	SourceOffset    int64  `json:"source_offset"` // that was asked for
	NextOffset      int64  `json:"next_offset"`   // of the record that is read next, in the source; -1 at the end
	TargetTopic     string `json:"target_topic"`
	TargetPartition int32  `json:"target_partition"`
	TargetOffset    int64  `json:"target_offset"`
}

func (m *mapper) run(ctx context.Context, args []string) error {
	source, target, renamed := strings.Cut(args[0], ":")
	if !renamed {
		target = bifrost.Partition{Name: source}.Topic()
	}
	p, offset, err := parsePosition([]string{source, args[1], args[2]})
	if err != nil {
		return err
	}
	role := config.Archiver
	if m.into.Brokers != "" {
		role = config.Reader
	}
	parts, err := m.OpenParts(ctx, role)
	if err != nil {
		return err
	}
	defer parts.Close()
	cluster, err := m.into.ConnectTarget(ctx, parts, m.LookupVariable)
	if err != nil {
		return err
	}
	all, err := parts.Ledger.ListProgress(ctx)
	if err != nil {
		return err
	}
	rows, err := livesOf(all, p)
	if err != nil {
		return err
	}
	image, err := imageIn(ctx, rows, all, target, offset, replay.Options{Client: cluster.Options})
	if err != nil {
		return cluster.Explain(err)
	}
	if m.json {
		return m.PrintJSON(image)
	}
	if image.NextOffset < 0 {
		m.Say("Nothing of %s/%d was written from offset %d on: it is the end of %s/%d.",
			image.SourceTopic, p.Number, offset, target, p.Number)
	} else {
		m.Say("The next record is at offset %d of %s/%d, and at this one of %s/%d.",
			image.NextOffset, image.SourceTopic, p.Number, target, p.Number)
	}
	_, err = fmt.Fprintln(m.Out, image.TargetOffset)
	return err
}

// livesOf are the rows of a partition of all lives that a name may stand for.
func livesOf(all []bifrost.Progress, p bifrost.Partition) (rows []bifrost.Progress, err error) {
	for _, row := range all {
		if row.Number == p.Number && (row.Name == p.Name || row.Topic() == p.Name) {
			rows = append(rows, row)
		}
	}
	if len(rows) > 0 {
		return rows, nil
	}
	topic, err := readback.Topic(all, p.Name)
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("topic %s has no partition %d in the archive; it has %d: %s",
		p.Name, p.Number, len(topic), settings.ListNumbers(topic))
}

// imageIn looks for the offset in the maps of the branches that were written into the
// target, of one life of the topic, the older first.
func imageIn(
	ctx context.Context, rows, all []bifrost.Progress, target string, offset int64, options replay.Options,
) (imageJSON, error) {
	readback.NewLives(all).Sort(rows)
	byTopic := replay.ByTopic(all)
	var request replay.Request
	for _, row := range rows {
		// nothing is to be written
		request.Parts = append(request.Parts, replay.NewPart(row, target, replay.AllTimes(0, 0), byTopic))
	}
	outlook, err := replay.Look(ctx, request, nil, options)
	if err != nil {
		return imageJSON{}, err
	}
	var lookups []replay.Lookup
	var names []string
	lives := map[bifrost.TopicID]bool{}
	for i, part := range outlook.Parts {
		if part.Position.Stretch == 0 {
			continue
		}
		lookups = append(lookups, replay.Lookup{Part: part, Offsets: []int64{offset}})
		names = append(names, part.Source.Name)
		lives[rows[i].TopicID] = true
	}
	switch {
	case len(lookups) == 0:
		return imageJSON{}, fmt.Errorf("no replay has written anything of %s into topic %s of this cluster",
			rows[0].Partition, target)
	case len(lives) > 1:
		return imageJSON{}, usage.Of(errors.New("several lives of the topic were " +
			"written there: name one of " + strings.Join(names, ", ")))
	}
	images, err := replay.Images(ctx, lookups, options)
	if err != nil {
		return imageJSON{}, err
	}
	of := 0
	for of < len(images)-1 && images[of][0].AtEnd() {
		of++
	}
	part := lookups[of].Part
	return imageJSON{
		part.Source.Name, part.Source.Number, offset, images[of][0].Source, target, part.Source.Number,
		images[of][0].Target,
	}, nil
}
