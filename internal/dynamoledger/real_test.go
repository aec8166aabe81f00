//go:build real

package dynamoledger_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

func TestLedgerOnDynamoDBLocal(t *testing.T) {
	t.Parallel()
	cfg := localservices.DynamoDB(t).Config()
	bifrosttest.TestLedger(t, func(t *testing.T) bifrost.Ledger { return dynamoledger.New(cfg, newTables(t, cfg)) })
}

// A page of DynamoDB has a megabyte, which no suite fills; with pages of two rows
// every read of the suite goes over several.
func TestLedgerInTinyPages(t *testing.T) {
	t.Parallel()
	cfg := localservices.DynamoDB(t).Config()
	cfg.HTTPClient = &http.Client{Transport: tinyPages{http.DefaultTransport}}
	bifrosttest.TestLedger(t, func(t *testing.T) bifrost.Ledger { return dynamoledger.New(cfg, newTables(t, cfg)) })
}

// tinyPages asks for two rows where more were asked for. DynamoDB Local checks no
// signature.
type tinyPages struct{ next http.RoundTripper }

func (p tinyPages) RoundTrip(r *http.Request) (*http.Response, error) {
	if !operation("Scan")(r) && !operation("Query")(r) {
		return p.next.RoundTrip(r)
	}
	var request map[string]any
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		return nil, err
	}
	if limit, ok := request["Limit"].(float64); !ok || limit > 2 {
		request["Limit"] = 2
	}
	body, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	tiny := r.Clone(r.Context())
	tiny.Body, tiny.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return p.next.RoundTrip(tiny)
}

// The local AWS is what demo and end-to-end test run on.
func TestLedgerOnLocalAWS(t *testing.T) {
	t.Parallel()
	server, err := localservices.StartAWS(t.Context())
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
