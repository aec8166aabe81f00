// The tables themselves: how they are made.

package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// tableTimeout is how long a new table may take to become active.
const tableTimeout = 2 * time.Minute

// A TableSafety is what a person may choose about tables that are made: the
// parameters of infra/data.yaml of the same meaning, which a test compares with this.
type TableSafety struct {
	KMSKey             string // ARN; empty leaves encryption to DynamoDB's own key
	DeletionProtection bool
}

// A TableRequest is one request that makes a table, or makes it safer.
type TableRequest struct {
	Table     string
	Operation string // as the AWS CLI calls it
	Input     any    // of the SDK
}

// TableRequests are what makes both tables: of each, the table and its recovery to
// any second of the last 35 days.
func TableRequests(tables Tables, safety TableSafety) (requests []TableRequest) {
	for _, schema := range safety.tableRequests(tables) {
		name := *schema.TableName
		requests = append(requests, TableRequest{name, "create-table", schema},
			TableRequest{name, "update-continuous-backups", recovery(name)})
	}
	return requests
}

func (s TableSafety) tableRequests(tables Tables) []*dynamodb.CreateTableInput {
	schemas := []*dynamodb.CreateTableInput{progressSchema(tables.Progress), objectsSchema(tables.Objects)}
	for _, schema := range schemas {
		schema.DeletionProtectionEnabled = &s.DeletionProtection
		schema.SSESpecification = &types.SSESpecification{Enabled: aws.Bool(true), SSEType: types.SSETypeKms}
		if s.KMSKey != "" {
			schema.SSESpecification.KMSMasterKeyId = &s.KMSKey
		}
	}
	return schemas
}

func recovery(table string) *dynamodb.UpdateContinuousBackupsInput {
	return &dynamodb.UpdateContinuousBackupsInput{
		TableName: &table,
		PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: aws.Bool(true),
		},
	}
}

// MadeTables is what became of tables that were asked for.
type MadeTables struct {
	Created []string
	Kept    []string // were there, with the same keys and index
	// Unsupported are the requests that the service does not know: it is not DynamoDB.
	Unsupported []string
}

// MakeTables makes the tables that are not there, and turns recovery on for both. A
// table that is there with other keys is an error.
func MakeTables(ctx context.Context, cfg aws.Config, tables Tables, safety TableSafety) (made MadeTables, err error) {
	client := newClient(cfg, newRetryer())
	for _, schema := range safety.tableRequests(tables) {
		name := *schema.TableName
		there, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		_, missing := errors.AsType[*types.ResourceNotFoundException](err)
		switch {
		case missing:
			if err := createTable(ctx, client, schema); err != nil {
				return made, err
			}
			made.Created = append(made.Created, name)
		case err != nil:
			return made, fmt.Errorf("look for table %s: %w", name, err)
		case !sameKeys(schema, there.Table):
			return made, errOtherKeys(name)
		default:
			made.Kept = append(made.Kept, name)
		}
		_, err = client.UpdateContinuousBackups(ctx, recovery(name))
		if answer, ok := errors.AsType[smithy.APIError](err); ok && answer.ErrorCode() == "UnknownOperationException" {
			made.Unsupported = append(made.Unsupported, "update-continuous-backups "+name)
			continue
		}
		if err != nil {
			return made, fmt.Errorf("turn on recovery of table %s: %w", name, err)
		}
	}
	return made, nil
}

func errOtherKeys(name string) error {
	return fmt.Errorf("table %s exists and is none of Bifrost's: its keys, or its index %s, are others; "+
		"name another table", name, openIndex)
}

// sameKeys compares what can never be changed, and the index that work is found by.
func sameKeys(want *dynamodb.CreateTableInput, have *types.TableDescription) bool {
	keys := func(schema []types.KeySchemaElement) (names []string) {
		for _, k := range schema {
			names = append(names, string(k.KeyType)+" "+aws.ToString(k.AttributeName))
		}
		slices.Sort(names)
		return names
	}
	if !slices.Equal(keys(want.KeySchema), keys(have.KeySchema)) {
		return false
	}
	return !slices.ContainsFunc(want.GlobalSecondaryIndexes, func(index types.GlobalSecondaryIndex) bool {
		return !slices.ContainsFunc(have.GlobalSecondaryIndexes, func(h types.GlobalSecondaryIndexDescription) bool {
			return aws.ToString(h.IndexName) == aws.ToString(index.IndexName) &&
				slices.Equal(keys(index.KeySchema), keys(h.KeySchema))
		})
	})
}

// CreateTables makes both tables bare, without backups and without a guard against
// deletion: for tests. A table that exists is kept; one with other keys is an error.
func CreateTables(ctx context.Context, cfg aws.Config, tables Tables) error {
	client := newClient(cfg, newRetryer())
	for _, schema := range []*dynamodb.CreateTableInput{progressSchema(tables.Progress),
		objectsSchema(tables.Objects)} {
		if err := createTable(ctx, client, schema); err != nil {
			return err
		}
	}
	return nil
}

// createTable returns when the table can be used. The SDK sends a request again whose
// answer was lost: the second may be refused because the first has made the table.
func createTable(ctx context.Context, client *dynamodb.Client, schema *dynamodb.CreateTableInput) error {
	_, err := client.CreateTable(ctx, schema)
	if _, exists := errors.AsType[*types.ResourceInUseException](err); err != nil && !exists {
		return fmt.Errorf("create table %s: %w", *schema.TableName, err)
	}
	ready := dynamodb.NewTableExistsWaiter(client,
		func(o *dynamodb.TableExistsWaiterOptions) { o.MinDelay = 100 * time.Millisecond })
	there, err := ready.WaitForOutput(ctx, &dynamodb.DescribeTableInput{TableName: schema.TableName}, tableTimeout)
	if err != nil {
		return fmt.Errorf("wait for table %s: %w", *schema.TableName, err)
	}
	if !sameKeys(schema, there.Table) {
		return errOtherKeys(*schema.TableName)
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
