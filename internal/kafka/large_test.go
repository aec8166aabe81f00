package kafka

import (
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// produceBytes appends one record of so many bytes that cannot be compressed.
func produceBytes(t testing.TB, brokers []string, topic string, size int) {
	t.Helper()
	value := make([]byte, size)
	_, _ = rand.Read(value)
	writer := producer(t, brokers, kgo.ProducerBatchMaxBytes(int32(size)+4096), kgo.BrokerMaxWriteBytes(int32(size)+8192), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err := writer.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: value}).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// TestReadLargeBatch has a batch that is larger than what is taken: what lies before
// it is read, and then it is told what to do, at once.
func TestReadLargeBatch(t *testing.T) {
	t.Parallel()
	cluster, _ := startCluster(t)
	if err := cluster.CreateTopic("large", 1, map[string]string{"max.message.bytes": "10000000"}); err != nil {
		t.Fatal(err)
	}
	produceBytes(t, cluster.ListenAddrs(), "large", 10)
	produceBytes(t, cluster.ListenAddrs(), "large", 3<<20)
	for _, c := range []struct {
		largest int64
		records int
	}{{2 << 20, 1}, {4 << 20, 2}} {
		client := connect(t, Config{Brokers: cluster.ListenAddrs(), LargestBatch: c.largest})
		client.fetchBytes = 1
		began := time.Now()
		records, _, err := readAll(t, client, "large", topicID(cluster, "large"), 0, bifrost.Range{Start: 0, End: 2})
		if len(records) != c.records || errors.Is(err, recordbatch.ErrTooLarge) != (c.records == 1) {
			t.Errorf("%d bytes are taken: %d records, error %v", c.largest, len(records), err)
		}
		if c.records == 1 && (time.Since(began) > testPatience || !strings.Contains(err.Error(), "large/0 at offset 1") ||
			!strings.Contains(err.Error(), "2097152 bytes") || !strings.Contains(err.Error(), "bifrost flush") || strings.Contains(err.Error(), "TLS")) {
			t.Errorf("after %s: error %v", time.Since(began), err)
		}
	}
}

// TestReadSlowly has a way to the broker on which a batch takes longer than the
// client's patience, and says something all the time.
func TestReadSlowly(t *testing.T) {
	t.Parallel()
	cluster, client := startCluster(t, kfake.ListenFn(func(network, address string) (net.Listener, error) {
		listener, err := net.Listen(network, address)
		return slowListener{listener}, err
	}))
	produceBytes(t, cluster.ListenAddrs(), "orders", 64<<10)
	began := time.Now()
	records, _, err := readAll(t, client, "orders", topicID(cluster, "orders"), 0, bifrost.Range{Start: 0, End: 1})
	if err != nil || len(records) != 1 || len(records[0].Value) != 64<<10 {
		t.Errorf("%d records, error %v", len(records), err)
	}
	if took := time.Since(began); took < testPatience {
		t.Errorf("took %s, which was not slow", took)
	}
}

type slowListener struct{ net.Listener }

// Accept implements net.Listener.
func (l slowListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return slowWriter{conn}, err
}

type slowWriter struct{ net.Conn }

// Write implements net.Conn.
func (w slowWriter) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var some int
		some, err = w.Conn.Write(p[n:min(n+1024, len(p))])
		if n += some; n < len(p) {
			time.Sleep(testPatience / 50)
		}
	}
	return n, err
}
