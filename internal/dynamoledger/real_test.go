//go:build real

package dynamoledger_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/localstack"
)

func TestLedgerOnDynamoDBLocal(t *testing.T) {
	t.Parallel()
	cfg := localstack.DynamoDB(t).Config()
	bifrosttest.TestLedger(t, func(t *testing.T) bifrost.Ledger { return dynamoledger.New(cfg, newTables(t, cfg)) })
}

// The local AWS is what demo and end-to-end test run on.
func TestLedgerOnLocalAWS(t *testing.T) {
	t.Parallel()
	server, err := localstack.StartAWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Remove(); err != nil {
			t.Error(err)
		}
	})
	cfg := server.Endpoint.Config()
	bifrosttest.TestLedger(t, func(t *testing.T) bifrost.Ledger { return dynamoledger.New(cfg, newTables(t, cfg)) })
}

// newTables makes a pair of tables for one test.
func newTables(t testing.TB, cfg aws.Config) dynamoledger.Tables {
	t.Helper()
	n := rand.Uint64()
	tables := dynamoledger.Tables{Progress: fmt.Sprintf("progress-%x", n), Objects: fmt.Sprintf("objects-%x", n)}
	if err := dynamoledger.CreateTables(t.Context(), cfg, tables); err != nil {
		t.Fatal(err)
	}
	return tables
}
