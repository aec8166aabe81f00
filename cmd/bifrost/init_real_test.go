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

	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// elsewhere is the sandbox with another bucket and other tables, which are not there.
func (s *sandbox) elsewhere(name string) *sandbox {
	other := *s
	other.bucket = name
	other.tables = dynamoledger.Tables{Progress: name + "-progress", Objects: name + "-objects"}
	other.env = append(append([]string{}, s.env...), "BIFROST_BUCKET="+name,
		"BIFROST_PROGRESS_TABLE="+other.tables.Progress, "BIFROST_OBJECTS_TABLE="+other.tables.Objects)
	return &other
}

// What init makes is enough to archive, it may be run again, and it touches neither
// rows nor the settings of a bucket that holds something.
func TestInitMakesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	must(t, s.topic(t.Context(), s.topics+"-a", 1))
	must(t, s.produce(t.Context(), numbered(s.topics+"-a", 0, 0, 5)...))
	other := s.elsewhere(s.bucket + "-made")
	if printed := other.bifrost(t, "init", "--print"); strings.Count(printed, "\n") < 10 || !strings.Contains(printed, "aws s3api create-bucket") {
		t.Errorf("init --print: %s", printed)
	}
	if _, err := other.store.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &other.bucket}); err == nil {
		t.Fatal("init --print has made the bucket")
	}
	other.run(t, "init").must(t, 0, "Made the bucket "+other.bucket, "Made the table "+other.tables.Objects)
	other.run(t, "init").must(t, 0, "is there and empty: it got its settings", "The table "+other.tables.Progress+" is there")
	other.bifrost(t, "flush")
	other.run(t, "init").must(t, 0, "holds something: its settings were left as they are")
	if got := other.bifrost(t, "cat", s.topics+"-a"); strings.Count(got, "\n") != 5 {
		t.Errorf("archived behind init: %q", got)
	}
	other.run(t, "init", "--transition-class", "TAPE").must(t, 2, "want STANDARD_IA")
	other.run(t, "init", "--lock-mode", "none", "--expiration-days", "-1").must(t, 2, "want 0 or more")
	other.run(t, "init", "--progress-table", other.tables.Objects).must(t, 1, "is none of Bifrost's")
}

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
