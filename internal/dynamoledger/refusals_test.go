package dynamoledger_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// What the service of the tests refuses: the one in the process as DynamoDB Local does, so that
// a request that DynamoDB would refuse does not pass "go test".
func TestWhatTheServiceRefuses(t *testing.T) {
	t.Parallel()
	cfg := service(t)
	tables, client := newTables(t, cfg), dynamodb.NewFromConfig(cfg)
	key := map[string]types.AttributeValue{
		"partition_key": &types.AttributeValueMemberS{Value: "orders/3"}, "start_offset": &types.AttributeValueMemberN{Value: "5"},
	}
	half := map[string]types.AttributeValue{"partition_key": key["partition_key"]}
	wrongKind := map[string]types.AttributeValue{"partition_key": key["partition_key"], "start_offset": key["partition_key"]}
	one := map[string]types.AttributeValue{":a": &types.AttributeValueMemberN{Value: "1"}}
	names := map[string]string{"#a": "a", "#p": "partition_key", "#s": "start_offset"}
	only := func(placeholders ...string) map[string]string {
		some := map[string]string{}
		for _, p := range placeholders {
			some[p] = names[p]
		}
		return some
	}
	update := func(expression string, values map[string]types.AttributeValue, placeholders ...string) *dynamodb.UpdateItemInput {
		return &dynamodb.UpdateItemInput{TableName: &tables.Objects, Key: key, UpdateExpression: &expression,
			ExpressionAttributeNames: only(placeholders...), ExpressionAttributeValues: values}
	}
	for name, c := range map[string]struct {
		ask  func(context.Context) error
		want string
	}{
		"a key without its second half": {asking(client.GetItem, &dynamodb.GetItemInput{TableName: &tables.Objects, Key: half}), validation},
		"a key of another kind":         {asking(client.GetItem, &dynamodb.GetItemInput{TableName: &tables.Objects, Key: wrongKind}), validation},
		"an item without a key":         {asking(client.PutItem, &dynamodb.PutItemInput{TableName: &tables.Objects, Item: half}), validation},
		"another table":                 {asking(client.GetItem, &dynamodb.GetItemInput{TableName: aws.String("other"), Key: key}), "ResourceNotFoundException"},
		"a name that is not used":       {asking(client.UpdateItem, update("SET #a = :a", one, "#a", "#s")), validation},
		"a name that is not defined":    {asking(client.UpdateItem, update("SET #a = :a, #b = :a", one, "#a")), validation},
		"a value that is not defined":   {asking(client.UpdateItem, update("SET #a = :b", one, "#a")), validation},
		"a value that is not used":      {asking(client.UpdateItem, update("REMOVE #a", one, "#a")), validation},
		"an update of the key":          {asking(client.UpdateItem, update("SET #s = :a", one, "#s")), validation},
		"two updates of one attribute":  {asking(client.UpdateItem, update("SET #a = :a REMOVE #a", one, "#a")), validation},
		"a sum with what is not there":  {asking(client.UpdateItem, update("SET #a = #a + :a", one, "#a")), validation},
		"an expression that is cut":     {asking(client.UpdateItem, update("SET #a =", nil, "#a")), validation},
		"a condition that does not hold": {asking(client.DeleteItem, &dynamodb.DeleteItemInput{TableName: &tables.Objects, Key: key,
			ConditionExpression: aws.String("attribute_exists(#p)"), ExpressionAttributeNames: only("#p")}), "ConditionalCheckFailedException"},
		"a query of all keys": {asking(client.Query, &dynamodb.QueryInput{TableName: &tables.Objects,
			KeyConditionExpression: aws.String("#s = :a"), ExpressionAttributeNames: only("#s"), ExpressionAttributeValues: one}), validation},
		"a consistent read of the index": {asking(client.Query, &dynamodb.QueryInput{TableName: &tables.Objects, IndexName: aws.String("open"),
			ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("#o = :o"),
			ExpressionAttributeNames:  map[string]string{"#o": "open_shard"},
			ExpressionAttributeValues: map[string]types.AttributeValue{":o": key["partition_key"]}}), validation},
		"a limit of none": {asking(client.Scan, &dynamodb.ScanInput{TableName: &tables.Objects, Limit: aws.Int32(0)}), validation},
		"a transaction of nothing": {asking(client.TransactWriteItems,
			&dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{}}), validation},
		"a transaction with an item twice": {asking(client.TransactWriteItems, &dynamodb.TransactWriteItemsInput{
			TransactItems: []types.TransactWriteItem{
				{Put: &types.Put{TableName: &tables.Objects, Item: key}},
				{Delete: &types.Delete{TableName: &tables.Objects, Key: key}},
			}}), validation},
		"an item that is too large": {asking(client.PutItem, &dynamodb.PutItemInput{TableName: &tables.Objects,
			Item: map[string]types.AttributeValue{"partition_key": key["partition_key"], "start_offset": key["start_offset"],
				"a": &types.AttributeValueMemberS{Value: strings.Repeat("x", 400<<10)}}}), validation},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.ask(t.Context())
			answer, ok := errors.AsType[smithy.APIError](err)
			if !ok || answer.ErrorCode() != c.want {
				t.Errorf("answered %v, want %s", err, c.want)
			}
		})
	}
}

const validation = "ValidationException"

// asking is one request of the SDK.
func asking[in, out, options any](
	operation func(context.Context, *in, ...func(*options)) (*out, error), input *in,
) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := operation(ctx, input)
		return err
	}
}
