package awsmeter

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// What DynamoDB says that a request took is asked for and added up, and requests to S3
// are of two prices. A client that nobody watches is left alone.
func TestMeter(t *testing.T) {
	t.Parallel()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB") {
			body, _ := io.ReadAll(r.Body)
			asked = append(asked, string(body))
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			_, _ = io.WriteString(w, `{"ConsumedCapacity":{"TableName":"t","CapacityUnits":1.5}}`)
		}
	}))
	defer server.Close()
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}
	meter := &Meter{}
	for _, watched := range []bool{false, true} {
		if watched {
			cfg = meter.Watch(cfg)
		}
		tables := dynamodb.NewFromConfig(cfg)
		bucket := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		key := map[string]types.AttributeValue{"k": &types.AttributeValueMemberS{Value: "v"}}
		for range 2 {
			if _, err := tables.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("t"), Key: key}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := bucket.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("k")}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, err := bucket.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: strings.NewReader("x")})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, want := meter.Total(), (Usage{Puts: 3, Gets: 1, ReadUnits: 3}); got != want {
		t.Errorf("used %+v, want %+v", got, want)
	}
	if strings.Contains(asked[0], "TOTAL") || !strings.Contains(asked[2], `"ReturnConsumedCapacity":"TOTAL"`) {
		t.Errorf("asked %q", asked)
	}
}

func TestUsageAdds(t *testing.T) {
	t.Parallel()
	got := Usage{Puts: 1, Gets: 2, ReadUnits: 3, WriteUnits: 4}.Plus(Usage{Puts: 10, Gets: 20, ReadUnits: 30, WriteUnits: 40}, 0.5)
	if want := (Usage{Puts: 6, Gets: 12, ReadUnits: 18, WriteUnits: 24}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A meter counts what DynamoDB says, and for a transaction what DynamoDB bills.
func TestMeterCounts(t *testing.T) {
	t.Parallel()
	units := func(n float64) *types.ConsumedCapacity { return &types.ConsumedCapacity{CapacityUnits: aws.Float64(n)} }
	var m Meter
	m.count("PutObject", nil)
	m.count("GetObject", nil)
	m.count("HeadObject", nil)
	m.count("GetItem", &dynamodb.GetItemOutput{ConsumedCapacity: units(0.5)})
	m.count("GetItem", (*dynamodb.GetItemOutput)(nil)) // refused
	m.count("UpdateItem", &dynamodb.UpdateItemOutput{ConsumedCapacity: units(2)})
	m.count("TransactWriteItems", &dynamodb.TransactWriteItemsOutput{
		ConsumedCapacity: []types.ConsumedCapacity{*units(8), *units(4)},
	})
	if got, want := m.Total(), (Usage{Puts: 1, Gets: 2, ReadUnits: 0.5, WriteUnits: 8}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// Every request that costs something is counted in its class, by whatever name the SDK calls it.
func TestEveryOperationHasItsPrice(t *testing.T) {
	t.Parallel()
	capacity := &types.ConsumedCapacity{CapacityUnits: aws.Float64(1)}
	for operation, c := range map[string]struct {
		result any
		want   Usage
	}{
		"PutObject": {nil, Usage{Puts: 1}}, "CreateMultipartUpload": {nil, Usage{Puts: 1}}, "UploadPart": {nil, Usage{Puts: 1}},
		"CompleteMultipartUpload": {nil, Usage{Puts: 1}}, "ListObjectsV2": {nil, Usage{Puts: 1}},
		"ListMultipartUploads": {nil, Usage{Puts: 1}},
		"GetObject":            {nil, Usage{Gets: 1}}, "HeadObject": {nil, Usage{Gets: 1}},
		"DeleteObject": {nil, Usage{}}, "AbortMultipartUpload": {nil, Usage{}}, // Amazon S3 takes nothing for them
		"GetItem":    {&dynamodb.GetItemOutput{ConsumedCapacity: capacity}, Usage{ReadUnits: 1}},
		"Query":      {&dynamodb.QueryOutput{ConsumedCapacity: capacity}, Usage{ReadUnits: 1}},
		"Scan":       {&dynamodb.ScanOutput{ConsumedCapacity: capacity}, Usage{ReadUnits: 1}},
		"PutItem":    {&dynamodb.PutItemOutput{ConsumedCapacity: capacity}, Usage{WriteUnits: 1}},
		"UpdateItem": {&dynamodb.UpdateItemOutput{ConsumedCapacity: capacity}, Usage{WriteUnits: 1}},
		"DeleteItem": {&dynamodb.DeleteItemOutput{ConsumedCapacity: capacity}, Usage{WriteUnits: 1}},
	} {
		var m Meter
		if m.count(operation, c.result); m.Total() != c.want {
			t.Errorf("%s is counted as %+v, want %+v", operation, m.Total(), c.want)
		}
	}
}

// Two meters of one account count apart.
func TestMetersCountApart(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		APIOptions:  make([]func(*middleware.Stack) error, 0, 2)} // room for what a meter adds
	var one, two Meter
	first, second := one.Watch(cfg), two.Watch(cfg)
	for n, cfg := range []aws.Config{first, second, second} {
		bucket := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		if _, err := bucket.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("k")}); err != nil {
			t.Fatal(n, err)
		}
	}
	if one.Total().Gets != 1 || two.Total().Gets != 2 {
		t.Errorf("%v and %v requests, want 1 and 2", one.Total().Gets, two.Total().Gets)
	}
}
