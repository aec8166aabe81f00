//go:build real

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// The local AWS has more of S3 and of DynamoDB: what init asks for is what is there.
func TestInitSetsWhatItSays(t *testing.T) {
	t.Parallel()
	server, err := localservices.StartAWS(t.Context())
	must(t, err)
	t.Cleanup(func() { must(t, server.Remove()) })
	s := &sandbox{db: server.Endpoint.Config(), store: s3.NewFromConfig(server.Endpoint.Config(), func(o *s3.Options) { o.UsePathStyle = true })}
	s.env = append([]string{"BIFROST_GROUP=test"}, server.Endpoint.Env()...)
	s = s.elsewhere("init-sets")
	var made initJSON
	must(t, json.Unmarshal([]byte(s.bifrost(t, "init", "--json", "--expiration-days", "7", "--lock-mode", "governance")), &made))
	if !made.BucketCreated || len(made.TablesCreated) != 2 || len(made.Unsupported) != 0 {
		t.Errorf("made %+v", made)
	}
	versions, err := s.store.GetBucketVersioning(t.Context(), &s3.GetBucketVersioningInput{Bucket: &s.bucket})
	must(t, err)
	rules, err := s.store.GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: &s.bucket})
	must(t, err)
	policy, err := s.store.GetBucketPolicy(t.Context(), &s3.GetBucketPolicyInput{Bucket: &s.bucket})
	must(t, err)
	if versions.Status != "Enabled" || len(rules.Rules) != 5 || strings.Count(aws.ToString(policy.Policy), "Deny") != 3 {
		t.Errorf("versions %s, %d rules, policy %s", versions.Status, len(rules.Rules), aws.ToString(policy.Policy))
	}
	client := dynamodb.NewFromConfig(s.db)
	for _, table := range made.TablesCreated {
		described, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
		must(t, err)
		backups, err := client.DescribeContinuousBackups(t.Context(), &dynamodb.DescribeContinuousBackupsInput{TableName: &table})
		must(t, err)
		recovery := backups.ContinuousBackupsDescription.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus
		if !aws.ToBool(described.Table.DeletionProtectionEnabled) || recovery != types.PointInTimeRecoveryStatusEnabled {
			t.Errorf("%s: guarded %v, recovery %s", table, aws.ToBool(described.Table.DeletionProtectionEnabled), recovery)
		}
	}
}
