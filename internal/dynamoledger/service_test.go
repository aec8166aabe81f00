package dynamoledger_test

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/dynamofake"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
)

// newFake starts a service in this process, with pages of the given size.
func newFake(t testing.TB, pageSize int) aws.Config {
	t.Helper()
	fake := dynamofake.New()
	fake.PageSize = pageSize
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}
}

// The fake passes the suite that DynamoDB Local and the local AWS pass, with pages of
// two rows beside those of DynamoDB.
func TestLedgerOnFake(t *testing.T) {
	t.Parallel()
	for name, pageSize := range map[string]int{"pages of a thousand": 1000, "pages of two": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := newFake(t, pageSize)
			bifrosttest.TestLedger(t, func(t *testing.T) bifrost.Ledger { return dynamoledger.New(cfg, newTables(t, cfg)) })
		})
	}
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
