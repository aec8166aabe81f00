// How tables are recognized: each by its keys, their archive by the objects that they name.

package dynamoledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// rowsToAsk is how many rows of a table ObjectKeys reads.
const rowsToAsk = 100

// ErrOtherTable says that a table has not the keys of the one that it is taken for.
var ErrOtherTable = errors.New("are the two tables swapped?")

// CheckProgressTable is nil if there is a progress table where the settings say. Otherwise it is
// ErrNoTable, ErrOtherTable, or what kept these credentials from asking. It reads no row.
func (l *Ledger) CheckProgressTable(ctx context.Context) error {
	return l.checkTable(ctx, l.tables.Progress, "BIFROST_PROGRESS_TABLE", "progress", markKey())
}

// CheckObjectsTable is CheckProgressTable for the objects table.
func (l *Ledger) CheckObjectsTable(ctx context.Context) error {
	return l.checkTable(ctx, l.tables.Objects, "BIFROST_OBJECTS_TABLE", "objects", rowKey(bifrost.Partition{}, 0))
}

// checkTable asks for a row, whether or not there is one: DynamoDB checks the key first. Whoever may
// read rows may ask this; DescribeTable needs a permission of its own, and stand-ins for AWS garble it.
func (l *Ledger) checkTable(ctx context.Context, table, variable, role string, key attributes) error {
	_, err := l.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return fmt.Errorf("table %q (%s) %w in region %s of this account: %w", table, variable, ErrNoTable,
			l.client.Options().Region, err)
	}
	if answer, ok := errors.AsType[smithy.APIError](err); ok && answer.ErrorCode() == "ValidationException" {
		return fmt.Errorf("table %q (%s) has other keys than the %s table, whose keys are %s: %w", table, variable, role,
			strings.Join(slices.Sorted(maps.Keys(key)), " and "), ErrOtherTable)
	}
	if err != nil {
		return fmt.Errorf("look for the keys of table %s (%s): %w", table, variable, err)
	}
	return nil
}

// ObjectKeys implements health.ArchiveTables.
func (l *Ledger) ObjectKeys(ctx context.Context) (progress, objects string, err error) {
	if progress, err = l.someText(ctx, l.tables.Progress, "last_object"); err != nil {
		return "", "", err
	}
	objects, err = l.someText(ctx, l.tables.Objects, "object")
	return progress, objects, err
}

// someText is the attribute of some row that has it; empty if none of a few has.
func (l *Ledger) someText(ctx context.Context, table, attribute string) (string, error) {
	page, err := l.client.Scan(ctx, &dynamodb.ScanInput{
		TableName: &table, ConsistentRead: aws.Bool(true), Limit: aws.Int32(rowsToAsk),
		ProjectionExpression: aws.String("#a"), FilterExpression: aws.String("attribute_exists(#a)"),
		ExpressionAttributeNames: map[string]string{"#a": attribute},
	})
	if err != nil {
		return "", l.failureOf("look for the key of an object in table "+table, err)
	}
	for _, item := range page.Items {
		if text := optionalText(item[attribute]); text != "" {
			return text, nil
		}
	}
	return "", nil
}
