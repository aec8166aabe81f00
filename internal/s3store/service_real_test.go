//go:build real

package s3store_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// service is what the tests of faults run against: with the real parts versitygw.
func service(t testing.TB) aws.Config { return localservices.S3(t).Config() }
