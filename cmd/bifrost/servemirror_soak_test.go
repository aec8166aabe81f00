//go:build real && soak

package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// MirrorMaker 2 copies topics from a gateway into a second cluster: the committed records of
// the archive and of the live log behind it, in order. Of a topic with a recorded gap
// it copies what is before that, and the others all the same.
func TestMirrorMakerCopiesFromAGateway(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	ctx, random := t.Context(), rand.New(rand.NewPCG(22, 24))
	topic, lossy := s.topics+"-orders", s.topics+"-lossy"
	must(t, s.topic(ctx, topic, 2))
	must(t, s.topic(ctx, lossy, 1))
	write := func() {
		var records []*kgo.Record
		for range 500 {
			r := oddOrder(topic, random)
			r.Timestamp = time.Now()
			records = append(records, r)
		}
		must(t, s.produceBy(t, kgo.ZstdCompression(), topic, records...))
		s.transaction(t, topic, true, numbered(topic, 0, 0, 5)...)
		s.transaction(t, topic, false, numbered(topic, 1, 0, 5)...) // an aborted tail
		s.settledEnd(t, topic)
	}
	write()
	must(t, s.produce(ctx, numbered(lossy, 0, 0, 10)...))
	s.bifrost(t, "flush")
	must(t, s.produce(ctx, numbered(lossy, 0, 10, 20)...))
	s.cutBelow(t, lossy, 1, 15)
	s.bifrost(t, "flush")
	write() // in the live log alone
	want := withoutOffsets(t, franzReader(t, s.brokers, topic, "earliest"))
	s.cutBelow(t, topic, 2, 60)
	gateway, stop := s.serving(t, "--listen", "127.0.0.1:0")
	t.Cleanup(func() { stop(syscall.SIGTERM) })
	target, _ := clusterOfItsOwn(t)
	// It writes where it has come to into the source unless told otherwise.
	localservices.MirrorMaker(t, gateway, target.Addr(), "from->to.offset-syncs.topic.location=target")
	ends := func(topic string) (all int64) {
		client, err := kgo.NewClient(kgo.SeedBrokers(target.Addr()))
		must(t, err)
		defer client.Close()
		listed, err := kadm.NewClient(client).ListEndOffsets(ctx, topic)
		must(t, err)
		listed.Each(func(o kadm.ListedOffset) { all += max(0, o.Offset) })
		return all
	}
	for began := time.Now(); ends(topic) < int64(len(want)) || ends(lossy) < 10; time.Sleep(time.Second) {
		if time.Since(began) > 3*time.Minute {
			t.Fatalf("after three minutes %d of %d records are copied, and %d of the topic with a loss", ends(topic), len(want), ends(lossy))
		}
	}
	if got := withoutOffsets(t, franzReader(t, target.Addr(), topic, "earliest")); !slices.Equal(got, want) {
		t.Errorf("%d records, want %d: %s", len(got), len(want), firstDifference(strings.Join(got, "\n"), strings.Join(want, "\n")))
	}
	if got := withoutOffsets(t, franzReader(t, target.Addr(), lossy, "earliest")); len(got) != 10 {
		t.Errorf("of the topic with a loss: %q", got)
	}
}

// withoutOffsets are the lines of records in order of partitions and offsets, without the latter.
func withoutOffsets(t *testing.T, printed string) (short []string) {
	t.Helper()
	for _, line := range strings.Split(inOrder(printed), "\n") {
		if word := strings.SplitN(line, " ", 3); len(word) == 3 {
			short = append(short, word[0]+" "+word[2])
		}
	}
	if len(short) == 0 {
		t.Fatalf("no records in %q", printed)
	}
	return short
}
