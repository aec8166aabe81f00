// How far a pair has come.

package replay

import (
	"fmt"
	"slices"
)

// Position is how far a pair has come. It does not grow with what is replayed: what
// does, the map of offsets, is in the stretches.
type Position struct {
	Source  string `json:"source"` // partition of the archive, and topic, for people
	Target  string `json:"target"`
	Stretch int64  `json:"stretch"` // number of the last stretch; stretches above it have been taken back
	Written spans  `json:"written"`
	Highest int64  `json:"highest"`         // source offset after the highest one that was written
	Again   *Span  `json:"again,omitempty"` // what --again asked for and is not written a second time yet
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"` // of keys and values
	Marks   []Mark `json:"marks"` // of target partitions that were written to
	// IDs of those that wrote it; Kafka forgets them after a week, and gives others
	Producers []int64 `json:"producers"`
	// Partitions is how many partitions the target had when records were last put into
	// them by key; 0 when they never were.
	Partitions int32 `json:"partitions,omitempty"`
}

// A Mark is the last batch that a pair has written to a partition of the target. The
// log is asked for it before anything is believed.
type Mark struct {
	Partition  int32 `json:"partition"`
	First      int64 `json:"first"` // offset of the first record of all that was written
	Base       int64 `json:"base"`  // of the batch's first record
	Count      int32 `json:"count"`
	ProducerID int64 `json:"producer_id"`
	Epoch      int16 `json:"epoch"`
	Sequence   int32 `json:"sequence"` // of its first record
	// Foreign is the first record of the partition that no replay has written, as far as
	// one has noticed.
	Foreign *int64 `json:"foreign,omitempty"`
}

// nextOffset is the offset after the last record.
func (m Mark) nextOffset() int64 { return m.Base + int64(m.Count) }

// A Stretch is what one transaction has written: its part of the map of offsets.
type Stretch struct {
	Number  int64  `json:"number"` // 1 for a pair's first
	Source  string `json:"source"`
	Part    int32  `json:"partition"`
	Target  string `json:"target"`
	Span    Span   `json:"span"`
	Again   bool   `json:"again,omitempty"` // it was written before
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
	// Partitions is how many the target has, if they are chosen by key.
	Partitions int32     `json:"partitions,omitempty"`
	Marks      []Mark    `json:"marks"`
	Map        []Mapping `json:"map"`
}

// A Mapping maps Count consecutive offsets of the source partition to as many
// consecutive ones of one target partition. In JSON it is a list of four numbers.
type Mapping struct {
	Source    int64
	Partition int32 // of the target
	Target    int64
	Count     int64
}

// MarshalJSON implements json.Marshaler.
func (m Mapping) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "[%d,%d,%d,%d]", m.Source, m.Partition, m.Target, m.Count), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *Mapping) UnmarshalJSON(text []byte) error {
	if _, err := fmt.Sscanf(string(text), "[%d,%d,%d,%d]", &m.Source, &m.Partition, &m.Target, &m.Count); err != nil {
		return fmt.Errorf("mapping %s: want [source offset, target partition, target offset, count]: %w", text, err)
	}
	return nil
}

// addMapping puts a mapping into the map. What follows on the last one becomes part of it.
func (s *Stretch) addMapping(m Mapping) {
	if n := len(s.Map); n > 0 {
		last := &s.Map[n-1]
		if last.Partition == m.Partition && last.Source+last.Count == m.Source && last.Target+last.Count == m.Target {
			last.Count += m.Count
			return
		}
	}
	s.Map = append(s.Map, m)
}

// withStretch is the position behind one more stretch.
func (p Position) withStretch(s Stretch) Position {
	p.Source, p.Target, p.Stretch = fmt.Sprintf("%s/%d", s.Source, s.Part), s.Target, s.Number
	p.Written = p.Written.addSpan(s.Span)
	p.Records += s.Records
	p.Bytes += s.Bytes
	p.Partitions = max(p.Partitions, s.Partitions)
	for _, m := range s.Map {
		p.Highest = max(p.Highest, m.Source+m.Count)
	}
	p.Marks, p.Producers = slices.Clone(p.Marks), slices.Clone(p.Producers)
	for _, mark := range s.Marks {
		if !slices.Contains(p.Producers, mark.ProducerID) {
			p.Producers = append(p.Producers, mark.ProducerID)
		}
		i := slices.IndexFunc(p.Marks, func(m Mark) bool { return m.Partition == mark.Partition })
		if i < 0 {
			p.Marks = append(p.Marks, mark)
			continue
		}
		mark.First = p.Marks[i].First
		if mark.Foreign == nil {
			mark.Foreign = p.Marks[i].Foreign
		}
		p.Marks[i] = mark
	}
	if p.Again != nil && s.Again {
		left := *p.Again
		if left.Start = max(left.Start, s.Span.End); left.Start >= left.End {
			p.Again = nil
		} else {
			p.Again = &left
		}
	}
	return p
}

// fold is the position behind these stretches and no others.
func fold(stretches []Stretch) Position {
	var p Position
	for _, s := range stretches {
		p = p.withStretch(s)
	}
	return p
}

// markIn is where the pair's last batch in a partition of the target is.
func (p Position) markIn(partition int32) (Mark, bool) {
	i := slices.IndexFunc(p.Marks, func(m Mark) bool { return m.Partition == partition })
	if i < 0 {
		return Mark{}, false
	}
	return p.Marks[i], true
}
