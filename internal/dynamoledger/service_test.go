package dynamoledger_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
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

// Each of the two tables is told from the other, and from one that is not there.
func TestATableIsToldByItsKeys(t *testing.T) {
	t.Parallel()
	cfg := service(t)
	tables := newTables(t, cfg)
	for _, c := range []struct {
		given             dynamoledger.Tables
		progress, objects error
	}{
		{tables, nil, nil},
		{dynamoledger.Tables{Progress: tables.Objects, Objects: tables.Progress}, dynamoledger.ErrOtherTable, dynamoledger.ErrOtherTable},
		{dynamoledger.Tables{Progress: tables.Objects, Objects: tables.Objects}, dynamoledger.ErrOtherTable, nil},
		{dynamoledger.Tables{Progress: tables.Progress, Objects: tables.Progress}, nil, dynamoledger.ErrOtherTable},
		{dynamoledger.Tables{Progress: "nope", Objects: "nope"}, dynamoledger.ErrNoTable, dynamoledger.ErrNoTable},
	} {
		l := dynamoledger.New(cfg, c.given)
		for variable, found := range map[string]struct{ got, want error }{
			"BIFROST_PROGRESS_TABLE": {l.CheckProgressTable(t.Context()), c.progress},
			"BIFROST_OBJECTS_TABLE":  {l.CheckObjectsTable(t.Context()), c.objects},
		} {
			if !errors.Is(found.got, found.want) || found.got != nil && !strings.Contains(found.got.Error(), variable) {
				t.Errorf("%+v: %s is checked with %v, want %v", c.given, variable, found.got, found.want)
			}
		}
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
