// What one worker does at a time.

package job

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/replay"
)

// Item is what one worker does at a time: a line of items.jsonl. Of Parts, Group,
// Partitions, Slice and Exports it has one; the item of a restore without records has none.
type Item struct {
	Number int `json:"item"` // from 1
	// Records and Bytes are what the catalogue says that there is to do.
	Records    int64       `json:"records"`
	Bytes      int64       `json:"bytes"`
	Parts      []Part      `json:"parts,omitempty"`      // replayed one after the other
	Group      bool        `json:"group,omitempty"`      // verify what belongs to no partition
	Partitions []Partition `json:"partitions,omitempty"` // verify their rows and the ends of their objects
	Slice      *Slice      `json:"slice,omitempty"`      // decode these objects
	Exports    []Slice     `json:"exports,omitempty"`    // export these objects, one slice after the other
}

// Partition names one of the archive.
type Partition struct {
	Topic  string `json:"topic"` // as the archive calls it
	Number int32  `json:"partition"`
}

func (p Partition) rule() bifrost.Partition {
	return bifrost.Partition{Name: p.Topic, Number: p.Number}
}

func partitionOf(p bifrost.Partition) Partition { return Partition{Topic: p.Name, Number: p.Number} }

// Slice are the objects of a partition that start at offsets in [Start, End).
type Slice struct {
	Partition
	Start int64 `json:"start"`
	End   int64 `json:"end"` // endless for all that follow
}

func sliceOf(p bifrost.Partition, starts bifrost.Range) *Slice {
	return &Slice{partitionOf(p), starts.Start, min(starts.End, endless)}
}

func (s Slice) starts() bifrost.Range {
	if s.End == endless {
		s.End = math.MaxInt64
	}
	return bifrost.Range{Start: s.Start, End: s.End}
}

// Part is a replay.Part in JSON: a source partition, its end fixed, and the topic that
// it goes to.
type Part struct {
	Partition
	Life   string      `json:"life"`
	Target string      `json:"target"`
	Span   replay.Span `json:"span"`
	Others []Life      `json:"others,omitempty"`
}

// Life is another life of the topic.
type Life struct {
	Topic      string  `json:"topic"`
	Life       string  `json:"life"`
	Partitions []int32 `json:"partitions"`
	Newer      bool    `json:"newer,omitempty"`
	Apart      bool    `json:"apart,omitempty"`
}

// endless stands in an item for times and offsets without an end. The state machine hands items on, and its
// numbers are those of JavaScript: a larger one comes back as another.
const endless = 1 << 53

func partOf(p replay.Part) Part {
	part := Part{Partition: partitionOf(p.Source), Life: p.Life, Target: p.Target, Span: p.Ask}
	if p.Ask.Bounded() {
		part.Span.Until = min(p.Ask.Until, endless)
	}
	for _, l := range p.Others {
		part.Others = append(part.Others, Life{Topic: l.Name, Life: l.Life, Partitions: l.Numbers, Newer: l.Newer,
			Apart: l.Apart})
	}
	return part
}

func (p Part) rule() replay.Part {
	part := replay.Part{Source: p.Partition.rule(), Life: p.Life, Target: p.Target, Ask: p.Span}
	if p.Span.Until == endless {
		part.Ask.Until = math.MaxInt64
	}
	for _, l := range p.Others {
		part.Others = append(part.Others, replay.Life{
			Name:    l.Topic,
			Life:    l.Life,
			Numbers: l.Partitions,
			Newer:   l.Newer,
			Apart:   l.Apart,
		})
	}
	return part
}

// maxItems is how many items a job has at most: with "{}" or an error code from each,
// their outputs together stay below the 256 KiB that a state may hand on. It is a
// variable because tests make it tiny.
var maxItems = 20_000

// together puts items of parts or exports together until there are no more than maxItems. The
// largest come first, so that none is begun when all others are at their end.
func together(items []Item) []Item {
	slices.SortStableFunc(items, func(a, b Item) int { return cmp.Compare(b.Bytes, a.Bytes) })
	kept := items[:min(len(items), maxItems)]
	for i, item := range items[len(kept):] {
		// There and back again: the smallest of the second round goes to the largest of the first.
		into := &kept[i%maxItems]
		if (i/maxItems)%2 == 0 {
			into = &kept[maxItems-1-i%maxItems]
		}
		into.Parts = append(into.Parts, item.Parts...)
		into.Exports = append(into.Exports, item.Exports...)
		into.Records += item.Records
		into.Bytes += item.Bytes
	}
	return numbered(kept)
}

func numbered(items []Item) []Item {
	for i := range items {
		items[i].Number = i + 1
	}
	return items
}

// encodeItems writes JSON lines.
func encodeItems(items []Item) ([]byte, error) {
	var lines bytes.Buffer
	for _, item := range items {
		line, err := json.Marshal(item)
		if err != nil {
			return nil, fmt.Errorf("write item %d: %w", item.Number, err)
		}
		lines.Write(append(line, '\n'))
	}
	return lines.Bytes(), nil
}

// decodeItems reads them.
func decodeItems(lines []byte) ([]Item, error) {
	var items []Item
	for line := range bytes.Lines(lines) {
		var item Item
		if err := json.Unmarshal(line, &item); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(items)+1, err)
		}
		items = append(items, item)
	}
	return items, nil
}
