// A condition that failed becomes a conflict, which shows the row.

package dynamoledger

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// A conflict is a failed condition, with the row that failed it.
type conflict struct {
	doing string
	row   attributes // as DynamoDB had it; nil when there was none
	open  bool       // an answer was lost before, so this write itself may have moved the row
}

// Error says what was attempted and what the row looks like instead.
func (c *conflict) Error() string {
	cause := bifrost.ErrConflict.Error()
	if c.open {
		cause = "an answer was lost, and whether the write was applied before the ledger moved on cannot be told"
	}
	return fmt.Sprintf("%s: %s: %s", c.doing, cause, describe(c.row))
}

// Unwrap makes it a bifrost.ErrConflict if nothing was applied for certain.
func (c *conflict) Unwrap() error {
	if c.open {
		return nil
	}
	return bifrost.ErrConflict
}

// describe says of a row what the conditions of this package look at.
func describe(row attributes) string {
	if len(row) == 0 {
		return "there is no such row"
	}
	var says []string
	for _, attribute := range []string{
		"status", "generation", "next_offset", "planned_offset",
		"state", "end_offset", "attempts", "leased_until", "object",
	} {
		if v, ok := row[attribute]; ok {
			says = append(says, attribute+" "+scalarText(v))
		}
	}
	return "the row has " + strings.Join(says, ", ")
}

// concludeWrite turns the error of a single conditional write into a conflict, into
// the success that it was after all, or into an error that leaves it open.
func (l *Ledger) concludeWrite(doing string, err error, d *doubt, ours func(attributes) bool) (attributes, error) {
	failed, ok := errors.AsType[*types.ConditionalCheckFailedException](err)
	switch {
	case !ok:
		return nil, l.failureOf(doing, err)
	case d.lost && ours != nil && ours(failed.Item):
		return failed.Item, nil
	}
	return nil, &conflict{doing: doing, row: failed.Item, open: d.lost}
}

// concludeTransaction turns the error of a transaction into a conflict where a condition
// failed. Its token makes sure that it was not failed by its own first attempt.
func (l *Ledger) concludeTransaction(doing string, err error) error {
	canceled, ok := errors.AsType[*types.TransactionCanceledException](err)
	if !ok {
		return l.failureOf(doing, err)
	}
	for _, reason := range canceled.CancellationReasons {
		if aws.ToString(reason.Code) == reasonConditionFailed {
			return &conflict{doing: doing, row: reason.Item}
		}
	}
	return l.failureOf(doing, err)
}
