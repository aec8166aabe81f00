// What can be wrong.

package verify

import (
	"slices"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Violation is one thing that is not as it has to be.
type Violation struct {
	Kind Kind `json:"kind"`
	// as Name; of a violation about a whole topic Kafka's name; empty when a key names none
	Topic              string `json:"topic"`
	bifrost.TopicNames        // Name is empty when it is about the whole topic
	Partition          int32  `json:"partition"`    // -1 when it is about the whole topic
	Start              int64  `json:"start_offset"` // -1 when it is not about offsets
	End                int64  `json:"end_offset"`   // first offset after it; -1 when it is not about offsets
	Key                string `json:"key"`          // in the bucket; empty when it is not about an object
	Expected           string `json:"expected"`
	Found              string `json:"found"`
	Next               string `json:"next"` // what a person does about it
}

// Kind says what is wrong. The words are stable: scripts may rely on them.
type Kind string

// The kinds of violations; docs/verify.md explains each.
const (
	// Of the progress table.
	ProgressMissing    Kind = "progress_missing"     // rows or objects of a partition without a progress row
	ProgressInvalid    Kind = "progress_invalid"     // a progress row that no rule writes
	NextOffsetWrong    Kind = "next_offset_wrong"    // next_offset is not the end of the settled prefix
	PlannedOffsetWrong Kind = "planned_offset_wrong" // planned_offset is not the end of a row
	TotalsWrong        Kind = "totals_wrong"         // totals are not the sums of the rows below next_offset

	// Of the objects table.
	RowMissing       Kind = "row_missing"        // no row covers these offsets
	RowsOverlap      Kind = "rows_overlap"       // two rows cover these offsets
	RowBeyondPlanned Kind = "row_beyond_planned" // a row that starts at or after planned_offset
	RowInvalid       Kind = "row_invalid"        // a row that no rule writes

	// Of the bucket.
	ObjectMissing    Kind = "object_missing"     // a settled row's object is not there
	ObjectSize       Kind = "object_size"        // it has another size than its row says
	ObjectChecksum   Kind = "object_checksum"    // its bytes are not those that were archived
	ObjectDamaged    Kind = "object_damaged"     // it cannot be read as what it is
	ObjectMisplaced  Kind = "object_misplaced"   // it holds another partition or another start than its key says
	ObjectMismatch   Kind = "object_mismatch"    // its summary and its row disagree
	ObjectContent    Kind = "object_content"     // its records are not what its summary says (deep)
	ObjectWithoutRow Kind = "object_without_row" // no row settles it, and none will
	ObjectsOverlap   Kind = "objects_overlap"    // two objects hold these offsets
	// something in the archive's part of the bucket that Bifrost did not write
	ForeignObject  Kind = "foreign_object"
	MarkerMissing  Kind = "marker_missing"  // nothing says which incarnation owns a topic's plain path
	MarkerInvalid  Kind = "marker_invalid"  // the marker cannot be read, or is about another topic
	MarkerMismatch Kind = "marker_mismatch" // the marker and a progress row disagree about an incarnation's name

	TablesOlder  Kind = "tables_older"  // the tables are a backup of before what the bucket has
	MarkMissing  Kind = "mark_missing"  // a mark is gone by which older tables would be known
	BirthMissing Kind = "birth_missing" // nothing says that the partition's prefix was ever used

	ForkMissing Kind = "fork_missing" // nothing says where a branch of a cut log begins
	ForkInvalid Kind = "fork_invalid" // the record of a fork cannot be read, or disagrees with the progress row

	// Against Kafka.
	RecordMissing Kind = "record_missing" // Kafka has a record that the archive lacks
	// the archive has records that Kafka does not have and did not compact away
	RecordExtra      Kind = "record_extra"
	RecordDiffers    Kind = "record_differs"     // Kafka has another record at this offset
	GapStillReadable Kind = "gap_still_readable" // a recorded gap whose records Kafka still has
)

// fixIt is the next step where the bucket proves what is right.
const fixIt = "run bifrost verify --fix, which shows what it would do and asks"

// putBack is the next step where an object is not the one that was archived.
const putBack = "restore the object that was archived (an older version, a replica; docs/verify.md has the " +
	"commands); only if no version of it is left anywhere, move what is there out of the archive's prefix, and run " +
	"bifrost accept erased to record that"

var violationKinds = []struct {
	kind Kind
	next string
}{
	{ProgressMissing, "run bifrost rebuild"},
	{ProgressInvalid, fixIt},
	{NextOffsetWrong, "let discover tick once and verify again; if it stays, " + fixIt},
	{PlannedOffsetWrong, fixIt},
	{TotalsWrong, fixIt},
	{RowMissing, "run bifrost rebuild"},
	{RowsOverlap, "find out who wrote the tables beside Bifrost, and which of the rows (partition_key, " +
		"start_offset) of the objects table begins where no other ends; with the stack stopped and a backup of the " +
		"table made, take that one away, then run bifrost rebuild --anew for the topic"},
	{RowBeyondPlanned, fixIt},
	{RowInvalid, fixIt},
	{ObjectMissing, "run bifrost verify --fix, which brings back what a delete marker hides; otherwise restore the " +
		"object (an older version, a replica; docs/verify.md has the commands); only if no version of it is left " +
		"anywhere, run bifrost accept erased to record that"},
	{ObjectSize, putBack},
	{ObjectChecksum, putBack},
	{ObjectDamaged, putBack},
	{ObjectMisplaced, "restore the object that was archived at this key (an older version, a replica)"},
	{ObjectMismatch, "if the checksum is right, the row was edited: " + fixIt + "; otherwise restore the object"},
	{ObjectContent, "keep the object and report a bug: it was written this way"},
	{ObjectWithoutRow, "run bifrost rebuild; if it stays, move the object out of the archive's prefix"},
	{ObjectsOverlap, "find out whether two stacks with tables of their own share the bucket; readers by the " +
		"catalogue see each offset once"},
	{ForeignObject, "move it out of the archive's prefix"},
	{MarkerMissing, "run bifrost rebuild before a topic of this name is made anew"},
	{MarkerInvalid, "restore the marker (an older version, a replica)"},
	{MarkerMismatch, "restore the marker (an older version, a replica); if it is right, run bifrost rebuild --anew " +
		"for the topic"},
	{TablesOlder, "rule out that another stack's tables, bucket or group are named; then run bifrost rebuild, for " +
		"all topics, until it is through"},
	{MarkMissing, "run bifrost rebuild --anew, for all topics, when there is time for its pause"},
	{BirthMissing, "run bifrost rebuild"},
	{ForkMissing, "run bifrost verify --fix, which brings it back if a delete marker hides it; otherwise restore the " +
		"record (an older version, a replica)"},
	{ForkInvalid, "restore the record (an older version, a replica); if it is right, run bifrost rebuild --anew " +
		"for the topic"},
	{RecordMissing, "keep the object and report a bug, with the topic's settings; export the records from Kafka " +
		"before its retention deletes them"},
	{RecordExtra, "look whether the log was cut (DIVERGED, unclean leader election); if not, report a bug"},
	{RecordDiffers, "look whether the log was cut (DIVERGED, unclean leader election); if not, report a bug"},
	{GapStillReadable, "export the records from Kafka before its retention deletes them; unless a broker died soon " +
		"after it had deleted them, report a bug"},
}

// Kinds lists all kinds in the order of docs/verify.md.
func Kinds() []Kind {
	kinds := make([]Kind, len(violationKinds))
	for i, k := range violationKinds {
		kinds[i] = k.kind
	}
	return kinds
}

func (k Kind) nextStep() string {
	i := slices.IndexFunc(violationKinds, func(known struct {
		kind Kind
		next string
	}) bool {
		return known.kind == k
	})
	return violationKinds[i].next
}
