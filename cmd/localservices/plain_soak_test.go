//go:build real && soak

package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// plainEndToEnd is an end-to-end test on a broker that takes everybody, and that
// others may use too.
func plainEndToEnd(t *testing.T, brokers string) *endToEnd {
	return endToEndOn(t, brokers, fmt.Sprintf("plain-%x.", rand.Uint64()))
}

// startPlainStack deploys with these parameters, and the topics of the test.
func (e *endToEnd) startPlainStack(parameters map[string]string) {
	e.Helper()
	parameters["IncludeTopics"] = e.prefix + "*"
	e.stack = localservices.StackForTest(e.T, localservices.StackOptions{Kafka: e.brokers, Parameters: parameters})
}
