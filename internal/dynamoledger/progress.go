// A progress row as an item.

package dynamoledger

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// progressItem is a row of the progress table. The attributes are in the order in
// which somebody who looks for the first time would ask for them.
type progressItem struct {
	Topic     string `dynamodbav:"topic"`
	Partition int32  `dynamodbav:"partition"`
	Status    string `dynamodbav:"status"`
	Error     string `dynamodbav:"error,omitempty"`

	TickError      string `dynamodbav:"tick_error,omitempty"` // what keeps ticks from the partition
	TickErrorSince string `dynamodbav:"tick_error_since,omitempty"`
	TickErrorAt    string `dynamodbav:"tick_error_at,omitempty"` // when it was written

	NextOffset    int64  `dynamodbav:"next_offset"`
	PlannedOffset int64  `dynamodbav:"planned_offset"`
	Lag           int64  `dynamodbav:"lag"` // log_end_offset - next_offset; for people, never read back
	LogStart      int64  `dynamodbav:"log_start_offset"`
	LastStable    int64  `dynamodbav:"log_end_offset"`
	HighWatermark int64  `dynamodbav:"high_watermark"`
	LeaderEpoch   int32  `dynamodbav:"last_leader_epoch"` // -1 unknown
	ObservedAt    string `dynamodbav:"observed_at,omitempty"`
	// from observed_at on; absent when no limit threatens
	TimeToLoss *int64 `dynamodbav:"time_to_loss_seconds,omitempty"`

	Records     int64 `dynamodbav:"archived_records"`
	RawBytes    int64 `dynamodbav:"raw_bytes"`
	StoredBytes int64 `dynamodbav:"stored_bytes"`
	Missing     int64 `dynamodbav:"missing_offsets"`
	Lost        int64 `dynamodbav:"lost_offsets"`

	LastObject     string `dynamodbav:"last_object,omitempty"`
	LastRecordAt   string `dynamodbav:"last_record_at,omitempty"` // last_timestamp for people
	LastTimestamp  *int64 `dynamodbav:"last_timestamp,omitempty"`
	LastArchivedAt string `dynamodbav:"last_archived_at,omitempty"`
	LastPlannedAt  string `dynamodbav:"last_planned_at,omitempty"`

	ClusterID      string `dynamodbav:"cluster_id,omitempty"`
	TopicID        string `dynamodbav:"topic_id,omitempty"`
	Generation     string `dynamodbav:"generation"`
	KnownUntil     int64  `dynamodbav:"known_until"`
	FirstLogStart  int64  `dynamodbav:"first_log_start"`
	StartOffset    int64  `dynamodbav:"start_offset"`
	PlannedEpoch   int32  `dynamodbav:"planned_epoch"` // -1 unknown
	RecentRawBytes int64  `dynamodbav:"recent_raw_bytes"`
	RecentOffsets  int64  `dynamodbav:"recent_offsets"`
	Series         string `dynamodbav:"series,omitempty"`
	FencedAt       string `dynamodbav:"fenced_at,omitempty"`
	Suspicion      string `dynamodbav:"suspicion,omitempty"`
	SuspectedAt    string `dynamodbav:"suspected_at,omitempty"`
}

func progressKey(p bifrost.Partition) attributes {
	return attributes{"topic": textValue(p.Name), "partition": number(int64(p.Number))}
}

func encodeProgress(p bifrost.Progress) (attributes, error) {
	item := progressItem{
		Topic: p.Name, Partition: p.Number, Status: string(p.Status), Error: p.Error,
		NextOffset: p.NextOffset, PlannedOffset: p.PlannedOffset, Lag: p.LastStable - p.NextOffset,
		LogStart: p.LogStart, LastStable: p.LastStable, HighWatermark: p.HighWatermark,
		LeaderEpoch: p.LeaderEpoch, ObservedAt: iso(p.At), TimeToLoss: secondsToLoss(p.Observation),
		Records: p.Records, RawBytes: p.RawBytes, StoredBytes: p.StoredBytes, Missing: p.Missing, Lost: p.Lost,
		LastObject: p.LastObject, LastRecordAt: iso(p.LastRecordAt),
		LastArchivedAt: iso(p.LastArchivedAt), LastPlannedAt: iso(p.LastPlannedAt),
		ClusterID: p.ClusterID, TopicID: encodeTopicID(p.TopicID), Generation: p.Generation,
		KnownUntil: p.KnownUntil, FirstLogStart: p.FirstLogStart, StartOffset: p.StartOffset,
		PlannedEpoch: p.PlannedEpoch, RecentRawBytes: p.RecentRawBytes, RecentOffsets: p.RecentOffsets,
		Series: p.Series, FencedAt: iso(p.FencedAt), Suspicion: p.Suspicion, SuspectedAt: iso(p.SuspectedAt),
		TickError: p.Trouble.Error, TickErrorSince: iso(p.Trouble.Since), TickErrorAt: iso(p.Trouble.At),
	}
	if !p.LastRecordAt.IsZero() {
		ms := p.LastRecordAt.UnixMilli()
		item.LastTimestamp = &ms
	}
	return attributevalue.MarshalMap(item)
}

func decodeProgress(a attributes) (bifrost.Progress, error) {
	var item progressItem
	if err := attributevalue.UnmarshalMap(a, &item); err != nil {
		return bifrost.Progress{}, fmt.Errorf("progress row %s: %w", keyText(a, "topic", "partition"), err)
	}
	p := bifrost.Progress{
		Partition: bifrost.Partition{Name: item.Topic, Number: item.Partition},
		ClusterID: item.ClusterID, Generation: item.Generation, Status: bifrost.Status(item.Status), Error: item.Error,
		NextOffset: item.NextOffset, PlannedOffset: item.PlannedOffset,
		KnownUntil: item.KnownUntil, FirstLogStart: item.FirstLogStart, StartOffset: item.StartOffset,
		Observation: bifrost.Observation{
			LogStart: item.LogStart, LastStable: item.LastStable, HighWatermark: item.HighWatermark,
			LeaderEpoch: item.LeaderEpoch,
		},
		Totals: bifrost.Totals{
			Records: item.Records, RawBytes: item.RawBytes, StoredBytes: item.StoredBytes, Missing: item.Missing,
			Lost: item.Lost,
		},
		RecentRawBytes: item.RecentRawBytes, RecentOffsets: item.RecentOffsets, PlannedEpoch: item.PlannedEpoch,
		LastObject: item.LastObject, Suspicion: item.Suspicion, Series: item.Series,
		Trouble: bifrost.Trouble{Error: item.TickError},
	}
	if item.LastTimestamp != nil {
		p.LastRecordAt = time.UnixMilli(*item.LastTimestamp).UTC()
	}
	var d decoder
	d.topicID(&p.TopicID, item.TopicID)
	d.time(&p.At, item.ObservedAt)
	if item.TimeToLoss != nil {
		p.LossAt = p.At.Add(time.Duration(*item.TimeToLoss) * time.Second)
	}
	d.time(&p.LastArchivedAt, item.LastArchivedAt)
	d.time(&p.LastPlannedAt, item.LastPlannedAt)
	d.time(&p.SuspectedAt, item.SuspectedAt)
	d.time(&p.FencedAt, item.FencedAt)
	d.time(&p.Trouble.Since, item.TickErrorSince)
	d.time(&p.Trouble.At, item.TickErrorAt)
	if d.err != nil {
		return bifrost.Progress{}, fmt.Errorf("progress row %s: %w", p.Partition, d.err)
	}
	return p, nil
}

// encodeTopicID leaves the attribute out for clusters that know no topic IDs.
func encodeTopicID(id bifrost.TopicID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// A decoder keeps the first error of a row.
type decoder struct{ err error }

func (d *decoder) topicID(id *bifrost.TopicID, text string) {
	if d.err == nil && text != "" {
		d.err = id.UnmarshalText([]byte(text))
	}
}

func (d *decoder) time(t *time.Time, text string) {
	if d.err == nil {
		*t, d.err = parseISO(text)
	}
}

// setObservation puts what a tick saw into the row. DynamoDB computes the lag from the
// next_offset that the row has at that moment, so an advance in between is not lost.
func (e *expression) setObservation(o bifrost.Observation) *expression {
	e.setDifference("lag", e.value(number(o.LastStable)), e.name("next_offset"))
	if seconds := secondsToLoss(o); seconds != nil {
		e.set("time_to_loss_seconds", number(*seconds))
	} else {
		e.remove("time_to_loss_seconds")
	}
	return e.set("log_start_offset", number(o.LogStart)).
		set("log_end_offset", number(o.LastStable)).
		set("high_watermark", number(o.HighWatermark)).
		set("last_leader_epoch", number(int64(o.LeaderEpoch))).
		setText("observed_at", iso(o.At))
}

// secondsToLoss is the distance from the observation to its LossAt, nil for none.
func secondsToLoss(o bifrost.Observation) *int64 {
	if o.LossAt.IsZero() {
		return nil
	}
	seconds := int64(max(0, o.LossAt.Sub(o.At)) / time.Second)
	return &seconds
}

// keyText names a row that cannot be decoded.
func keyText(a attributes, hash, sort string) string {
	return scalarText(a[hash]) + "/" + scalarText(a[sort])
}

func scalarText(v types.AttributeValue) string {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v.Value
	case *types.AttributeValueMemberN:
		return v.Value
	}
	return "?"
}

// numberOf reads a number from an item that is not decoded as a whole.
func numberOf(a attributes, attribute string) (int64, bool) {
	n, ok := a[attribute].(*types.AttributeValueMemberN)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	return v, err == nil
}
