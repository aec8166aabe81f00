//go:build real

package s3store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/localstack"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

func TestStoreOnVersityGateway(t *testing.T) {
	t.Parallel()
	cfg := localstack.S3(t).Config()
	store := s3store.New(cfg, newBucket(t, cfg))
	bifrosttest.TestStore(t, func(*testing.T) bifrosttest.Bucket { return store })
}

// The local AWS is what demo and end-to-end test run on.
func TestStoreOnLocalAWS(t *testing.T) {
	t.Parallel()
	server, err := localstack.StartAWS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Remove(); err != nil {
			t.Error(err)
		}
	})
	cfg := server.Endpoint.Config()
	store := s3store.New(cfg, newBucket(t, cfg))
	bifrosttest.TestStore(t, func(*testing.T) bifrosttest.Bucket { return store })
}

// newBucket makes a bucket for one test.
func newBucket(t *testing.T, cfg aws.Config) string {
	t.Helper()
	name := fmt.Sprintf("bucket-%x", rand.Uint64())
	_, err := s3.NewFromConfig(cfg).CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: localstack.Region},
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}
