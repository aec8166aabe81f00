package s3store_test

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/s3fake"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// newFake starts a service in this process, with pages of the given size.
func newFake(t testing.TB, pageSize int) (*s3fake.Server, aws.Config) {
	t.Helper()
	fake := s3fake.New()
	fake.PageSize = pageSize
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return fake, aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
	}
}

// The fake passes the suite that versitygw and the local AWS pass, with pages of
// three beside those of S3.
func TestStoreOnFake(t *testing.T) {
	t.Parallel()
	for name, pageSize := range map[string]int{"pages of a thousand": 1000, "pages of three": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, cfg := newFake(t, pageSize)
			store := s3store.New(cfg, newBucket(t, cfg))
			bifrosttest.TestStore(t, func(*testing.T) bifrosttest.Bucket { return store })
		})
	}
}

// newBucket makes a bucket for one test.
func newBucket(t *testing.T, cfg aws.Config) string {
	t.Helper()
	name := fmt.Sprintf("bucket-%x", rand.Uint64())
	_, err := s3.NewFromConfig(cfg).CreateBucket(t.Context(), &s3.CreateBucketInput{
		Bucket: &name, CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(cfg.Region)},
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}
