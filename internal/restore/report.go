// What a restore says of its result.

package restore

import "fmt"

// A Report says of a target what stands in it where it stood in the capture, and what
// does not, and why. As JSON it is what restore --json prints.
type Report struct {
	Cluster        string        `json:"cluster_id"` // that was captured
	At             string        `json:"at"`         // of the capture, RFC 3339 with milliseconds
	Capture        string        `json:"capture"`    // key of its positions
	Target         string        `json:"target_cluster_id"`
	Plan           bool          `json:"plan"`     // nothing was written
	Finish         bool          `json:"finish"`   // it is about putting settings back: of a plan, Lifted are those
	Complete       bool          `json:"complete"` // all records that can be restored are there
	Finished       bool          `json:"finished"` // no setting of any topic is lifted
	Topics         []TopicReport `json:"topics"`
	Groups         []GroupReport `json:"groups"`
	ACLs           []ACLReport   `json:"acls"`
	Differences    []Difference  `json:"differences"`
	NotRestored    []string      `json:"not_restored"` // what no restore puts back
	Records        int64         `json:"records"`      // that are there; of a plan, that will be
	Bytes          int64         `json:"bytes"`        // of keys and values; of a plan to restore, raw
	LeftRecords    int64         `json:"left_records"` // of a plan to restore, those of them that are not there yet
	LeftBytes      int64         `json:"left_bytes"`   // raw bytes of the same
	MissingOffsets int64         `json:"missing_offsets"`
	QuietTails     int           `json:"quiet_tails"` // partitions of which the tail had waited for its object
	Seconds        float64       `json:"seconds"`     // of this run; of a plan, an estimate
}

// TopicReport is about one topic.
type TopicReport struct {
	Topic      string `json:"topic"`
	Partitions int    `json:"partitions"`
	Replicas   int    `json:"replicas"` // in the target; of a plan, as captured
	Records    int64  `json:"records"`
	Bytes      int64  `json:"bytes"`
	Deleted    int64  `json:"deleted"` // that the target has deleted since they were written
	// of a plan to restore, about how many of the records are not there yet, and their raw bytes
	LeftRecords int64 `json:"left_records"`
	LeftBytes   int64 `json:"left_bytes"`
	// the codec of the batches that would be written; empty if none would, and of what is not a plan
	Compression string    `json:"compression"`
	Lifted      []Setting `json:"lifted"`
	// about as many records are deleted once finish has put retention back
	FinishLoses int64             `json:"finish_loses"`
	FinishDoes  string            `json:"finish_does"` // why; empty if it deletes nothing
	Ranges      []PartitionReport `json:"ranges"`
}

// PartitionReport is about one partition: source offsets, half-open.
type PartitionReport struct {
	Partition int32       `json:"partition"`
	Start     int64       `json:"start_offset"` // log start when it was captured
	End       int64       `json:"end_offset"`   // last stable offset when it was captured
	Restored  int64       `json:"restored_end"` // where what can be restored ends
	Branches  []string    `json:"branches"`     // names in the archive that its records come from
	Missing   []GapReport `json:"missing"`
}

// GapReport is a range of offsets that cannot be restored.
type GapReport struct {
	Start  int64  `json:"start_offset"`
	End    int64  `json:"end_offset"`
	Reason string `json:"reason"`
	Quiet  bool   `json:"quiet_tail"` // it waited for its object, as the last records of quiet partitions do
}

// GroupReport is about one group.
type GroupReport struct {
	Group     string           `json:"group"`
	Type      string           `json:"group_type"`
	State     string           `json:"state"`  // when it was captured
	Stands    bool             `json:"stands"` // all its positions do
	Reason    string           `json:"reason"` // why nothing was put back; empty otherwise
	Positions []PositionReport `json:"positions"`
}

// PositionReport is where a group stands in one partition.
type PositionReport struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Source    int64  `json:"source_offset"` // that it had committed
	Target    int64  `json:"target_offset"` // its image
	Next      int64  `json:"next_offset"`   // of the record that it reads next, in the source; -1 at the end
	Committed *int64 `json:"committed"`     // what the target has; null: nothing, or not looked at
	Stands    bool   `json:"stands"`
	Reason    string `json:"reason"` // why it does not; empty if it does
}

// ACLReport is about one ACL.
type ACLReport struct {
	ACL    string `json:"acl"`
	Stands bool   `json:"stands"`
	Reason string `json:"reason"`
}

// Difference is something that does not stand where it stood.
type Difference struct {
	Kind   string `json:"kind"` // topic, partition, group, acl, capture
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

func (r *Report) differs(kind, name, format string, args ...any) {
	r.Differences = append(r.Differences, Difference{kind, name, fmt.Sprintf(format, args...)})
}

// Stands reports whether everything that was asked for stands where it stood.
func (r *Report) Stands() bool { return len(r.Differences) == 0 }
