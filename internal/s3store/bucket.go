// The bucket itself: how it is made.

package s3store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// BucketSettings are what a person may choose about a bucket that is made: the
// parameters of infra/data.yaml of the same names, which a test compares with this.
type BucketSettings struct {
	Group           string // first element of every key
	KMSKey          string // ARN; empty leaves encryption to S3
	LockMode        string // GOVERNANCE or COMPLIANCE; empty for none
	LockDays        int32
	TransitionDays  int32 // 0 never moves objects
	TransitionClass string
	ExpirationDays  int32 // 0 keeps objects
	CaptureDays     int32 // 0 keeps captures as long as objects
}

// A BucketRequest is one request that makes a bucket, or gives it a setting.
type BucketRequest struct {
	Operation string // as the AWS CLI calls it
	Input     any    // of the SDK
	send      func(ctx context.Context, client *s3.Client) error
}

func bucketRequest[In, Out any](
	operation string, input *In, send func(*s3.Client, context.Context, *In, ...func(*s3.Options)) (Out, error),
) BucketRequest {
	return BucketRequest{operation, input, func(ctx context.Context, client *s3.Client) error {
		_, err := send(client, ctx, input)
		return err
	}}
}

// BucketRequests are what makes the bucket in the region, in order: the first
// creates it.
func BucketRequests(bucket, region string, s BucketSettings) []BucketRequest {
	create := &s3.CreateBucketInput{Bucket: &bucket, ObjectOwnership: types.ObjectOwnershipBucketOwnerEnforced}
	if region != "us-east-1" { // the one region that has no name here (API reference, CreateBucket)
		create.CreateBucketConfiguration = &types.CreateBucketConfiguration{
			LocationConstraint: types.BucketLocationConstraint(region),
		}
	}
	if s.LockMode != "" {
		create.ObjectLockEnabledForBucket = aws.Bool(true)
	}
	requests := []BucketRequest{
		bucketRequest("create-bucket", create, (*s3.Client).CreateBucket),
		bucketRequest("put-public-access-block", &s3.PutPublicAccessBlockInput{
			Bucket: &bucket,
			PublicAccessBlockConfiguration: &types.PublicAccessBlockConfiguration{
				BlockPublicAcls: aws.Bool(true), BlockPublicPolicy: aws.Bool(true),
				IgnorePublicAcls: aws.Bool(true), RestrictPublicBuckets: aws.Bool(true),
			},
		}, (*s3.Client).PutPublicAccessBlock),
		bucketRequest("put-bucket-encryption", &s3.PutBucketEncryptionInput{
			Bucket:                            &bucket,
			ServerSideEncryptionConfiguration: s.encryptionRules(),
		}, (*s3.Client).PutBucketEncryption),
		bucketRequest("put-bucket-versioning", &s3.PutBucketVersioningInput{
			Bucket:                  &bucket,
			VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
		}, (*s3.Client).PutBucketVersioning),
	}
	if s.LockMode != "" {
		retention := &types.DefaultRetention{Mode: types.ObjectLockRetentionMode(s.LockMode), Days: &s.LockDays}
		requests = append(requests, bucketRequest("put-object-lock-configuration", &s3.PutObjectLockConfigurationInput{
			Bucket: &bucket,
			ObjectLockConfiguration: &types.ObjectLockConfiguration{
				ObjectLockEnabled: types.ObjectLockEnabledEnabled,
				Rule:              &types.ObjectLockRule{DefaultRetention: retention},
			},
		}, (*s3.Client).PutObjectLockConfiguration))
	}
	policy := s.policyDocument("arn:" + partitionOf(region) + ":s3:::" + bucket)
	return append(requests,
		bucketRequest("put-bucket-lifecycle-configuration", &s3.PutBucketLifecycleConfigurationInput{
			Bucket:                 &bucket,
			LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: s.lifecycleRules()},
		}, (*s3.Client).PutBucketLifecycleConfiguration),
		bucketRequest("put-bucket-policy", &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &policy},
			(*s3.Client).PutBucketPolicy))
}

// partitionOf is the part of AWS that a region belongs to, which ARNs begin with.
func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// encryptionRules asks for the key once for many objects: without the bucket key each
// object costs a request to KMS.
func (s BucketSettings) encryptionRules() *types.ServerSideEncryptionConfiguration {
	rule := types.ServerSideEncryptionRule{
		ApplyServerSideEncryptionByDefault: &types.ServerSideEncryptionByDefault{
			SSEAlgorithm: types.ServerSideEncryptionAes256,
		},
	}
	if s.KMSKey != "" {
		rule.BucketKeyEnabled = aws.Bool(true)
		rule.ApplyServerSideEncryptionByDefault = &types.ServerSideEncryptionByDefault{
			SSEAlgorithm: types.ServerSideEncryptionAwsKms, KMSMasterKeyID: &s.KMSKey,
		}
	}
	return &types.ServerSideEncryptionConfiguration{Rules: []types.ServerSideEncryptionRule{rule}}
}

const (
	// abortDays is far from any upload that is alive: no range takes longer than 15 minutes.
	abortDays = 7
	// markerBytes is above every marker, which must stay, and below every object.
	markerBytes = 400
	// noncurrentDays is how long what a rule has deleted can be brought back.
	noncurrentDays = 30
)

// lifecycleRules are the rules of infra/data.yaml, which says why each is as it is.
func (s BucketSettings) lifecycleRules() []types.LifecycleRule {
	objects, captures := s.Group+"/", s.Group+"/~clusters/"
	enabled := types.ExpirationStatusEnabled
	old := &types.NoncurrentVersionExpiration{NoncurrentDays: aws.Int32(noncurrentDays)}
	below := func(prefix string) *types.LifecycleRuleFilter { return &types.LifecycleRuleFilter{Prefix: &prefix} }
	tidy := &types.LifecycleExpiration{ExpiredObjectDeleteMarker: aws.Bool(true)}
	rules := []types.LifecycleRule{{
		ID: aws.String("abort-unfinished-uploads"), Status: enabled, Filter: below(""),
		AbortIncompleteMultipartUpload: &types.AbortIncompleteMultipartUpload{
			DaysAfterInitiation: aws.Int32(abortDays),
		},
	}}
	if s.TransitionDays != 0 {
		move := types.Transition{Days: &s.TransitionDays, StorageClass: types.TransitionStorageClass(s.TransitionClass)}
		rules = append(rules, types.LifecycleRule{
			ID: aws.String("move-old-objects"), Status: enabled, Filter: below(objects),
			Transitions: []types.Transition{move},
		})
	}
	if s.ExpirationDays != 0 {
		rules = append(rules, types.LifecycleRule{
			ID: aws.String("delete-old-objects"), Status: enabled,
			Filter: &types.LifecycleRuleFilter{And: &types.LifecycleRuleAndOperator{
				Prefix: &objects, ObjectSizeGreaterThan: aws.Int64(markerBytes),
			}},
			Expiration: &types.LifecycleExpiration{Days: &s.ExpirationDays}, NoncurrentVersionExpiration: old,
		}, types.LifecycleRule{
			ID: aws.String("tidy-after-deletion"), Status: enabled, Filter: below(objects), Expiration: tidy,
		})
	}
	if s.CaptureDays != 0 {
		rules = append(rules, types.LifecycleRule{
			ID: aws.String("delete-old-captures"), Status: enabled, Filter: below(captures),
			Expiration: &types.LifecycleExpiration{Days: &s.CaptureDays}, NoncurrentVersionExpiration: old,
		}, types.LifecycleRule{
			ID: aws.String("tidy-after-captures"), Status: enabled, Filter: below(captures), Expiration: tidy,
		})
	}
	return rules
}

// A statement of a bucket's policy. All of them deny something to everybody.
type statement struct {
	Sid       string
	Effect    string
	Principal string
	Action    string
	Resource  any                          // ARN, or a list of them
	Condition map[string]map[string]string // by operator and key
}

// policyDocument is that of infra/data.yaml, which says why each statement is as it is.
func (s BucketSettings) policyDocument(arn string) string {
	objects := arn + "/*"
	deny := func(sid, action string, resource any, condition map[string]map[string]string) statement {
		return statement{sid, "Deny", "*", action, resource, condition}
	}
	sent := func(header string) map[string]string { return map[string]string{header: "false"} }
	statements := []statement{
		deny("RefusePlainHTTP", "s3:*", []string{arn, objects}, map[string]map[string]string{
			"Bool": {"aws:SecureTransport": "false"},
		}),
		deny("RefuseOverwrites", "s3:PutObject", objects, map[string]map[string]string{
			"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"},
		}),
	}
	if s.KMSKey != "" {
		const encryption, key = "s3:x-amz-server-side-encryption", "s3:x-amz-server-side-encryption-aws-kms-key-id"
		statements = append(statements,
			deny("RefuseOtherEncryption", "s3:PutObject", objects, map[string]map[string]string{
				"StringNotEquals": {encryption: "aws:kms"}, "Null": sent(encryption),
			}),
			deny("RefuseOtherKeys", "s3:PutObject", objects, map[string]map[string]string{
				"StringNotEquals": {key: s.KMSKey}, "Null": sent(key),
			}))
	}
	statements = append(statements, deny("RefuseKeysOfTheWriter", "s3:PutObject", objects, map[string]map[string]string{
		"Null": sent("s3:x-amz-server-side-encryption-customer-algorithm"),
	}))
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	if err != nil {
		panic(err) // texts alone, which no input changes
	}
	return string(text)
}

// MadeBucket is the result of a request for a bucket.
type MadeBucket struct {
	Created bool
	// Kept says that the bucket was there and is not empty: its settings were left as
	// they are, and not looked at.
	Kept bool
	// Unsupported are the requests that the service does not know: it is not Amazon S3.
	Unsupported []string
}

// MakeBucket makes the bucket unless it is there. One that is there and empty gets
// the settings as well: an earlier call may have ended between the two.
func MakeBucket(ctx context.Context, cfg aws.Config, bucket string, settings BucketSettings) (MadeBucket, error) {
	store := New(cfg, bucket)
	made, err := store.needsCreation(ctx)
	if err != nil || made.Kept {
		return made, err
	}
	for i, r := range BucketRequests(bucket, cfg.Region, settings) {
		if i == 0 && !made.Created {
			continue
		}
		err := r.send(ctx, store.client)
		if _, sentAgain := errors.AsType[*types.BucketAlreadyOwnedByYou](err); sentAgain {
			continue // the answer to the first request was lost
		}
		switch {
		case unsupported(err, store.client.Options().BaseEndpoint != nil):
			made.Unsupported = append(made.Unsupported, r.Operation)
		case err != nil:
			return made, fmt.Errorf("%s s3://%s: %w", r.Operation, bucket, err)
		}
	}
	return made, nil
}

// needsCreation looks whether the bucket is there, and whether it holds something.
func (s *Store) needsCreation(ctx context.Context) (MadeBucket, error) {
	_, err := s.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	switch status(err) {
	case http.StatusNotFound:
		return MadeBucket{Created: true}, nil
	case http.StatusForbidden, http.StatusMovedPermanently:
		return MadeBucket{}, fmt.Errorf("look for s3://%s: it is another account's, in another region, "+
			"or these credentials may not see it: %w", s.bucket, err)
	}
	if err != nil {
		return MadeBucket{}, fmt.Errorf("look for s3://%s: %w", s.bucket, err)
	}
	// Old versions are something, too: whoever deleted an archive may want it back.
	list, err := s.client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &s.bucket, MaxKeys: aws.Int32(1)})
	if err != nil {
		return MadeBucket{}, fmt.Errorf("look into s3://%s: %w", s.bucket, err)
	}
	return MadeBucket{Kept: len(list.Versions)+len(list.DeleteMarkers) > 0}, nil
}

// unsupported recognizes that a service at an address of its own does not have all
// of S3. versitygw takes no condition in a policy that it does not know.
func unsupported(err error, elsewhere bool) bool {
	return err != nil && elsewhere && (status(err) == http.StatusNotImplemented ||
		hasCode(err, "MethodNotAllowed") || hasCode(err, "MalformedPolicy"))
}
