//go:build real

package s3store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

func TestStoreOnVersityGateway(t *testing.T) {
	t.Parallel()
	cfg := localservices.S3(t).Config()
	store := s3store.New(cfg, newBucket(t, cfg))
	bifrosttest.TestStore(t, func(*testing.T) bifrosttest.Bucket { return store })
}

// The local AWS is what demo and end-to-end test run on.
func TestStoreOnLocalAWS(t *testing.T) {
	t.Parallel()
	server, err := localservices.StartAWS(t.Context())
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

func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	cfg := localservices.S3(t).Config()
	bucket := newBucket(t, cfg)
	cfg.Credentials = credentials.NewStaticCredentialsProvider("nobody", "nothing", "")
	store := s3store.New(cfg, bucket)
	_, creating := store.Create(t.Context(), key)
	_, opening := store.Open(t.Context(), key)
	_, listing := store.List(t.Context(), "", "", 1)
	for _, err := range []error{creating, opening, listing} {
		if err == nil || errors.Is(err, bifrost.ErrNotFound) || !strings.Contains(err.Error(), "access key") {
			t.Errorf("error %v, want one about the access key", err)
		}
	}
}
