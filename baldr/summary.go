package baldr

// Kind says what an object stands for.
type Kind uint8

const (
	// KindRecords is an object that holds the records of its range.
	KindRecords Kind = iota
	// KindGap is an object without records: nobody can read those of its range
	// any more, and Summary.Reason says why.
	KindGap
)

// String returns the kind as the summary spells it.
func (k Kind) String() string {
	if k == KindGap {
		return "gap"
	}
	return "records"
}

// Missing counts the offsets of a range that have no record, by reason.
type Missing struct {
	Control   int64 `json:"control"`   // transaction markers (KIP-98)
	Aborted   int64 `json:"aborted"`   // records of aborted transactions
	Compacted int64 `json:"compacted"` // removed by log compaction before they were read
}

// A Summary is what an object says of itself, so that a bucket can be
// understood with nothing but its objects.
type Summary struct {
	Kind      Kind
	Reason    string // why a gap is one: "retention", "before_first_sight", "topic_deleted", ...; empty for records
	ClusterID string
	Topic     string
	TopicID   [16]byte // KIP-516; zero when the cluster has none
	Partition int32
	Start     int64 // the offsets of the range, half-open: [Start, End)
	End       int64
	Missing   Missing

	Records  int64
	RawBytes int64 // of the Baldr stream, that is 8 + len(value) a record, before compression

	// FirstTimestamp and LastTimestamp are the least and the greatest timestamp
	// of a record in milliseconds since the Unix epoch, -1 when none has one.
	// They are not those of the first and last record: producers' clocks differ.
	FirstTimestamp, LastTimestamp int64

	LastLeaderEpoch int32  // of the last batch read; -1 when unknown
	Writer          string // version of the program that wrote the object
}
