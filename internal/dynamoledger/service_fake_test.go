//go:build !real

package dynamoledger_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// service is what the tests of faults run against: in "go test ./..." a service in
// the process.
func service(t testing.TB) aws.Config { return newFake(t, 1000) }
