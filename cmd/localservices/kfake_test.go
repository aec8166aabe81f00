package main

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/target"
)

// A replay is not refused by the one broker for settings that are made for three.
func TestTheEmbeddedKafkaTakesReplays(t *testing.T) {
	t.Parallel()
	port, err := localservices.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := newEmbeddedKafka(port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	look, err := target.LookInto(t.Context(), []kgo.Opt{kgo.SeedBrokers(cluster.ListenAddrs()...)}, target.Request{
		Needs:  []target.Need{{Topic: "orders-again", Partitions: 3, Fewest: 3}},
		Create: true, StateTopic: bifrost.ReplayStateTopic, Now: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if against := look.Refused(true); len(against) > 0 {
		t.Errorf("against a replay: %q", against)
	}
}
