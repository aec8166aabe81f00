package dynamoledger

import (
	"context"
	"fmt"
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// RowsBelow reads the rows of a partition with Start < below, the highest first,
// consistently, at most limit: how a reader finds the range that holds an offset,
// and the last ranges of a partition.
func (l *Ledger) RowsBelow(ctx context.Context, p bifrost.Partition, below int64, limit int) ([]bifrost.Row, error) {
	e := newExpression().require("partition_key", textValue(p.String()))
	e.condition(e.name("start_offset") + " < " + e.value(number(below)))
	query := &dynamodb.QueryInput{
		TableName: &l.tables.Objects, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(false),
		KeyConditionExpression:   e.conditionText(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		Limit: aws.Int32(int32(min(limit, math.MaxInt32))),
	}
	var rows []bifrost.Row
	for pages := dynamodb.NewQueryPaginator(l.client, query); pages.HasMorePages() && len(rows) < limit; {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, l.failed(fmt.Sprintf("read the rows of %s below offset %d", p, below), err)
		}
		if rows, err = appendDecoded(rows, page.Items, decodeRow); err != nil {
			return nil, err
		}
	}
	return rows[:min(limit, len(rows))], nil
}
