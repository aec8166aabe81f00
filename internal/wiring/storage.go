// How the configuration becomes a bucket, tables.

package wiring

import (
	"context"
	"fmt"

	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// Region is where the AWS SDK sends requests to.
func (p *Parts) Region() string { return p.aws.Region }

// CheckCredentials looks for the credentials to ask AWS with. The SDK keeps what it has found; where
// there are none it looks again for each request, last of all at a machine's own service, which takes
// seconds where nothing answers.
func (p *Parts) CheckCredentials(ctx context.Context) error {
	if _, err := p.aws.Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("get credentials: %w", err)
	}
	return nil
}

// MakeStorage creates the bucket and the tables of the configuration, as far as they do
// not exist. The bucket comes first: a table without one is useless.
func (p *Parts) MakeStorage(
	ctx context.Context, bucket s3store.BucketSettings, safety dynamoledger.TableSafety,
) (madeBucket s3store.MadeBucket, madeTables dynamoledger.MadeTables, err error) {
	if madeBucket, err = s3store.MakeBucket(ctx, p.aws, p.Config.Bucket, bucket); err != nil {
		return madeBucket, madeTables, err
	}
	madeTables, err = dynamoledger.MakeTables(ctx, p.aws, p.tables(), safety)
	return madeBucket, madeTables, err
}

// StorageRequests are the requests that MakeStorage sends if nothing exists.
func (p *Parts) StorageRequests(
	bucket s3store.BucketSettings, safety dynamoledger.TableSafety,
) ([]s3store.BucketRequest, []dynamoledger.TableRequest) {
	return s3store.BucketRequests(p.Config.Bucket, p.aws.Region, bucket), dynamoledger.TableRequests(p.tables(), safety)
}

func (p *Parts) tables() dynamoledger.Tables {
	return dynamoledger.Tables{Progress: p.Config.ProgressTable, Objects: p.Config.ObjectsTable}
}
