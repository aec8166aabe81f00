// The ledger in DynamoDB as a whole.

package dynamoledger

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Tables names the two tables. In a function the names come from the variables
// that errors mention: BIFROST_PROGRESS_TABLE and BIFROST_OBJECTS_TABLE.
type Tables struct {
	Progress string
	Objects  string
}

// Ledger is the ledger in DynamoDB. It keeps nothing in memory and may be used by
// many goroutines at once.
type Ledger struct {
	client  *dynamodb.Client
	tables  Tables
	retryer aws.RetryerV2
}

var _ bifrost.Ledger = (*Ledger)(nil)

// New returns the ledger in the tables. It touches no network: a table that does
// not exist shows with the first read or write.
func New(cfg aws.Config, tables Tables) *Ledger {
	retryer := newRetryer()
	return &Ledger{client: newClient(cfg, retryer), tables: tables, retryer: retryer}
}

func newClient(cfg aws.Config, retryer aws.Retryer) *dynamodb.Client {
	return dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.Retryer = retryer })
}
