//go:build real

package localservices_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// TestDynamoDBRefusesAFailedCondition is what the ledger stands on.
func TestDynamoDBRefusesAFailedCondition(t *testing.T) {
	t.Parallel()
	client := dynamodb.NewFromConfig(localservices.DynamoDB(t).Config())
	table := aws.String("conditions")
	_, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName:            table,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("id"), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("id"), KeyType: types.KeyTypeHash}},
	})
	if err != nil {
		t.Fatal(err)
	}
	put := func() error {
		_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{
			TableName:           table,
			Item:                map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}},
			ConditionExpression: aws.String("attribute_not_exists(id)"),
		})
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	if failed := (*types.ConditionalCheckFailedException)(nil); !errors.As(put(), &failed) {
		t.Errorf("second put: got %v, want a ConditionalCheckFailedException", err)
	}
}

// TestS3RefusesToOverwrite is what the objects stand on.
func TestS3RefusesToOverwrite(t *testing.T) {
	t.Parallel()
	client := s3.NewFromConfig(localservices.S3(t).Config())
	bucket := aws.String("write-once")
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	put := func() error {
		_, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: bucket, Key: aws.String("a/b"), Body: strings.NewReader("x"), IfNoneMatch: aws.String("*"),
		})
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	var refused smithy.APIError
	if err := put(); !errors.As(err, &refused) || refused.ErrorCode() != "PreconditionFailed" {
		t.Errorf("second put: got %v, want PreconditionFailed", err)
	}
}

// TestKafkaKeepsDataOverARestart stops a broker in order and by a crash.
func TestKafkaKeepsDataOverARestart(t *testing.T) {
	t.Parallel()
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{
		Listeners: map[string]string{"SECOND": "PLAINTEXT"},
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.Listener("SECOND")), kgo.DefaultProduceTopic("orders"),
		kgo.UnknownTopicRetries(-1))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	admin := kadm.NewClient(client)
	if _, err := localservices.CreateTopic(t.Context(), client, "orders", 1, 1, nil); err != nil {
		t.Fatal(err)
	}
	for _, stop := range []func() error{broker.Stop, broker.Kill} {
		if err := client.ProduceSync(t.Context(), kgo.StringRecord("x")).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if err := localservices.PingKafka(t.Context(), broker.Addr()); err == nil {
			t.Fatal("the broker answers after it was stopped")
		}
		if err := broker.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := logEnd(t, admin); got != 2 {
		t.Errorf("the log ends at %d, want 2", got)
	}
}

func logEnd(t *testing.T, admin *kadm.Client) int64 {
	t.Helper()
	ends, err := admin.ListEndOffsets(context.Background(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup("orders", 0)
	return end.Offset
}
