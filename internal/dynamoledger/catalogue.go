// How rows are read backwards.

package dynamoledger

import (
	"context"
	"fmt"

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
	return l.queryRows(ctx, fmt.Sprintf("read the rows of %s below offset %d", p, below), limit, &dynamodb.QueryInput{
		TableName: &l.tables.Objects, ConsistentRead: aws.Bool(true), ScanIndexForward: aws.Bool(false),
		KeyConditionExpression:   e.conditionText(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	})
}
