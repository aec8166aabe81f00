// The records that ticks leave.

package dynamoledger

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

var _ bifrost.Journal = (*Ledger)(nil)

// ticksKey is the hash key of the records of the ticks. They lie in the objects
// table, where nobody reads all rows: a release that does not know them never
// meets one. No partition is called so, because '@' is illegal in topic names.
const ticksKey = "@tick"

// tickItem is the record of a tick. Its start_offset stands for the cluster.
type tickItem struct {
	ID         string `dynamodbav:"tick_id"`
	By         string `dynamodbav:"ticked_by,omitempty"`
	ClusterID  string `dynamodbav:"cluster_id,omitempty"`
	Error      string `dynamodbav:"error,omitempty"`
	StartedAt  string `dynamodbav:"started_at"`
	EndedAt    string `dynamodbav:"ended_at"`
	CompleteAt string `dynamodbav:"complete_at,omitempty"`
	Include    string `dynamodbav:"include,omitempty"` // globs with commas between them
	Exclude    string `dynamodbav:"exclude,omitempty"`
	Topics     int    `dynamodbav:"topics"`
	Partitions int    `dynamodbav:"partitions"`
	Failures   int    `dynamodbav:"failures"`
	Unfinished int    `dynamodbav:"unfinished"`
}

// tickKey is the key of the record of a cluster's ticks: 0 for those that ended
// before they knew their cluster.
func tickKey(clusterID string) attributes {
	hash := fnv.New64a()
	hash.Write([]byte(clusterID))
	place := int64(hash.Sum64() >> 1)
	if clusterID == "" {
		place = 0
	}
	return attributes{"partition_key": textValue(ticksKey), "start_offset": number(place)}
}

// NoteTick implements bifrost.Journal. A repetition after a lost answer meets its
// own start and writes the same again.
func (l *Ledger) NoteTick(ctx context.Context, r bifrost.TickRecord) error {
	e := newExpression()
	started, start := e.name("started_ms"), e.value(number(millis(r.StartedAt)))
	e.condition("(attribute_not_exists(" + started + ") OR " + started + " <= " + start + ")")
	e.sets = append(e.sets, started+" = "+start)
	e.set("tick_id", textValue(r.ID)).
		setText("ticked_by", r.By).
		setText("cluster_id", r.ClusterID).
		setText("error", r.Error).
		setText("started_at", iso(r.StartedAt)).
		setText("ended_at", iso(r.EndedAt)).
		set("topics", number(int64(r.Topics))).
		set("partitions", number(int64(r.Partitions))).
		set("failures", number(int64(r.Failures))).
		set("unfinished", number(int64(r.Unfinished)))
	if !r.CompleteAt.IsZero() {
		e.setText("complete_at", iso(r.CompleteAt)).
			setText("include", strings.Join(r.Filter.Include, ",")).
			setText("exclude", strings.Join(r.Filter.Exclude, ","))
	}
	_, err := l.updateItem(ctx, change{
		doing: fmt.Sprintf("keep the record of tick %s", r.ID),
		table: l.tables.Objects, key: tickKey(r.ClusterID), expr: e,
	})
	return err
}

// NoteTrouble implements bifrost.Journal. It leaves its condition as it is, so a
// repetition after a lost answer writes the same again.
func (l *Ledger) NoteTrouble(ctx context.Context, p bifrost.Progress, trouble bifrost.Trouble) error {
	e := newExpression().
		require("generation", textValue(p.Generation)).
		setText("tick_error", trouble.Error).
		setText("tick_error_since", iso(trouble.Since)).
		setText("tick_error_at", iso(trouble.At))
	_, err := l.updateItem(ctx, change{
		doing: fmt.Sprintf("show what keeps ticks from %s", p.Partition),
		table: l.tables.Progress, key: progressKey(p.Partition), expr: e,
	})
	return err
}

// Ticks reads the records of the last tick of each cluster, consistently.
func (l *Ledger) Ticks(ctx context.Context) ([]bifrost.TickRecord, error) {
	e := newExpression().require("partition_key", textValue(ticksKey))
	var all []bifrost.TickRecord
	pages := dynamodb.NewQueryPaginator(l.client, &dynamodb.QueryInput{
		TableName: &l.tables.Objects, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:   e.conditionText(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, l.failureOf("read the records of the ticks", err)
		}
		if all, err = appendDecoded(all, page.Items, decodeTick); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func decodeTick(a attributes) (bifrost.TickRecord, error) {
	var item tickItem
	if err := attributevalue.UnmarshalMap(a, &item); err != nil {
		return bifrost.TickRecord{}, fmt.Errorf("record of a tick: %w", err)
	}
	r := bifrost.TickRecord{
		ID: item.ID, By: item.By, ClusterID: item.ClusterID, Error: item.Error,
		Topics: item.Topics, Partitions: item.Partitions, Failures: item.Failures, Unfinished: item.Unfinished,
		Filter: bifrost.TopicFilter{Include: globs(item.Include), Exclude: globs(item.Exclude)},
	}
	var d decoder
	d.time(&r.StartedAt, item.StartedAt)
	d.time(&r.EndedAt, item.EndedAt)
	d.time(&r.CompleteAt, item.CompleteAt)
	if d.err != nil {
		return bifrost.TickRecord{}, fmt.Errorf("record of tick %s: %w", item.ID, d.err)
	}
	return r, nil
}

func globs(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
