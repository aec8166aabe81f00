// Partitions of a topic that have no progress row.

package readback

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// ErrRowGone is why what is read of a topic would not be all that is archived: a partition has
// no progress row, so nobody would notice that it is left out.
var ErrRowGone = errors.New("a tick makes it (and waits for the fence pause if something is archived), " +
	"or bifrost rebuild does now")

// goneAtOnce is how many topics are asked about at the same time.
const goneAtOnce = 16

// GoneRows lists the partitions without a progress row of the topics that the rows are of, in
// order, each as a row that has only what its topic tells: name, number, cluster and ID. The
// rows have to be all that the table has of each name. Partitions are numbered from 0, so a
// number that is missing below the highest is of a row that is gone, or that no tick could make
// yet; behind the highest the rows of ranges tell. A name that a cut log goes on with has the
// partitions that were cut only, and is left out.
func GoneRows(
	ctx context.Context, catalogue Catalogue, rows []bifrost.Progress,
) (gone []bifrost.Progress, err error) {
	byName := map[string][]bifrost.Progress{}
	for _, p := range rows {
		if p.Fork() == 0 {
			byName[p.Name] = append(byName[p.Name], p)
		}
	}
	topics := make([][]bifrost.Progress, 0, len(byName))
	for _, topic := range byName {
		SortProgress(topic)
		topics = append(topics, topic)
	}
	found := make([][]bifrost.Progress, len(topics))
	look := func(ctx context.Context, i int) (err error) {
		found[i], err = goneOf(ctx, catalogue, topics[i])
		return err
	}
	if err := parallel.Try(ctx, goneAtOnce, parallel.NumbersBelow(len(topics)), look); err != nil {
		return nil, err
	}
	gone = slices.Concat(found...)
	SortProgress(gone)
	return gone, nil
}

// goneOf is GoneRows of one topic, whose rows are in order.
func goneOf(ctx context.Context, catalogue Catalogue, topic []bifrost.Progress) (gone []bifrost.Progress, err error) {
	add := func(number int32) {
		p := bifrost.Partition{Name: topic[0].Name, Number: number}
		gone = append(gone, bifrost.Progress{Partition: p, ClusterID: topic[0].ClusterID, TopicID: topic[0].TopicID})
	}
	next := int32(0)
	for _, p := range topic {
		for ; next < p.Number; next++ {
			add(next)
		}
		next++
	}
	for ; ; next++ {
		p := bifrost.Partition{Name: topic[0].Name, Number: next}
		ranges, err := catalogue.Rows(ctx, p, 0, 1)
		if err != nil {
			return nil, fmt.Errorf("read the catalogue of %s: %w", p, err)
		}
		if len(ranges) == 0 {
			return gone, nil
		}
		add(next)
	}
}

// DescribeGone is an error that wraps [ErrRowGone] and names the first of the partitions; nil
// if there are none.
func DescribeGone(gone []bifrost.Progress) error {
	switch len(gone) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("the progress row of %s is gone or not made yet: %w", gone[0].Partition, ErrRowGone)
	}
	return fmt.Errorf("the progress rows of %d partitions are gone or not made yet, the first of them %s: %w",
		len(gone), gone[0].Partition, ErrRowGone)
}

// CheckRows is an error that wraps [ErrRowGone] if partitions of the topics of the rows, which
// are all of their names, have no progress row.
func CheckRows(ctx context.Context, catalogue Catalogue, rows []bifrost.Progress) error {
	gone, err := GoneRows(ctx, catalogue, rows)
	if err != nil {
		return err
	}
	return DescribeGone(gone)
}
