package wiring

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/kafka"
)

// What is said of the cluster reaches the client: its brokers, the zone that is read from, credentials, and how large
// a batch may be. The variable is the process's: this test runs alone.
func TestTheClientIsToldOfTheCluster(t *testing.T) {
	t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024")
	c := config.Config{Brokers: []string{"a:1", "b:2"}, ClientRack: "euw1-az2"}
	c.Kafka.TLS, c.Kafka.Mechanism = true, kafka.AWSIAM
	got := kafkaConfig(c, aws.Config{})
	if !slices.Equal(got.Brokers, c.Brokers) || got.Rack != "euw1-az2" || got.LargestBatch != 128<<20 || !got.TLS || got.Mechanism != kafka.AWSIAM || got.IAM == nil {
		t.Errorf("%+v", got)
	}
}

// Only parts with a meter count what is used. The variables are the process's: this test runs alone.
func TestPartsWithAMeter(t *testing.T) {
	for name, value := range map[string]string{
		"BIFROST_BROKERS": "127.0.0.1:1", "BIFROST_GROUP": "archive", "BIFROST_BUCKET": "bucket", "AWS_REGION": "eu-west-1",
		"BIFROST_PROGRESS_TABLE": "progress", "BIFROST_OBJECTS_TABLE": "objects", "BIFROST_ARCHIVE_FUNCTION": "archive",
	} {
		t.Setenv(name, value)
	}
	for name, open := range map[string]func(config.Role) (*Parts, error){"with": OpenMetered, "without": OpenFromEnvironment} {
		parts, err := open(config.Archiver)
		if err != nil {
			t.Fatal(err)
		}
		if metered := parts.meter != nil; metered != (name == "with") || parts.Kafka == nil || parts.Config.Bucket != "bucket" {
			t.Errorf("%s: %+v", name, parts)
		}
		parts.Close()
	}
}
