package dynamoledger

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
)

// tablesThere is DynamoDB as MakeTables asks it: the tables that are there, by their descriptions,
// and whether it knows recovery.
type tablesThere struct {
	tables   map[string]string
	recovers bool
	refuses  string // the exception of recovery; empty for one of a service that has none
	asked    []string
}

// RoundTrip implements http.RoundTripper.
func (f *tablesThere) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var of struct{ TableName string }
	if err := json.Unmarshal(body, &of); err != nil {
		return nil, err
	}
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	f.asked = append(f.asked, operation+" "+of.TableName)
	status, answer := 200, "{}"
	switch {
	case operation == "CreateTable":
		f.tables[of.TableName] = `"TableStatus":"ACTIVE",` + map[string]string{"p": progressKeys, "o": objectsKeys + "," + openKeys}[of.TableName]
	case operation == "DescribeTable" && f.tables[of.TableName] == "":
		status, answer = 400, `{"__type":"x#ResourceNotFoundException","message":"none"}`
	case operation == "DescribeTable":
		answer = `{"Table":{` + f.tables[of.TableName] + `}}`
	case !f.recovers:
		status, answer = 400, `{"__type":"x#`+cmp.Or(f.refuses, "UnknownOperationException")+`","message":"what"}`
	}
	return httpfault.Answer(status, nil, answer)(nil, r)
}

const (
	progressKeys = `"KeySchema":[{"AttributeName":"topic","KeyType":"HASH"},{"AttributeName":"partition","KeyType":"RANGE"}]`
	objectsKeys  = `"KeySchema":[{"AttributeName":"partition_key","KeyType":"HASH"},{"AttributeName":"start_offset","KeyType":"RANGE"}]`
	openKeys     = `"GlobalSecondaryIndexes":[{"IndexName":"open","KeySchema":[` +
		`{"AttributeName":"open_shard","KeyType":"HASH"},{"AttributeName":"lease_until","KeyType":"RANGE"}]}]`
)

// Whatever of the two tables is there, both are there afterwards, with recovery turned on for both
// where there is such a thing; and a table with other keys, or with another index, is none of ours.
func TestBothTablesAreMadeAndMadeSafe(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		progress, objects string
		recovers          bool
		want              string // what MakeTables says
		refused           bool
	}{
		"none":                         {"", "", true, "{[p o] [] []}", false},
		"one":                          {progressKeys, "", true, "{[o] [p] []}", false},
		"the other":                    {"", objectsKeys + "," + openKeys, true, "{[p] [o] []}", false},
		"both":                         {progressKeys, objectsKeys + "," + openKeys, true, "{[] [p o] []}", false},
		"both, of no DynamoDB":         {progressKeys, objectsKeys + "," + openKeys, false, "{[] [p o] [update-continuous-backups p update-continuous-backups o]}", false},
		"one with other keys":          {objectsKeys, "", true, "{[] [] []}", true},
		"the other with other keys":    {progressKeys, progressKeys + "," + openKeys, true, "{[] [p] []}", true},
		"the other without its index":  {progressKeys, objectsKeys, true, "{[] [p] []}", true},
		"the other with another index": {progressKeys, objectsKeys + "," + strings.Replace(openKeys, `"open"`, `"other"`, 1), true, "{[] [p] []}", true},
		"an index with other keys":     {progressKeys, objectsKeys + "," + strings.Replace(openKeys, "lease_until", "attempts", 1), true, "{[] [p] []}", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &tablesThere{tables: map[string]string{"p": c.progress, "o": c.objects}, recovers: c.recovers}
			cfg := aws.Config{
				Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""), HTTPClient: &http.Client{Transport: f},
			}
			made, err := MakeTables(t.Context(), cfg, Tables{Progress: "p", Objects: "o"}, TableSafety{})
			if got := fmt.Sprint(made); got != c.want || (err != nil) != c.refused {
				t.Errorf("made %s, want %s; error %v", got, c.want, err)
			}
			for _, table := range append(made.Created, made.Kept...) {
				if !slices.Contains(f.asked, "UpdateContinuousBackups "+table) {
					t.Errorf("the recovery of table %s was not turned on: %v", table, f.asked)
				}
			}
		})
	}
	for _, protected := range []bool{false, true} {
		for _, r := range (TableSafety{DeletionProtection: protected, KMSKey: "the-key"}).tableRequests(Tables{Progress: "p", Objects: "o"}) {
			if *r.DeletionProtectionEnabled != protected || *r.SSESpecification.KMSMasterKeyId != "the-key" {
				t.Errorf("%s: %v, %v", *r.TableName, *r.DeletionProtectionEnabled, r.SSESpecification)
			}
		}
	}
}

// The key of an object is that of the first row that tells one.
func TestSomeObjectKeyIsFound(t *testing.T) {
	t.Parallel()
	l, _ := offline(httpfault.Answer(200, nil, `{"Items":[{"last_object":{"S":""},"object":{"S":""}},{},{"last_object":{"S":"a"},"object":{"S":"b"}}]}`))
	if progress, objects, err := l.ObjectKeys(t.Context()); progress != "a" || objects != "b" || err != nil {
		t.Errorf("%q and %q, error %v", progress, objects, err)
	}
}

// A table that may not be read is not called another one.
func TestATableThatMayNotBeReadIsNoOther(t *testing.T) {
	t.Parallel()
	l, _ := offline(httpfault.Answer(400, nil, `{"__type":"x#AccessDeniedException","message":"no"}`))
	if err := l.CheckObjectsTable(t.Context()); err == nil || errors.Is(err, ErrOtherTable) || errors.Is(err, ErrNoTable) {
		t.Errorf("the table is checked with %v", err)
	}
}

// Recovery that may not be turned on is an error: somebody would count on it.
func TestRecoveryThatIsRefused(t *testing.T) {
	t.Parallel()
	there := &tablesThere{tables: map[string]string{}, refuses: "AccessDeniedException"}
	cfg := aws.Config{Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient: &http.Client{Transport: there}}
	made, err := MakeTables(t.Context(), cfg, Tables{Progress: "p", Objects: "o"}, TableSafety{})
	if err == nil || !strings.Contains(err.Error(), "recovery of table p") || len(made.Unsupported) > 0 {
		t.Errorf("made %+v, error %v", made, err)
	}
}
