//go:build real

package kafka

import (
	"context"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

func createTopic(t testing.TB, brokers, topic string, configs map[string]*string) bifrost.TopicID {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	created, err := kadm.NewClient(client).CreateTopic(context.Background(), 1, 1, configs, topic)
	if err != nil {
		t.Fatal(err)
	}
	return bifrost.TopicID(created.ID)
}
