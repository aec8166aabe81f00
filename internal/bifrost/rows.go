// The rows of the two tables.

package bifrost

import (
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
)

// Status is the state of a partition in its progress row.
type Status string

// The states of a partition.
const (
	// made, but older uploads under its prefix may still complete; nothing is planned
	StatusFencing  Status = "FENCING"
	StatusOpen     Status = "OPEN"     // archived as the schedule goes
	StatusBlocked  Status = "BLOCKED"  // archived as far as a transaction that does not end lets anybody read
	StatusDiverged Status = "DIVERGED" // the log was cut below what is planned; a person decides
	// DIVERGED, and a person decided: the log goes on under the name of a fork, this one is complete as it is
	StatusForked Status = "FORKED"
	StatusClosed Status = "CLOSED" // the topic was deleted and everything below its last known end is accounted for
)

// Workable reports whether ranges of the partition may be planned and archived.
func (s Status) Workable() bool { return s == StatusOpen || s == StatusBlocked }

// State is the state of a range in its row.
type State string

// The states of a range. A row leaves PLANNED once, when its object is durable.
const (
	StatePlanned  State = "PLANNED"
	StateArchived State = "ARCHIVED" // its records are in the object
	StateLost     State = "LOST"     // a gap: the object records why nobody can read the records any more
)

// Done reports whether the range is settled for good.
func (s State) Done() bool { return s == StateArchived || s == StateLost }

// The reasons of a gap. They are written into the summary of the gap's object
// and into the row.
const (
	ReasonBeforeFirstSight = "before_first_sight" // deleted by Kafka before Bifrost first saw the partition; no alarm
	ReasonSkipped          = "skipped"            // below the start position that the configuration asked for
	ReasonRetention        = "retention"          // deleted by Kafka before it was archived
	// the same, and the topic's own limits cannot have been it: somebody asked for it
	ReasonRequest      = "deleted_by_request"
	ReasonTopicDeleted = "topic_deleted" // the topic was deleted before it was archived
	ReasonForked       = "forked"        // below the fork: these offsets are those of the branch it left
	ReasonDiverged     = "diverged"      // planned of a branch that was cut off before it was archived
	ReasonErased       = "erased"        // archived, and its object is gone for good by somebody's decision
)

// GapKind says what a gap means for the archive.
type GapKind uint8

// The kinds of gaps.
const (
	GapLost    GapKind = iota // records were there to be archived, and Kafka deleted them first
	GapApart                  // nothing that was to be archived here
	GapRemoved                // taken out on purpose
)

// gapReasons explains every reason that Bifrost writes.
var gapReasons = map[string]struct {
	kind  GapKind
	words string
}{
	ReasonRetention:        {GapLost, "Kafka deleted it by its retention before it was archived"},
	ReasonTopicDeleted:     {GapLost, "the topic was deleted before it was archived"},
	ReasonBeforeFirstSight: {GapApart, "Kafka had deleted it before Bifrost first saw the partition"},
	ReasonSkipped:          {GapApart, "below the start that the settings ask for"},
	ReasonForked:           {GapApart, "below the fork: in the objects of the branch that was left"},
	ReasonDiverged:         {GapRemoved, "Kafka cut it off its log before it was archived"},
	ReasonRequest:          {GapRemoved, "somebody had Kafka delete it (DeleteRecords)"},
	ReasonErased:           {GapRemoved, "its object was erased, and somebody recorded that"},
}

// ExplainGap says what a gap of a reason means. A reason that this version does not know is
// no good news.
func ExplainGap(reason string) (kind GapKind, words string) {
	if known, ok := gapReasons[reason]; ok {
		return known.kind, known.words
	}
	return GapLost, "a reason that this version of bifrost does not know"
}

// DescribeGap says of the offsets of a gap what they are, in the words of the glossary: "lost
// (retention): ...", "in a gap, no loss (skipped): ...", "in a gap, taken out (erased): ...".
func DescribeGap(reason string) string {
	kind, words := ExplainGap(reason)
	as := map[GapKind]string{GapLost: "lost", GapApart: "in a gap, no loss", GapRemoved: "in a gap, taken out"}
	return as[kind] + " (" + reason + "): " + words
}

// IsLoss reports whether a gap of this reason is news. What was gone before Bifrost
// started, what the configuration leaves out and what a person had erased is not.
func IsLoss(reason string) bool { return reason == ReasonRetention || reason == ReasonTopicDeleted }

// Observation is what one tick read of a partition in Kafka.
type Observation struct {
	LogStart      int64     // first offset that can be read
	LastStable    int64     // end of what a read_committed consumer may read (KIP-98)
	HighWatermark int64     // end of what is replicated
	LeaderEpoch   int32     // epoch of the leader that answered (KIP-101), -1 unknown
	At            time.Time // when the tick asked
	// when Kafka may delete the first record that is not archived; zero when no limit threatens it
	LossAt time.Time
}

// Totals are the sums over all rows below next_offset.
type Totals struct {
	Records     int64 `json:"records"`      // records in objects
	RawBytes    int64 `json:"raw_bytes"`    // Baldr frames before compression
	StoredBytes int64 `json:"stored_bytes"` // bytes of the objects
	// offsets in archived ranges without a record: markers, aborted, compacted
	Missing int64 `json:"missing_offsets"`
	Lost    int64 `json:"gap_offsets"` // offsets in recorded gaps, lost or not
}

// Add counts a settled row.
func (t *Totals) Add(r Row) {
	f := r.Facts
	t.Records += f.Records
	t.RawBytes += f.RawBytes
	t.StoredBytes += f.StoredBytes
	t.Missing += SumMissing(f.Missing)
	if r.State == StateLost {
		t.Lost += r.Len()
	}
}

// SumMissing is how many offsets an object has no record for.
func SumMissing(m baldr.Missing) int64 { return m.Control + m.Aborted + m.Compacted }

// Progress is one row of the progress table: one partition of one incarnation.
type Progress struct {
	Partition
	ClusterID  string
	TopicID    TopicID
	Generation string // fresh each time the row is made; every conditional write names it
	Status     Status
	Error      string // the last failure, for people; empty when the last attempt went well

	NextOffset    int64 // everything below is archived or a recorded gap
	PlannedOffset int64 // everything below is planned
	KnownUntil    int64 // objects or rows of an earlier row of this partition exist below this: plan along them
	FirstLogStart int64 // log start when the row was made
	StartOffset   int64 // archiving begins here; 0 or FirstLogStart unless a start position was configured

	Observation          // as of the last plan or change of status
	Totals               // sums below NextOffset
	RecentRawBytes int64 // raw bytes of the last archived range ...
	RecentOffsets  int64 // ... and its length in offsets: the size of what comes next is estimated from them
	PlannedEpoch   int32 // leader epoch under which PlannedOffset was seen to be in the log, -1 unknown
	LastObject     string
	LastRecordAt   time.Time // timestamp of the newest record below NextOffset; zero when none
	LastArchivedAt time.Time
	LastPlannedAt  time.Time // when the row was made, before the first plan
	Series         string    // of the TablesMark that the row was made for by a rebuild; empty when a tick made it
	// when what was open under the prefix was aborted; zero while that is to be done, or had not to be waited for
	FencedAt    time.Time
	Suspicion   string    // what the last tick found wrong and the next must confirm; empty when nothing
	SuspectedAt time.Time // when it was first seen; zero when nothing
	Trouble     Trouble   // what keeps ticks from the partition
}

// Lag is how many offsets the archive is behind what can be read, as of the
// observation. Of a branch that was left nothing is read any more.
func (p Progress) Lag() int64 {
	if p.Status == StatusForked {
		return 0
	}
	return max(0, p.LastStable-p.NextOffset)
}

// Facts are what an object says of itself, with what the store says of it. They
// go into the row that the object settles.
type Facts struct {
	Key            string
	Kind           baldr.Kind
	Reason         string // of a gap
	Range                 // what the object holds; it may end before or after the row
	Records        int64
	Missing        baldr.Missing
	RawBytes       int64
	StoredBytes    int64
	FirstTimestamp int64  // milliseconds since the Unix epoch, -1 when no record
	LastTimestamp  int64  // milliseconds since the Unix epoch, -1 when no record
	Checksum       string // CRC64NVME of the object, base64, as the store gives it
	LeaderEpoch    int32  // of the last batch, -1 unknown
}

// State is the state of a row that the facts settle.
func (f Facts) State() State {
	if f.Kind == baldr.KindGap {
		return StateLost
	}
	return StateArchived
}

// Row is one row of the objects table: one range of one partition.
type Row struct {
	Partition
	Range
	ClusterID string // empty in rows that an older Bifrost planned
	TopicID   TopicID
	State     State
	GapReason string // of a PLANNED row: write a gap with this reason, do not ask Kafka; of a LOST row: why
	Facts     Facts  // of a settled row
	Attempts  int    // how often it was given to a function
	// the function that has it in hand, see [Invocation]; empty when none has, and in leases of older versions
	Invocation string
	// when it failed, the end of its pause; for older versions, and to find what nobody has in
	// hand: a hint, never a lock
	LeaseUntil time.Time
	PlannedAt  time.Time
	LossAt     time.Time // of the partition, as the plan saw it: what is nearest to loss goes first
	Expected   int64     // raw bytes that the plan expects of it; 0 unknown
	ArchivedAt time.Time
	Error      string // of the last failed attempt; a new lease clears it
	StoppedAt  int64  // of a PLANNED row: offset at which an attempt last could not read on, 0 never; above Start
}
