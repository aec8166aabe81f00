//go:build real

package dynamoledger_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// service is what the tests of faults run against: with the real parts DynamoDB Local.
func service(t testing.TB) aws.Config { return localservices.DynamoDB(t).Config() }
