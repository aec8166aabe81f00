//go:build real

package main

import (
	"testing"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// services are what sandboxes use: here the real parts, which all tests share.
func services(t testing.TB) (brokers string, db, store localservices.Endpoint) {
	return localservices.Kafka(t), localservices.DynamoDB(t), localservices.S3(t)
}
