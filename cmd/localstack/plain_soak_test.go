//go:build real && soak

package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localstack"
)

// plainEndToEnd is an end-to-end test on a broker that takes everybody, and that
// others may use too.
func plainEndToEnd(t *testing.T, brokers string) *endToEnd {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	prefix := fmt.Sprintf("plain-%x.", rand.Uint64())
	return &endToEnd{T: t, prefix: prefix, brokers: brokers, client: client, admin: kadm.NewClient(client)}
}

// startPlainStack deploys with these parameters, and the topics of the test.
func (e *endToEnd) startPlainStack(parameters map[string]string) {
	e.Helper()
	parameters["IncludeTopics"] = e.prefix + "*"
	s, err := localstack.StartStack(e.Context(), localstack.StackOptions{Kafka: e.brokers, Parameters: parameters})
	e.check(err)
	e.stack = s
	e.Cleanup(func() {
		if err := s.Remove(); err != nil {
			e.Error(err)
		}
	})
}
