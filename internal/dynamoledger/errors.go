// What failed requests mean, when they are repeated.

package dynamoledger

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// maxAttempts bounds the repetitions of one request. Together with their pauses
// they span about ten seconds: long enough for DynamoDB to find capacity, short
// beside the fifteen minutes of a function.
const maxAttempts = 10

// newRetryer is the SDK's standard retryer that also repeats what that one does
// not know about: two transactions that met at a row, and an answer that was cut.
func newRetryer() aws.RetryerV2 {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.Backoff = retry.BackoffDelayerFunc(pause)
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(metOrCut)}, o.Retryables...)
	})
}

// pause is a random time before the next attempt, up to 50 ms, 100 ms, 200 ms ...
// 3.2 s. The SDK's own pauses begin with up to two seconds, which is long for
// workers that meet at the row of the partition they share.
func pause(attempt int, _ error) (time.Duration, error) {
	longest := 50 * time.Millisecond << min(max(attempt-1, 0), 6)
	return rand.N(longest), nil
}

func metOrCut(err error) aws.Ternary {
	if canceled, ok := errors.AsType[*types.TransactionCanceledException](err); ok {
		return aws.BoolTernary(isPassing(canceled.CancellationReasons))
	}
	if _, ok := errors.AsType[*types.TransactionConflictException](err); ok {
		return aws.TrueTernary
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// The reasons for which DynamoDB cancels a transaction (API reference, TransactWriteItems).
const (
	reasonNone            = "None"
	reasonConditionFailed = "ConditionalCheckFailed"
	reasonConflict        = "TransactionConflict"
	reasonThroughput      = "ProvisionedThroughputExceeded"
	reasonThrottled       = "ThrottlingError"
)

// isPassing reports whether a canceled transaction may go through when it is
// repeated as it is: another one held a row, or there was no capacity. A failed
// condition beside that decides against it.
func isPassing(reasons []types.CancellationReason) bool {
	passing := []string{reasonNone, reasonConflict, reasonThroughput, reasonThrottled}
	return !slices.ContainsFunc(reasons, func(r types.CancellationReason) bool {
		return !slices.Contains(passing, aws.ToString(r.Code))
	})
}

// doubt is the retryer of one single write. It notices when an attempt may have
// been applied although its answer was not a success, so that a condition that
// fails afterwards may have been failed by this write itself.
type doubt struct {
	aws.RetryerV2
	lost bool // an answer was lost
}

// IsErrorRetryable implements aws.Retryer. The SDK asks after every failed attempt.
func (d *doubt) IsErrorRetryable(err error) bool {
	if !refused(err) {
		d.lost = true
	}
	return d.RetryerV2.IsErrorRetryable(err)
}

// refused reports whether DynamoDB itself said no: a status of 400 to 499. What
// fails with 500, times out or breaks off may have been applied.
func refused(err error) bool {
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && response.HTTPStatusCode() >= 400 && response.HTTPStatusCode() < 500
}

// ErrNoTable says that there is no table of that name where these credentials and this
// region lead.
var ErrNoTable = errors.New("does not exist")

// failureOf wraps an error that is not about a condition. A table that is not there
// is a mistake in the configuration, so the error names the variable, and the region,
// which may be the mistake.
func (l *Ledger) failureOf(doing string, err error) error {
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return fmt.Errorf("%s: table %q (BIFROST_PROGRESS_TABLE) or %q (BIFROST_OBJECTS_TABLE) %w in "+
			"region %s of this account: %w",
			doing, l.tables.Progress, l.tables.Objects, ErrNoTable, l.client.Options().Region, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
