// Which archive the tables belong to, by the objects that they name.

package dynamoledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// rowsToAsk is how many rows of a table ObjectKeys reads.
const rowsToAsk = 100

// ObjectKeys implements health.ArchiveTables.
func (l *Ledger) ObjectKeys(ctx context.Context) (progress, objects string, err error) {
	if progress, err = l.someText(ctx, l.tables.Progress, "BIFROST_PROGRESS_TABLE", "last_object"); err != nil {
		return "", "", err
	}
	objects, err = l.someText(ctx, l.tables.Objects, "BIFROST_OBJECTS_TABLE", "object")
	return progress, objects, err
}

// someText is the attribute of some row that has it; empty if none of a few has. A table that is not
// there is named, with the variable that should.
func (l *Ledger) someText(ctx context.Context, table, variable, attribute string) (string, error) {
	page, err := l.client.Scan(ctx, &dynamodb.ScanInput{
		TableName: &table, ConsistentRead: aws.Bool(true), Limit: aws.Int32(rowsToAsk),
		ProjectionExpression: aws.String("#a"), FilterExpression: aws.String("attribute_exists(#a)"),
		ExpressionAttributeNames: map[string]string{"#a": attribute},
	})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return "", fmt.Errorf("table %q (%s) %w in region %s of this account: %w", table, variable, ErrNoTable,
			l.client.Options().Region, err)
	}
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
