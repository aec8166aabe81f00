package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
)

// standIn answers as local AWS do: descriptions in their own way, calls that they do not know,
// and reads as DynamoDB, which refuses keys that are not the table's.
func standIn(t *testing.T, keys ...string) aws.Config {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		refuse := func(code string) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"__type": "com.amazonaws.dynamodb.v20120810#%s", "message": "no"}`, code)
		}
		switch operation {
		case "DescribeTable":
			fmt.Fprint(w, `{"Table": {"CreationDateTime": "2026-01-01T00:00:00Z"}}`)
		case "GetItem":
			for _, key := range keys {
				if !strings.Contains(string(body), `"`+key+`"`) {
					refuse("ValidationException")
					return
				}
			}
			fmt.Fprint(w, `{}`)
		default:
			refuse("UnknownOperationException")
		}
	}))
	t.Cleanup(server.Close)
	return aws.Config{BaseEndpoint: &server.URL, Region: "eu-west-1", RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}
}

// What is as it should be on a stand-in for AWS is no warning; what is wrong there still fails.
func TestAStandInForAWSIsNoWarning(t *testing.T) {
	t.Parallel()
	cfg := standIn(t, "topic", "partition")
	tables := tableDoctor{client: dynamodb.NewFromConfig(cfg)}
	ledger := dynamoledger.New(cfg, dynamoledger.Tables{Progress: "p", Objects: "p"})
	for name, look := range map[string]func(context.Context) finding{
		"table":   func(ctx context.Context) finding { return tables.checkTable(ctx, "p", ledger.CheckProgressTable) },
		"backups": func(ctx context.Context) finding { return tables.checkBackups(ctx, "p") },
		"alarms":  newAlarmDoctor(cfg, "bifrost").checkAlarms,
	} {
		if f := look(t.Context()); f.err != nil || f.warning || !strings.Contains(f.found, "Amazon's") {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f := tables.checkTable(t.Context(), "p", ledger.CheckObjectsTable); !errors.Is(f.err, dynamoledger.ErrOtherTable) {
		t.Errorf("a table with other keys: %+v", f)
	}
}

// Permissions are advised only to whom they are denied: no permission brings a bucket that is not there.
func TestPermissionsAreAdvisedToWhomTheyAreDenied(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		next string
	}{
		"denied by S3":       {&smithy.GenericAPIError{Code: "AccessDenied"}, "allow s3:Get"},
		"denied by DynamoDB": {&smithy.GenericAPIError{Code: "AccessDeniedException"}, "allow s3:Get"},
		"no bucket":          {&smithy.GenericAPIError{Code: "NoSuchBucket"}, "see the line of the bucket"},
		"no table":           {&smithy.GenericAPIError{Code: "TableNotFoundException"}, "or the table itself"},
		"another region":     {&smithy.GenericAPIError{Code: "PermanentRedirect"}, "see the line of the bucket"},
		"nobody there":       {io.ErrUnexpectedEOF, "check the region"},
		"outdated":           {&smithy.GenericAPIError{Code: "ExpiredToken"}, "log in again"},
	} {
		if got := unknown(c.err, "s3:Get"); !got.warning || !strings.Contains(got.next, c.next) ||
			strings.Contains(got.next, "allow") != strings.Contains(c.next, "allow") {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// What is advised about a table fits to what DynamoDB said, or did not say.
func TestAdviceFitsTheFailure(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		got, want string
	}{
		"no table":             {adviceOnTable(fmt.Errorf("table p %w", dynamoledger.ErrNoTable), "dynamodb:X"), "see the lines of the tables"},
		"denied":               {adviceOnTable(&smithy.GenericAPIError{Code: "AccessDeniedException"}, "dynamodb:X"), "allow dynamodb:X to these credentials"},
		"throttled":            {adviceOnTable(&smithy.GenericAPIError{Code: "ThrottlingException"}, "dynamodb:X"), "see what DynamoDB answers"},
		"nobody":               {adviceOnTable(io.ErrUnexpectedEOF, "dynamodb:X"), "check the region"},
		"outdated":             {adviceOnTable(&smithy.GenericAPIError{Code: "ExpiredTokenException"}, "dynamodb:X"), "log in again"},
		"no right to settings": {adviceOnRetention(kerr.TopicAuthorizationFailed), "allow DescribeConfigs"},
		"no broker":            {adviceOnRetention(io.ErrUnexpectedEOF), "look again in a minute"},
		"an address":           {adviceOnAWS(usage.Errorf("AWS_ENDPOINT_URL is x")), "mend this setting"},
		"a profile":            {adviceOnAWS(io.ErrUnexpectedEOF), "give --profile"},
	} {
		if !strings.Contains(c.got, c.want) || strings.Contains(c.got, "allow ") != strings.Contains(c.want, "allow ") {
			t.Errorf("%s: %q, want %q", name, c.got, c.want)
		}
	}
}
