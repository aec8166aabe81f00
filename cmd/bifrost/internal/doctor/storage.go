// The checks of credentials, bucket, tables.

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/health"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// checkAWS checks credentials, clock, bucket and tables.
func (d *checkup) checkAWS(ctx context.Context, cfg aws.Config, c config.Config) {
	d.runCheck(ctx, "credentials", func(ctx context.Context) finding {
		credentials, err := cfg.Credentials.Retrieve(ctx)
		if err != nil {
			d.unknown = true
			return broken(err, "log in as for the AWS CLI, or give --profile")
		}
		return fine("from %s, region %s", credentials.Source, cfg.Region)
	})
	bucket := bucketDoctor{client: s3.NewFromConfig(cfg), name: c.Bucket, group: c.Group, now: d.Now}
	d.askAWS(ctx, "bucket", bucket.checkReach, serviceS3)
	d.askAWS(ctx, "clock", bucket.checkClock, serviceS3)
	d.askAWS(ctx, "bucket versions", bucket.checkVersions, serviceS3)
	d.askAWS(ctx, "bucket encryption", bucket.checkEncryption, serviceS3)
	d.askAWS(ctx, "bucket public access", bucket.checkPublicAccess, serviceS3)
	d.askAWS(ctx, "bucket unfinished uploads", bucket.checkLifecycle, serviceS3)
	tables := tableDoctor{client: dynamodb.NewFromConfig(cfg)}
	ledger := dynamoledger.New(cfg, dynamoledger.Tables{Progress: c.ProgressTable, Objects: c.ObjectsTable})
	d.askAWS(ctx, "progress table", func(ctx context.Context) finding {
		return tables.checkTable(ctx, c.ProgressTable, ledger.CheckProgressTable)
	}, serviceDynamoDB)
	d.askAWS(ctx, "objects table", func(ctx context.Context) finding {
		return tables.checkTable(ctx, c.ObjectsTable, ledger.CheckObjectsTable)
	}, serviceDynamoDB)
	d.askAWS(ctx, "table backups",
		func(ctx context.Context) finding { return tables.checkBackups(ctx, c.ProgressTable) }, serviceDynamoDB)
	d.askAWS(ctx, "alarms", newAlarmDoctor(cfg, c.Stack).checkAlarms, serviceCloudWatch)
}

// checkBelonging checks that group, bucket and tables are those of one archive.
func checkBelonging(ctx context.Context, parts *wiring.Parts) finding {
	belonging := settings.Belonging(parts)
	err := belonging.CheckGroup(ctx)
	if err == nil {
		err = belonging.CheckBucket(ctx)
	}
	if errors.Is(err, health.ErrOtherArchive) {
		return broken(err, "take all names from the outputs of one stack: bifrost env --stack NAME")
	}
	if err != nil {
		return advice("not known: "+err.Error(), "see the lines of the bucket and the tables")
	}
	return fine("group, bucket and tables belong together")
}

type bucketDoctor struct {
	client *s3.Client
	name   string
	group  string
	now    func() time.Time
	skew   time.Duration // of the last answer: its Date less this machine's clock
	dated  bool
}

// checkReach lists the archive's prefix, which every command needs.
func (b *bucketDoctor) checkReach(ctx context.Context) finding {
	out, err := b.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket:  &b.name,
		Prefix:  aws.String(b.group + "/"),
		MaxKeys: aws.Int32(1),
	}, s3.WithAPIOptions(b.readDate))
	switch {
	case hasCode(err, "NoSuchBucket"):
		return broken(err, "BIFROST_BUCKET names a bucket that does not exist in this account and region: "+
			settings.HowToMake)
	case hasCode(err, "InvalidBucketName"):
		return broken(err, "BIFROST_BUCKET is no name that a bucket can have: want the name alone, without s3:// "+
			"and prefix")
	case hasCode(err, "PermanentRedirect"), hasCode(err, "AuthorizationHeaderMalformed"):
		return broken(err, "the bucket is in another region: give --region, or is BIFROST_BUCKET another's bucket?")
	case hasCode(err, "AccessDenied"):
		return broken(err, "is BIFROST_BUCKET right? It may be somebody else's bucket. If it is: allow "+
			"s3:ListBucket and s3:GetObject on the bucket to these credentials")
	case err != nil:
		return broken(err, adviceOnAsking(err))
	case len(out.Contents) == 0:
		return advice("nothing is archived under "+b.group+"/ yet", "if something should be, is BIFROST_GROUP (--group) "+
			"right? bifrost env --stack NAME prints it. A new archive has its first objects when records are due")
	}
	return fine("%s can be listed", b.name)
}

// readDate notes the Date of the answer (RFC 9110).
func (b *bucketDoctor) readDate(stack *middleware.Stack) error {
	read := func(
		ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
	) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		if response, ok := out.RawResponse.(*smithyhttp.Response); ok {
			if date, dateErr := http.ParseTime(response.Header.Get("Date")); dateErr == nil {
				b.skew, b.dated = date.Sub(b.now()), true
			}
		}
		return out, metadata, err
	}
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("readDate", read), middleware.After)
}

// S3 refuses requests that are more than 15 minutes off (RequestTimeTooSkewed);
// leases are wrong by as much as the clock is.
const (
	worrySkew = 5 * time.Second
	mostSkew  = 5 * time.Minute
)

func (b *bucketDoctor) checkClock(context.Context) finding {
	switch {
	case !b.dated:
		return advice("S3 did not say what time it is", "see the bucket's line")
	case b.skew.Abs() > mostSkew:
		return broken(fmt.Errorf("this machine's clock is %s off from S3's", b.skew.Round(time.Second)),
			"set the clock (NTP)")
	case b.skew.Abs() > worrySkew:
		return advice(fmt.Sprintf("this machine's clock is %s off from S3's", b.skew.Round(time.Second)),
			"set the clock (NTP)")
	}
	return fine("as S3's")
}

func (b *bucketDoctor) checkVersions(ctx context.Context) finding {
	out, err := b.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &b.name})
	switch {
	case err != nil:
		return unknown(err, "s3:GetBucketVersioning")
	case out.Status != s3types.BucketVersioningStatusEnabled:
		return advice("versioning is off", "turn it on: an object deleted by mistake can then be restored")
	}
	return fine("kept")
}

func (b *bucketDoctor) checkEncryption(ctx context.Context) finding {
	out, err := b.client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &b.name})
	switch {
	case hasCode(err, "ServerSideEncryptionConfigurationNotFoundError"):
		return advice("no default encryption", "turn on SSE-S3 or SSE-KMS")
	case err != nil:
		return unknown(err, "s3:GetEncryptionConfiguration")
	}
	if set := out.ServerSideEncryptionConfiguration; set != nil {
		for _, rule := range set.Rules {
			if rule.ApplyServerSideEncryptionByDefault != nil {
				return fine("%s", rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm)
			}
		}
	}
	return advice("no default encryption", "turn on SSE-S3 or SSE-KMS")
}

func (b *bucketDoctor) checkPublicAccess(ctx context.Context) finding {
	out, err := b.client.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &b.name})
	if hasCode(err, "NoSuchPublicAccessBlockConfiguration") || err == nil && out.PublicAccessBlockConfiguration == nil {
		return advice("not blocked", "block public access to the bucket")
	}
	if err != nil {
		return unknown(err, "s3:GetBucketPublicAccessBlock")
	}
	block := out.PublicAccessBlockConfiguration
	for _, on := range []*bool{block.BlockPublicAcls, block.BlockPublicPolicy, block.IgnorePublicAcls,
		block.RestrictPublicBuckets} {
		if !aws.ToBool(on) {
			return advice("not wholly blocked", "turn on all four settings of the public access block")
		}
	}
	return fine("blocked")
}

func (b *bucketDoctor) checkLifecycle(ctx context.Context) finding {
	const add = "add a lifecycle rule that aborts unfinished multipart uploads: their parts cost money"
	out, err := b.client.GetBucketLifecycleConfiguration(ctx, &s3.GetBucketLifecycleConfigurationInput{Bucket: &b.name})
	if hasCode(err, "NoSuchLifecycleConfiguration") {
		return advice("no lifecycle rule removes them", add)
	}
	if err != nil {
		return unknown(err, "s3:GetLifecycleConfiguration")
	}
	for _, rule := range out.Rules {
		if rule.Status == s3types.ExpirationStatusEnabled && rule.AbortIncompleteMultipartUpload != nil {
			return fine("removed after %d days", aws.ToInt32(rule.AbortIncompleteMultipartUpload.DaysAfterInitiation))
		}
	}
	return advice("no lifecycle rule removes them", add)
}

// unknown is a setting that these credentials may not see, or this service does
// not have. The archive works without the answer, and of a service that is not
// Amazon's nobody can demand it.
func unknown(err error, action string) finding {
	var code smithy.APIError
	var garbled *smithy.DeserializationError
	found := "not known: " + err.Error()
	switch {
	case settings.AreOutdated(err):
		return advice(found, adviceOnAsking(err))
	case errors.As(err, &garbled):
		return fine("not known: this service answers %s as Amazon's does not", action)
	case errors.As(err, &code) && slices.Contains(unknownCalls, code.ErrorCode()):
		return fine("not known: this service, which is not Amazon's, does not have the call of %s (%s)", action,
			code.ErrorCode())
	case errors.As(err, &code):
		found = "not known: " + code.ErrorCode()
		if !slices.Contains(refusals, code.ErrorCode()) {
			return advice(found, "see the line of the bucket or the table itself")
		}
	default:
		return advice(found, adviceOnAsking(err))
	}
	return advice(found, "allow "+action+" to these credentials to have it checked")
}

// refusals are the answers to credentials that may not make a call.
var refusals = []string{"AccessDenied", "AccessDeniedException", "Forbidden", "UnauthorizedOperation"}

// unknownCalls are the answers of services that do not know a call.
var unknownCalls = []string{"NotImplemented", "MethodNotAllowed", "UnknownOperationException", "InvalidAction",
	"UnknownAction", "UnsupportedOperation"}

func hasCode(err error, code string) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && answer.ErrorCode() == code
}

type tableDoctor struct{ client *dynamodb.Client }

// checkTable checks that a table is there, ready, and the one that it is taken for. A table that is
// being made is described already, and its rows cannot be asked for.
func (t *tableDoctor) checkTable(ctx context.Context, name string, check func(context.Context) error) finding {
	out, describeErr := t.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	described := describeErr == nil && out.Table != nil
	if described && out.Table.TableStatus != dynamotypes.TableStatusActive &&
		out.Table.TableStatus != dynamotypes.TableStatusUpdating {
		return broken(fmt.Errorf("%s is %s", name, out.Table.TableStatus), "wait, or see the DynamoDB console")
	}
	err := check(ctx)
	_, garbled := errors.AsType[*smithy.DeserializationError](describeErr)
	switch {
	case errors.Is(err, dynamoledger.ErrNoTable):
		return broken(err, settings.HowToMake)
	case errors.Is(err, dynamoledger.ErrOtherTable):
		return broken(err, "take the names of both tables from one stack: bifrost env --stack NAME")
	case err != nil:
		return broken(err, adviceOnTable(err, "dynamodb:GetItem, Query and Scan on the tables"))
	case garbled, describeErr == nil && !described:
		return fine("%s can be read; this service, which is not Amazon's, does not say how large it is", name)
	case describeErr != nil:
		return broken(describeErr, adviceOnTable(describeErr, "dynamodb:DescribeTable on the tables"))
	}
	return fine("%s, %s items by the last count of DynamoDB, which counts every six hours or so", name,
		human.Count(aws.ToInt64(out.Table.ItemCount)))
}

// adviceOnTable is what to do about a table that cannot be asked for want of a permission, or
// of something else.
func adviceOnTable(err error, permission string) string {
	var code smithy.APIError
	switch {
	case settings.AreOutdated(err):
		return adviceOnAsking(err)
	case errors.Is(err, dynamoledger.ErrNoTable):
		return "see the lines of the tables"
	case errors.As(err, &code) && slices.Contains(refusals, code.ErrorCode()):
		return "allow " + permission + " to these credentials"
	case errors.As(err, &code):
		return "see what DynamoDB answers, and the DynamoDB console"
	}
	return adviceOnAsking(err)
}

// adviceOnAsking is what to do about a request that got no answer, or that nobody may make any more.
func adviceOnAsking(err error) string {
	if settings.AreOutdated(err) {
		return "the credentials are outdated: log in again as for the AWS CLI"
	}
	return "check the region, the endpoint and the network"
}

func (t *tableDoctor) checkBackups(ctx context.Context, name string) finding {
	out, err := t.client.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &name})
	if err != nil {
		return unknown(err, "dynamodb:DescribeContinuousBackups")
	}
	var status dynamotypes.PointInTimeRecoveryStatus
	if backups := out.ContinuousBackupsDescription; backups != nil && backups.PointInTimeRecoveryDescription != nil {
		status = backups.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus
	}
	if status != dynamotypes.PointInTimeRecoveryStatusEnabled {
		return advice("no point-in-time recovery",
			"turn it on; without it, bifrost rebuild makes the tables from the bucket")
	}
	return fine("point-in-time recovery is on")
}

// topicsToDescribe bounds what doctor asks of the configuration of topics.
const topicsToDescribe = 5

// describeTopics names some of the topics.
func describeTopics(topics []bifrost.Topic) []string {
	var names []string
	for _, t := range topics[:min(topicsToDescribe, len(topics))] {
		names = append(names, t.Name)
	}
	return names
}
