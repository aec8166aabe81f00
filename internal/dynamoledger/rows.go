// The row of a range as an item.

package dynamoledger

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

const (
	openIndex  = "open"
	openShards = 16
)

// rowItem is a row of the objects table as it is read. Beside these attributes a
// row has some that are for people only: leased_until, first_record_at and
// last_record_at say the numbers lease_until, first_timestamp and last_timestamp
// in ISO 8601.
type rowItem struct {
	PartitionKey string `dynamodbav:"partition_key"`
	StartOffset  int64  `dynamodbav:"start_offset"`
	EndOffset    int64  `dynamodbav:"end_offset"`
	State        string `dynamodbav:"state"`
	GapReason    string `dynamodbav:"gap_reason"`
	ClusterID    string `dynamodbav:"cluster_id"`
	TopicID      string `dynamodbav:"topic_id"`
	PlannedAt    string `dynamodbav:"planned_at"`
	LossAt       string `dynamodbav:"loss_at"` // while PLANNED
	Attempts     int    `dynamodbav:"attempts"`
	Error        string `dynamodbav:"error"`
	Invocation   string `dynamodbav:"invocation"`
	LeaseUntil   *int64 `dynamodbav:"lease_until"` // while PLANNED: ms, 0 when never leased
	StoppedAt    int64  `dynamodbav:"stopped_at"`  // while PLANNED, if an attempt could not read on
	Expected     int64  `dynamodbav:"expected_bytes"`

	// Once settled.
	Object          string      `dynamodbav:"object"`
	ObjectEnd       *int64      `dynamodbav:"object_end_offset"` // if the object holds more than the row
	Records         int64       `dynamodbav:"records"`
	Missing         missingItem `dynamodbav:"missing"`
	RawBytes        int64       `dynamodbav:"raw_bytes"`
	StoredBytes     int64       `dynamodbav:"stored_bytes"`
	FirstTimestamp  *int64      `dynamodbav:"first_timestamp"` // ms; absent when no record has one
	LastTimestamp   *int64      `dynamodbav:"last_timestamp"`
	Checksum        string      `dynamodbav:"checksum"`
	LastLeaderEpoch *int32      `dynamodbav:"last_leader_epoch"` // absent when unknown
	ArchivedAt      string      `dynamodbav:"archived_at"`
}

// missingItem counts the offsets of a range that have no record, by reason.
type missingItem struct {
	Control   int64 `dynamodbav:"control"`
	Aborted   int64 `dynamodbav:"aborted"`
	Compacted int64 `dynamodbav:"compacted"`
}

func rowKey(p bifrost.Partition, start int64) attributes {
	return attributes{"partition_key": textValue(p.String()), "start_offset": number(start)}
}

// openShard spreads the open rows over the keys of the index: a table that is
// planned anew at once would otherwise meet DynamoDB's limit of 1,000 writes a
// second on one key.
func openShard(p bifrost.Partition, start int64) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(p.String() + "/" + strconv.FormatInt(start, 10))) // never fails
	return int64(h.Sum32() % openShards)
}

// plannedItem is a row as a plan puts it.
func plannedItem(r bifrost.Row) attributes {
	item := rowKey(r.Partition, r.Start)
	item["end_offset"] = number(r.End)
	item["state"] = textValue(string(bifrost.StatePlanned))
	item["attempts"] = number(int64(r.Attempts))
	item["open_shard"] = number(openShard(r.Partition, r.Start))
	item["lease_until"] = number(millis(r.LeaseUntil))
	if r.Expected > 0 {
		item["expected_bytes"] = number(r.Expected)
	}
	for name, text := range map[string]string{
		"cluster_id": r.ClusterID, "topic_id": encodeTopicID(r.TopicID), "gap_reason": r.GapReason,
		"planned_at": iso(r.PlannedAt), "loss_at": iso(r.LossAt),
		"invocation": r.Invocation, "leased_until": iso(r.LeaseUntil),
	} {
		if text != "" {
			item[name] = textValue(text)
		}
	}
	return item
}

func decodeRow(a attributes) (bifrost.Row, error) {
	r, err := decodeRowItem(a)
	if err != nil {
		return bifrost.Row{}, fmt.Errorf("objects row %s: %w", keyText(a, "partition_key", "start_offset"), err)
	}
	return r, nil
}

func decodeRowItem(a attributes) (bifrost.Row, error) {
	var item rowItem
	if err := attributevalue.UnmarshalMap(a, &item); err != nil {
		return bifrost.Row{}, err
	}
	r := bifrost.Row{
		Range: bifrost.Range{Start: item.StartOffset, End: item.EndOffset}, State: bifrost.State(item.State),
		ClusterID: item.ClusterID, GapReason: item.GapReason, Attempts: item.Attempts, Invocation: item.Invocation,
		Expected: item.Expected, Error: item.Error, StoppedAt: item.StoppedAt,
	}
	var d decoder
	d.topicID(&r.TopicID, item.TopicID)
	d.time(&r.PlannedAt, item.PlannedAt)
	d.time(&r.LossAt, item.LossAt)
	d.time(&r.ArchivedAt, item.ArchivedAt)
	if d.err != nil {
		return bifrost.Row{}, d.err
	}
	if item.LeaseUntil != nil {
		r.LeaseUntil = fromMillis(*item.LeaseUntil)
	}
	if r.State.Done() {
		r.Facts = item.facts()
	}
	r.Partition, d.err = parsePartitionKey(item.PartitionKey)
	return r, d.err
}

func (item rowItem) facts() bifrost.Facts {
	f := bifrost.Facts{
		Key: item.Object, Reason: item.GapReason,
		Range:   bifrost.Range{Start: item.StartOffset, End: orElse(item.ObjectEnd, item.EndOffset)},
		Records: item.Records, RawBytes: item.RawBytes, StoredBytes: item.StoredBytes,
		FirstTimestamp: orElse(item.FirstTimestamp, -1), LastTimestamp: orElse(item.LastTimestamp, -1),
		Missing:  baldr.Missing(item.Missing),
		Checksum: item.Checksum, LeaderEpoch: orElse(item.LastLeaderEpoch, -1),
	}
	if item.State == string(bifrost.StateLost) {
		f.Kind = baldr.KindGap
	}
	return f
}

func orElse[T any](v *T, otherwise T) T {
	if v == nil {
		return otherwise
	}
	return *v
}

// parsePartitionKey is the inverse of bifrost.Partition.String. Topics have no slash.
func parsePartitionKey(key string) (bifrost.Partition, error) {
	name, digits, ok := strings.Cut(key, "/")
	n, err := strconv.ParseInt(digits, 10, 32)
	if !ok || err != nil || name == "" {
		return bifrost.Partition{}, fmt.Errorf("partition_key %q: want topic/number", key)
	}
	return bifrost.Partition{Name: name, Number: int32(n)}, nil
}

// setSettled turns a PLANNED row into what its object says. The row leaves the index
// by losing the index's key.
func (e *expression) setSettled(w bifrost.CommitWrite) *expression {
	f := w.Facts
	e.set("state", textValue(string(f.State()))).
		set("end_offset", number(min(f.End, w.Row.End))).
		set("object", textValue(f.Key)).
		set("records", number(f.Records)).
		set("missing", &types.AttributeValueMemberM{Value: attributes{
			"control": number(f.Missing.Control), "aborted": number(f.Missing.Aborted),
			"compacted": number(f.Missing.Compacted),
		}}).
		set("raw_bytes", number(f.RawBytes)).
		set("stored_bytes", number(f.StoredBytes)).
		setText("checksum", f.Checksum).
		setText("gap_reason", f.Reason).
		setText("archived_at", iso(w.ArchivedAt)).
		setText("first_record_at", isoMillis(f.FirstTimestamp)).
		setText("last_record_at", isoMillis(f.LastTimestamp))
	e.setKnown("first_timestamp", f.FirstTimestamp).
		setKnown("last_timestamp", f.LastTimestamp).
		setKnown("last_leader_epoch", int64(f.LeaderEpoch))
	if f.End > w.Row.End {
		e.set("object_end_offset", number(f.End))
	}
	for _, attribute := range []string{
		"open_shard", "lease_until", "leased_until", "invocation", "expected_bytes", "loss_at", "error", "stopped_at",
	} {
		e.remove(attribute)
	}
	return e
}

// setKnown sets a number for which -1 means that it is not known.
func (e *expression) setKnown(attribute string, n int64) *expression {
	if n < 0 {
		return e
	}
	return e.set(attribute, number(n))
}
