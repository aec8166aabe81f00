// Where an offset of the source is in the target.

package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ErrRekeyed says that records were put into partitions by key: an offset of the
// source has no image then, since what is read next may be in any partition.
var ErrRekeyed = errors.New("records were put into partitions by key (--rekey), so that an offset of the source has " +
	"no image")

// An Image is where whoever stands at an offset of the source goes on in the target:
// at the first record whose offset in the source is not below it.
type Image struct {
	Target int64 // offset in the target
	Source int64 // of that record in the source; -1 at the end: no such record was written
}

// AtEnd reports whether nothing that was written is left to read.
func (i Image) AtEnd() bool { return i.Source < 0 }

// A Lookup asks for the images of offsets of one source partition.
type Lookup struct {
	Part    PartOutlook // as the run ended, or as [Look] found it
	Offsets []int64
}

// Images finds the images of all offsets, in their order. They are exact: the map was
// committed with the records. At the end, an image is the target's last stable offset,
// behind the markers of the transactions, so that no lag is left. Records that the
// target has deleted since have images below its log start, as they had in the source.
func Images(ctx context.Context, lookups []Lookup, options Options) ([][]Image, error) {
	client, err := kgo.NewClient(options.Client...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	c := cluster{client}
	images := make([][]Image, len(lookups))
	byShard := map[int32][]int{}
	for i, l := range lookups {
		if !l.Part.made {
			return nil, fmt.Errorf("topic %s is not there: nothing of %s was replayed", l.Part.Target, l.Part.Source)
		}
		if l.Part.Position.Partitions != 0 {
			return nil, fmt.Errorf("%s in topic %s: %w", l.Part.Source, l.Part.Target, ErrRekeyed)
		}
		shard := l.Part.pair.mapShard()
		byShard[shard] = append(byShard[shard], i)
	}
	for shard, numbers := range byShard {
		if err := c.imagesIn(ctx, shard, lookups, numbers, images); err != nil {
			return nil, err
		}
	}
	return images, c.imagesAtEnds(ctx, lookups, images)
}

// imagesIn answers those lookups whose maps are in one partition of the state topic,
// which is read once for all of them, and forgotten.
func (c cluster) imagesIn(ctx context.Context, shard int32, lookups []Lookup, numbers []int, images [][]Image) error {
	return insist(ctx, func(ctx context.Context) error {
		state, err := c.newStateReader(ctx)
		if err != nil {
			return err
		}
		for _, i := range numbers {
			p := lookups[i].Part
			stretches, err := state.readStretches(ctx, p.pair, p.Position)
			if err != nil {
				return fmt.Errorf("read the offset map of %s: %w", p.Source, err)
			}
			if last := p.Position.Stretch; last > 0 && (len(stretches) == 0 ||
				stretches[len(stretches)-1].Number != last) {
				return fmt.Errorf("the offset map of %s in topic %s ends before stretch %d: %w", p.Source, stateTopic,
					last, errUndecided)
			}
			images[i] = imagesOf(stretches, lookups[i].Offsets)
		}
		return nil
	})
}

// imagesOf looks the offsets up in a map; those behind it have no source.
func imagesOf(stretches []Stretch, offsets []int64) []Image {
	var all []Mapping
	for _, s := range stretches {
		all = append(all, s.Map...)
	}
	// What was written more than once (--again) has several images. The first is taken:
	// from there on everything comes.
	slices.SortFunc(all, func(a, b Mapping) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Target, b.Target))
	})
	reach := make([]int64, len(all)) // the highest source offset up to here, plus one
	for i, m := range all {
		reach[i] = m.Source + m.Count
		if i > 0 {
			reach[i] = max(reach[i], reach[i-1])
		}
	}
	images := make([]Image, len(offsets))
	for n, offset := range offsets {
		images[n] = Image{-1, -1}
		// The first mapping that reaches beyond the offset has it, or the record after it.
		i, _ := slices.BinarySearch(reach, offset+1)
		if i == len(all) {
			continue
		}
		source := max(offset, all[i].Source)
		images[n] = Image{all[i].Target + source - all[i].Source, source}
		for ; i < len(all) && all[i].Source <= source; i++ {
			if m := all[i]; source < m.Source+m.Count {
				images[n].Target = min(images[n].Target, m.Target+source-m.Source)
			}
		}
	}
	return images
}

// imagesAtEnds fills in where the ends are. A transaction is committed before its marker
// is in the log; the last one is waited for.
func (c cluster) imagesAtEnds(ctx context.Context, lookups []Lookup, images [][]Image) error {
	var topics []string
	for i, l := range lookups {
		if slices.ContainsFunc(images[i], Image.AtEnd) {
			topics = append(topics, l.Part.Target)
		}
	}
	slices.Sort(topics)
	topics = slices.Compact(topics)
	for some := range slices.Chunk(topics, endsAtOnce) {
		err := insist(ctx, func(ctx context.Context) error { return c.fillEnds(ctx, some, lookups, images) })
		if err != nil {
			return fmt.Errorf("ask the target cluster where its logs end: %w", err)
		}
	}
	return nil
}

// endsAtOnce is for how many topics ends are asked at once.
const endsAtOnce = 500

func (c cluster) fillEnds(ctx context.Context, topics []string, lookups []Lookup, images [][]Image) error {
	ends, err := kadm.NewClient(c.client).ListCommittedOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return err
	}
	for i, l := range lookups {
		partition := l.Part.Source.Number
		end, asked := ends.Lookup(l.Part.Target, partition)
		if !asked {
			continue
		}
		if mark, some := l.Part.Position.markIn(partition); some && end.Offset <= mark.nextOffset() {
			return fmt.Errorf("topic %s, partition %d: %w", l.Part.Target, partition, errUndecided)
		}
		for n, image := range images[i] {
			if image.AtEnd() {
				images[i][n].Target = end.Offset
			}
		}
	}
	return nil
}
