// Which archive the tables belong to, by the objects that they name.

package dynamoledger

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// rowsToAsk is how many rows of a table ObjectKeys reads.
const rowsToAsk = 100

// ObjectKeys implements health.ArchiveTables.
func (l *Ledger) ObjectKeys(ctx context.Context) (progress, objects string, err error) {
	if progress, err = l.someText(ctx, l.tables.Progress, "last_object"); err != nil {
		return "", "", err
	}
	objects, err = l.someText(ctx, l.tables.Objects, "object")
	return progress, objects, err
}

// someText is the attribute of some row that has it; empty if none of a few has, or there is
// no such table.
func (l *Ledger) someText(ctx context.Context, table, attribute string) (string, error) {
	page, err := l.client.Scan(ctx, &dynamodb.ScanInput{
		TableName: &table, Limit: aws.Int32(rowsToAsk), ProjectionExpression: aws.String("#a"),
		FilterExpression: aws.String("attribute_exists(#a)"), ExpressionAttributeNames: map[string]string{"#a": attribute},
	})
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing {
		return "", nil // whoever needs it says so
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
