package dynamoledger

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// tableTimeout is how long a new table may take to become active.
const tableTimeout = 2 * time.Minute

// CreateTables makes both tables and returns when they can be used. In an account
// the template makes them, with backups and without a way to lose them by mistake;
// this is for tests and for a laptop. A table that exists is an error.
func CreateTables(ctx context.Context, cfg aws.Config, tables Tables) error {
	client := dynamodb.NewFromConfig(cfg)
	for _, schema := range []*dynamodb.CreateTableInput{progressSchema(tables.Progress), objectsSchema(tables.Objects)} {
		if _, err := client.CreateTable(ctx, schema); err != nil {
			return fmt.Errorf("create table %s: %w", *schema.TableName, err)
		}
		ready := dynamodb.NewTableExistsWaiter(client, func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 100 * time.Millisecond })
		if err := ready.Wait(ctx, &dynamodb.DescribeTableInput{TableName: schema.TableName}, tableTimeout); err != nil {
			return fmt.Errorf("wait for table %s: %w", *schema.TableName, err)
		}
	}
	return nil
}

func progressSchema(name string) *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{text("topic"), numeric("partition")},
		KeySchema:            key("topic", "partition"),
	}
}

func objectsSchema(name string) *dynamodb.CreateTableInput {
	return &dynamodb.CreateTableInput{
		TableName: &name, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			text("partition_key"), numeric("start_offset"), numeric("open_shard"), numeric("lease_until"),
		},
		KeySchema: key("partition_key", "start_offset"),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName: aws.String(openIndex), KeySchema: key("open_shard", "lease_until"),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll},
		}},
	}
}

func text(name string) types.AttributeDefinition {
	return types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeTypeS}
}

func numeric(name string) types.AttributeDefinition {
	return types.AttributeDefinition{AttributeName: &name, AttributeType: types.ScalarAttributeTypeN}
}

func key(hash, sort string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: &hash, KeyType: types.KeyTypeHash},
		{AttributeName: &sort, KeyType: types.KeyTypeRange},
	}
}
