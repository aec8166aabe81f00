// How a row that is proven wrong is taken away.

package dynamoledger

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// DeleteRow implements repair.FixLedger.
func (l *Ledger) DeleteRow(ctx context.Context, r bifrost.Row) error {
	e := newExpression().require("state", textValue(string(r.State))).require("end_offset", number(r.End)).
		requireText("object", r.Facts.Key).requireText("checksum", r.Facts.Checksum)
	d := l.newDoubt()
	_, err := l.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &l.tables.Objects, Key: rowKey(r.Partition, r.Start),
		ConditionExpression: e.conditionText(), ExpressionAttributeNames: e.names,
		ExpressionAttributeValues: e.valuesOrNil(),
	}, d.use)
	if err != nil {
		_, err = l.concludeWrite(fmt.Sprintf("delete the row of %s at offset %d", r.Partition, r.Start), err, d,
			func(row attributes) bool { return len(row) == 0 })
	}
	return err
}
