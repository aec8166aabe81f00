// The rows of functions at work.

package dynamoledger

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// invocationsKey is the partition_key of the rows that say which functions are at
// work. No partition is called so: Kafka's names have no tilde, and it has no number.
const invocationsKey = "~invocations"

// invocationItem is such a row as it is read. For people it has alive_until_at, the
// number in ISO 8601, and ranges, how many the function was started for.
type invocationItem struct {
	Invocation string `dynamodbav:"invocation"`
	Begun      bool   `dynamodbav:"begun"`
	AliveUntil int64  `dynamodbav:"alive_until"` // ms
	// JSON, deflated: hundreds of ranges of a few topics have much in common
	Tasks []byte `dynamodbav:"tasks"`
}

// invocationKey is where the row of an invocation is: its slot is the start_offset.
func invocationKey(id string) (attributes, error) {
	slot, err := bifrost.InvocationSlot(id)
	return attributes{"partition_key": textValue(invocationsKey), "start_offset": number(int64(slot))}, err
}

// PutInvocation implements bifrost.Invocations. It leaves its condition as it is,
// so a repetition after a lost answer writes the same again.
func (l *Ledger) PutInvocation(ctx context.Context, i bifrost.Invocation, now time.Time) error {
	doing := "write the row of invocation " + i.ID
	item, err := invocationKey(i.ID)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	tasks, err := deflateTasks(i.Tasks)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	item["invocation"] = textValue(i.ID)
	item["begun"] = &types.AttributeValueMemberBOOL{Value: i.Begun}
	item["alive_until"] = number(millis(i.AliveUntil))
	item["ranges"] = number(int64(len(i.Tasks)))
	item["tasks"] = &types.AttributeValueMemberB{Value: tasks}
	if at := iso(i.AliveUntil); at != "" {
		item["alive_until_at"] = textValue(at)
	}
	e := newExpression()
	id, alive := e.name("invocation"), e.name("alive_until")
	e.condition("attribute_not_exists(" + id + ") OR " + id + " = " + e.value(textValue(i.ID)) + " OR " +
		alive + " <= " + e.value(number(millis(now))))
	d := l.newDoubt()
	_, err = l.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &l.tables.Objects, Item: item, ConditionExpression: e.conditionText(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	}, d.use)
	if err != nil {
		_, err = l.concludeWrite(doing, err, d, nil)
	}
	return err
}

// RenewInvocation implements bifrost.Invocations. After a lost answer it tells of
// the row as its own first try left it: as if another function had begun. Then this
// one does nothing, and what it was started for waits for the next tick.
func (l *Ledger) RenewInvocation(ctx context.Context, id string, aliveUntil time.Time) (bifrost.Invocation, error) {
	was, err := l.changeInvocation(ctx, "renew", id, newExpression().
		set("begun", &types.AttributeValueMemberBOOL{Value: true}).
		set("alive_until", number(millis(aliveUntil))).
		setText("alive_until_at", iso(aliveUntil)))
	if err != nil {
		return bifrost.Invocation{}, err
	}
	return decodeInvocation(was)
}

// EndInvocation implements bifrost.Invocations.
func (l *Ledger) EndInvocation(ctx context.Context, id string) error {
	_, err := l.changeInvocation(ctx, "end", id, newExpression().
		set("alive_until", number(0)).remove("alive_until_at").remove("ranges").remove("tasks"))
	if errors.Is(err, bifrost.ErrNotFound) {
		return nil
	}
	return err
}

// changeInvocation changes the row if the slot is still the invocation's, and
// answers what it was before; ErrNotFound when not.
func (l *Ledger) changeInvocation(ctx context.Context, verb, id string, e *expression) (attributes, error) {
	doing := verb + " invocation " + id
	key, err := invocationKey(id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	e.require("invocation", textValue(id))
	out, err := l.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &l.tables.Objects, Key: key,
		UpdateExpression: e.updateText(), ConditionExpression: e.conditionText(),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValues: types.ReturnValueAllOld,
	})
	if _, other := errors.AsType[*types.ConditionalCheckFailedException](err); other {
		return nil, fmt.Errorf("%s: %w", doing, bifrost.ErrNotFound)
	}
	if err != nil {
		return nil, l.failureOf(doing, err)
	}
	return out.Attributes, nil
}

// ListInvocations implements bifrost.InvocationLister, without the tasks.
func (l *Ledger) ListInvocations(ctx context.Context) ([]bifrost.Invocation, error) {
	e := newExpression().require("partition_key", textValue(invocationsKey))
	pages := dynamodb.NewQueryPaginator(l.client, &dynamodb.QueryInput{
		TableName: &l.tables.Objects, ConsistentRead: aws.Bool(true),
		KeyConditionExpression: e.conditionText(),
		ProjectionExpression: aws.String(e.name("invocation") + ", " + e.name("begun") + ", " +
			e.name("alive_until")),
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
	})
	var all []bifrost.Invocation
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, l.failureOf("list the functions at work", err)
		}
		if all, err = appendDecoded(all, page.Items, decodeInvocation); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func decodeInvocation(a attributes) (bifrost.Invocation, error) {
	var item invocationItem
	err := attributevalue.UnmarshalMap(a, &item)
	i := bifrost.Invocation{ID: item.Invocation, Begun: item.Begun, AliveUntil: fromMillis(item.AliveUntil)}
	if err == nil && len(item.Tasks) > 0 {
		err = json.NewDecoder(flate.NewReader(bytes.NewReader(item.Tasks))).Decode(&i.Tasks)
	}
	if err != nil {
		return bifrost.Invocation{}, fmt.Errorf("row of invocation %s: %w", item.Invocation, err)
	}
	return i, nil
}

func deflateTasks(tasks []bifrost.Task) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(w).Encode(tasks); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}
