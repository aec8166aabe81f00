// How rows are read.

package dynamoledger

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/parallel"
)

// scanSegments share the scan of the progress table. One page is 1 MB, about a
// thousand rows; 100,000 partitions are a hundred pages, which one reader after
// the other would wait for one at a time.
const scanSegments = 4

// ListProgress implements bifrost.Overview. The order is that of the table's own hash.
func (l *Ledger) ListProgress(ctx context.Context) ([]bifrost.Progress, error) {
	segments := make([][]bifrost.Progress, scanSegments)
	err := parallel.Try(ctx, scanSegments, parallel.NumbersBelow(scanSegments), func(ctx context.Context, i int) error {
		var err error
		segments[i], err = l.scanProgress(ctx, int32(i))
		return err
	})
	if err != nil {
		return nil, l.failureOf("list the progress of all partitions", err)
	}
	return slices.Concat(segments...), nil
}

func (l *Ledger) scanProgress(ctx context.Context, segment int32) ([]bifrost.Progress, error) {
	var all []bifrost.Progress
	pages := dynamodb.NewScanPaginator(l.client, &dynamodb.ScanInput{
		TableName: &l.tables.Progress, ConsistentRead: aws.Bool(true),
		Segment: aws.Int32(segment), TotalSegments: aws.Int32(scanSegments),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		rows := slices.DeleteFunc(page.Items, isMark)
		if all, err = appendDecoded(all, rows, decodeProgress); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// ListPlanned implements bifrost.Overview.
func (l *Ledger) ListPlanned(ctx context.Context) ([]bifrost.Row, error) {
	shards := make([][]bifrost.Row, openShards)
	err := parallel.Try(ctx, openShards, parallel.NumbersBelow(openShards), func(ctx context.Context, i int) error {
		e := newExpression().require("open_shard", number(int64(i)))
		pages := dynamodb.NewQueryPaginator(l.client, l.openQuery(e))
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return err
			}
			if shards[i], err = appendDecoded(shards[i], page.Items, decodeRow); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, l.failureOf("list the open ranges of all partitions", err)
	}
	return slices.Concat(shards...), nil
}

// openQuery reads the index. The keys of an index cannot be read consistently.
func (l *Ledger) openQuery(e *expression) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName: &l.tables.Objects, IndexName: aws.String(openIndex),
		KeyConditionExpression:   e.conditionText(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	}
}

// SomePlanned implements bifrost.Waiting. Each caller goes through the shards in
// an order of its own, so that many who ask at once find different rows.
func (l *Ledger) SomePlanned(ctx context.Context, now time.Time, limit int) ([]bifrost.Row, error) {
	var free []bifrost.Row
	for _, shard := range rand.Perm(openShards) {
		if len(free) >= limit {
			break
		}
		e := newExpression().require("open_shard", number(int64(shard)))
		e.condition(e.name("lease_until") + " <= " + e.value(number(millis(now))))
		query := l.openQuery(e)
		query.Limit = aws.Int32(int32(limit - len(free)))
		page, err := l.client.Query(ctx, query)
		if err != nil {
			return nil, l.failureOf("look for open ranges", err)
		}
		if free, err = appendDecoded(free, page.Items, decodeRow); err != nil {
			return nil, err
		}
	}
	return free, nil
}

// Rows implements bifrost.Planner.
func (l *Ledger) Rows(ctx context.Context, p bifrost.Partition, from int64, limit int) ([]bifrost.Row, error) {
	e := newExpression().require("partition_key", textValue(p.String()))
	e.condition(e.name("start_offset") + " >= " + e.value(number(from)))
	return l.queryRows(ctx, fmt.Sprintf("read the rows of %s from offset %d", p, from), limit, &dynamodb.QueryInput{
		TableName: &l.tables.Objects, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:   e.conditionText(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	})
}

// queryRows reads rows in the order of the query, at most limit of them.
func (l *Ledger) queryRows(ctx context.Context, doing string, limit int,
	query *dynamodb.QueryInput) ([]bifrost.Row, error) {
	query.Limit = aws.Int32(int32(min(limit, math.MaxInt32)))
	var rows []bifrost.Row
	for pages := dynamodb.NewQueryPaginator(l.client, query); pages.HasMorePages() && len(rows) < limit; {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, l.failureOf(doing, err)
		}
		if rows, err = appendDecoded(rows, page.Items, decodeRow); err != nil {
			return nil, err
		}
	}
	return rows[:min(limit, len(rows))], nil
}

// Row implements bifrost.Committer.
func (l *Ledger) Row(ctx context.Context, p bifrost.Partition, start int64) (bifrost.Row, error) {
	item, err := l.getItem(ctx, fmt.Sprintf("read the row of %s at offset %d", p, start), l.tables.Objects,
		rowKey(p, start))
	if err != nil {
		return bifrost.Row{}, err
	}
	return decodeRow(item)
}

// Progress implements bifrost.Advancer.
func (l *Ledger) Progress(ctx context.Context, p bifrost.Partition) (bifrost.Progress, error) {
	item, err := l.getItem(ctx, fmt.Sprintf("read the progress of %s", p), l.tables.Progress, progressKey(p))
	if err != nil {
		return bifrost.Progress{}, err
	}
	return decodeProgress(item)
}

func (l *Ledger) getItem(ctx context.Context, doing, table string, key attributes) (attributes, error) {
	out, err := l.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key,
		ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, l.failureOf(doing, err)
	}
	if len(out.Item) == 0 {
		return nil, fmt.Errorf("%s: %w", doing, bifrost.ErrNotFound)
	}
	return out.Item, nil
}

func appendDecoded[T any](to []T, items []attributes, decode func(attributes) (T, error)) ([]T, error) {
	to = slices.Grow(to, len(items))
	for _, item := range items {
		v, err := decode(item)
		if err != nil {
			return nil, err
		}
		to = append(to, v)
	}
	return to, nil
}
