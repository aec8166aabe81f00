// How a conditional write is sent.

package dynamoledger

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// A change is a conditional update of one row.
type change struct {
	doing string // for errors: what, topic, partition, offsets
	table string
	key   attributes
	expr  *expression
	// ours reports whether the row that refused a repetition shows that the first
	// attempt was applied. nil when a repetition cannot be refused by the first.
	ours func(row attributes) bool
}

// updateItem applies the change and returns the row as it is then.
func (l *Ledger) updateItem(ctx context.Context, c change) (attributes, error) {
	d := l.newDoubt()
	out, err := l.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &c.table, Key: c.key,
		UpdateExpression: c.expr.updateText(), ConditionExpression: c.expr.conditionText(),
		ExpressionAttributeNames: c.expr.names, ExpressionAttributeValues: c.expr.valuesOrNil(),
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, d.use)
	if err != nil {
		return l.concludeWrite(c.doing, err, d, c.ours)
	}
	return out.Attributes, nil
}

func (l *Ledger) newDoubt() *doubt { return &doubt{RetryerV2: l.retryer} }

func (d *doubt) use(o *dynamodb.Options) { o.Retryer = d }

// transactItems applies all of the writes or none. The SDK gives the call a token, so
// that a repetition after a lost answer is answered with the first one's success.
func (l *Ledger) transactItems(ctx context.Context, doing string, writes []types.TransactWriteItem) error {
	_, err := l.client.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes})
	if err == nil {
		return nil
	}
	return l.concludeTransaction(doing, err)
}

// asUpdate is the expression as a part of a transaction.
func (e *expression) asUpdate(table string, key attributes) types.TransactWriteItem {
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &table, Key: key,
		UpdateExpression: e.updateText(), ConditionExpression: e.conditionText(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.valuesOrNil(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
}

// asDelete deletes the item, on the expression's conditions, as a part of a transaction.
func (e *expression) asDelete(table string, key attributes) types.TransactWriteItem {
	return types.TransactWriteItem{Delete: &types.Delete{
		TableName: &table, Key: key, ConditionExpression: e.conditionText(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.valuesOrNil(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
}

// asCheck is the expression's conditions as a part of a transaction.
func (e *expression) asCheck(table string, key attributes) types.TransactWriteItem {
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName: &table, Key: key, ConditionExpression: e.conditionText(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.valuesOrNil(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
}

// putIfAbsent is a new row of the objects table as a part of a transaction.
func putIfAbsent(table string, item attributes) types.TransactWriteItem {
	e := newExpression().requireAbsent("partition_key")
	return types.TransactWriteItem{Put: &types.Put{
		TableName: &table, Item: item,
		ConditionExpression: e.conditionText(), ExpressionAttributeNames: e.names,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
}
