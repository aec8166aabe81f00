package replay

import (
	"fmt"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Job is what a replay does, with bounds that do not move while it runs.
type Job struct {
	ID         string      `json:"id"`
	Rekey      bool        `json:"rekey"` // choose partitions by key, as producers do, instead of keeping them
	Since      int64       `json:"since"` // timestamps, in milliseconds since the Unix epoch, half-open; Until 0 for no end
	Until      int64       `json:"until"`
	Partitions []Partition `json:"partitions"`
}

// Partition is one source partition of a job.
type Partition struct {
	Source string `json:"source"` // name of the incarnation in the archive
	Number int32  `json:"number"`
	Start  int64  `json:"start"` // source offsets, half-open
	End    int64  `json:"end"`
	Target string `json:"target"` // topic
}

// Key is the partition in the archive.
func (p Partition) Key() bifrost.Partition {
	return bifrost.Partition{Name: p.Source, Number: p.Number}
}

// sameAs reports what two jobs of one ID disagree about beside their bounds: a
// replay goes on only if it is the same one. The job may have partitions that the
// other, which was begun earlier, has not: those are left for another replay.
func (j Job) sameAs(other Job) error {
	if j.Rekey != other.Rekey {
		return fmt.Errorf("replay %s was begun with another choice of partitions: use its flags, or another --id", j.ID)
	}
	targets := map[bifrost.Partition]string{}
	for _, p := range j.Partitions {
		targets[p.Key()] = p.Target
	}
	for _, p := range other.Partitions {
		if target, asked := targets[p.Key()]; !asked || target != p.Target {
			return fmt.Errorf("replay %s was begun with %s to topic %s, and that is not asked for now: use its arguments, or another --id", j.ID, p.Key(), p.Target)
		}
	}
	return nil
}

// A Stretch is what one transaction has replayed.
type Stretch struct {
	Source  string    `json:"source"`
	Number  int32     `json:"number"`
	Start   int64     `json:"start"` // source offsets, half-open: all of them with a record are replayed
	End     int64     `json:"end"`
	Records int64     `json:"records"`
	Bytes   int64     `json:"bytes"` // of keys and values
	Target  string    `json:"target"`
	Map     []Mapping `json:"map"`
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

// add puts a mapping into the map. What follows on the last one becomes part of it.
func (s *Stretch) add(m Mapping) {
	if n := len(s.Map); n > 0 {
		last := &s.Map[n-1]
		if last.Partition == m.Partition && last.Source+last.Count == m.Source && last.Target+last.Count == m.Target {
			last.Count += m.Count
			return
		}
	}
	s.Map = append(s.Map, m)
}
