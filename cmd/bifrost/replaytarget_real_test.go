//go:build real

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// mustAgree runs a replay as a dry run first, which must end as the run does.
func (s *sandbox) mustAgree(t testing.TB, code int, words []string, args ...string) {
	t.Helper()
	s.run(t, append(slices.Clone(args), "--dry-run")...).must(t, code, words...)
	s.run(t, args...).must(t, code, words...)
}

// topicsNow lists the topics of the cluster whose names begin as the test's do, with how
// many partitions they have.
func topicsNow(t testing.TB, s *sandbox) map[string]int {
	t.Helper()
	client, err := s.client()
	must(t, err)
	defer client.Close()
	all, err := kadm.NewClient(client).ListTopics(t.Context())
	must(t, err)
	topics := map[string]int{}
	for name, detail := range all {
		if strings.HasPrefix(name, s.topics) {
			topics[strings.TrimPrefix(name, s.topics)] = len(detail.Partitions)
		}
	}
	return topics
}

// prose is what a JSON document of that size compresses like, and noise what nothing
// compresses.
func prose(bytes int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	var out []byte
	for len(out) < bytes {
		out = fmt.Appendf(out, `{"id": %d, "page": "/products/%d", "amount": %d.%02d, "currency": "EUR"},`, random.IntN(1e9), random.IntN(500), random.IntN(1000), random.IntN(100))
	}
	return out[:bytes]
}

func noise(bytes int) []byte {
	out := make([]byte, bytes)
	random := rand.NewChaCha8([32]byte{1})
	_, _ = random.Read(out)
	return out
}

// Each target that is made has as many partitions as its own source, however many of
// them hold something or are asked for.
func TestTargetsHaveTheirOwnPartitions(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	for name, partitions := range map[string]int32{"-a": 6, "-b": 1, "-c": 3} {
		must(t, s.topic(t.Context(), s.topics+name, partitions))
		must(t, s.produce(t.Context(), numbered(s.topics+name, 0, 0, 5)...))
	}
	s.bifrost(t, "flush")
	names := func(pairs string) []string {
		args := []string{"replay", "--create"}
		for pair := range strings.FieldsSeq(pairs) {
			source, target, _ := strings.Cut(pair, ":")
			args = append(args, s.topics+source+":"+s.topics+target)
		}
		return args
	}
	s.run(t, names("-a:-x -b:-y -c:-z")...).must(t, 0, "with 6 partitions", "with 1 partition", "with 3 partitions")
	s.run(t, append(names("-a:-one"), "--partitions", "0")...).must(t, 0)
	s.run(t, append(names("-c:-keyed"), "--rekey")...).must(t, 0)
	s.run(t, append(names("-a:-both -b:-both"), "--force")...).must(t, 0)
	topics := topicsNow(t, s)
	for name, want := range map[string]int{"-x": 6, "-y": 1, "-z": 3, "-one": 6, "-keyed": 3, "-both": 6} {
		if topics[name] != want {
			t.Errorf("topic %s has %d partitions, want %d", name, topics[name], want)
		}
	}
}

// A target that is made takes what its source took: large records, records that only
// their codec made small enough, records of tomorrow.
func TestTargetsTakeWhatTheSourceTook(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source  []string // settings
		codec   kgo.CompressionCodec
		records []*kgo.Record
		says    string
		want    map[string]string // settings of the target
	}{
		"small":           {nil, kgo.NoCompression(), []*kgo.Record{{Value: prose(500)}, {Value: prose(900_000)}}, "", map[string]string{"max.message.bytes": "1048588", "message.timestamp.after.max.ms": "3600000"}},
		"many":            {nil, kgo.SnappyCompression(), many(4000), "", map[string]string{"max.message.bytes": "1048588"}},
		"large":           {[]string{"max.message.bytes=10000000"}, kgo.NoCompression(), []*kgo.Record{{Value: prose(500)}, {Value: noise(3_000_000)}}, "it gets max.message.bytes=", nil},
		"large key":       {[]string{"max.message.bytes=10000000"}, kgo.NoCompression(), []*kgo.Record{{Key: noise(2_000_000), Value: prose(500)}}, "it gets max.message.bytes=", nil},
		"large headers":   {[]string{"max.message.bytes=10000000"}, kgo.NoCompression(), []*kgo.Record{{Value: noise(700_000), Headers: []kgo.RecordHeader{{Key: "h", Value: noise(700_000)}}}}, "it gets max.message.bytes=", nil},
		"large with zstd": {nil, kgo.ZstdCompression(), []*kgo.Record{{Value: prose(4_600_000)}}, "it gets max.message.bytes=", nil},
		"tomorrow":        {[]string{"message.timestamp.after.max.ms=9223372036854775807"}, kgo.NoCompression(), []*kgo.Record{{Value: prose(5), Timestamp: time.Now().Add(25 * time.Hour)}}, "it gets message.timestamp.after.max.ms=9223372036854775807", nil},
		"long ago":        {nil, kgo.NoCompression(), []*kgo.Record{{Value: prose(5), Timestamp: time.UnixMilli(1)}}, "", map[string]string{"retention.ms": "-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := sandboxOf(t)
			source, target := s.topics+"-source", s.topics+"-target"
			must(t, s.topic(t.Context(), source, 1, c.source...))
			must(t, s.produceBy(t, c.codec, source, c.records...))
			s.bifrost(t, "flush")
			s.mustAgree(t, 0, []string{c.says}, "replay", source+":"+target, "--create")
			for setting, want := range c.want {
				if got := s.setting(t, target, setting); got != want {
					t.Errorf("%s is %s, want %s", setting, got, want)
				}
			}
			if end := s.settledEnd(t, target); end < int64(len(c.records)) {
				t.Errorf("the target ends at %d", end)
			}
		})
	}
}

func many(n int) (records []*kgo.Record) {
	for i := range n {
		records = append(records, &kgo.Record{Key: fmt.Appendf(nil, "key %d", i), Value: prose(600 + i%7)})
	}
	return records
}

// produceBy writes records with a codec.
func (s *sandbox) produceBy(t testing.TB, codec kgo.CompressionCodec, topic string, records ...*kgo.Record) error {
	t.Helper()
	client, err := s.client(kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(12_000_000), kgo.BrokerMaxWriteBytes(100_000_000))
	must(t, err)
	defer client.Close()
	for _, r := range records {
		r.Topic = topic
		if r.Timestamp.IsZero() {
			r.Timestamp = time.Now()
		}
	}
	return client.ProduceSync(t.Context(), records...).FirstErr()
}

// A target that would refuse a record is refused before anything is written, and the
// dry run says the same.
func TestTargetsThatWouldRefuse(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	large, future := s.topics+"-large", s.topics+"-future"
	must(t, s.topic(t.Context(), large, 1, "max.message.bytes=10000000"))
	must(t, s.topic(t.Context(), future, 1, "message.timestamp.after.max.ms=9223372036854775807"))
	must(t, s.produceBy(t, kgo.NoCompression(), large, &kgo.Record{Value: prose(100)}, &kgo.Record{Value: prose(4_600_000)}, &kgo.Record{Value: noise(700_000)}))
	must(t, s.produceBy(t, kgo.NoCompression(), future, &kgo.Record{Value: prose(100)}, &kgo.Record{Value: prose(100), Timestamp: time.Now().Add(2 * time.Hour)}))
	s.bifrost(t, "flush")
	for name, c := range map[string]struct {
		settings []string
		source   string
		args     []string
		code     int
		says     string
	}{
		"the default, snappy":   {nil, large, nil, 3, "the record at offset 1 of " + large + "/0 has "},
		"the default, zstd":     {nil, large, []string{"--compression", "zstd"}, 0, "complete: 3 records"},
		"it keeps zstd":         {[]string{"compression.type=zstd"}, large, nil, 0, "complete: 3 records"},
		"it keeps none":         {[]string{"compression.type=uncompressed"}, large, nil, 3, "has 4600"},
		"kept none, given zstd": {[]string{"compression.type=uncompressed"}, large, []string{"--compression", "zstd"}, 3, "with none: set max.message.bytes="},
		"half a megabyte":       {[]string{"max.message.bytes=500000"}, large, []string{"--compression", "zstd"}, 3, "it takes batches of 500000 bytes and the record at offset"},
		"without those":         {[]string{"max.message.bytes=500000"}, large, []string{"--to", "1"}, 0, "complete: 1 record,"},
		"large enough":          {[]string{"max.message.bytes=4000000"}, large, []string{"--compression", "gzip"}, 0, "complete: 3 records"},
		"two hours ahead":       {nil, future, nil, 3, "set message.timestamp.after.max.ms=9223372036854775807"},
		"not that one":          {nil, future, []string{"--to", "1"}, 0, "complete: 1 record,"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target := c.source + "-" + strings.NewReplacer(" ", "-", ",", "").Replace(name)
			must(t, s.topic(t.Context(), target, 1, c.settings...))
			args := append([]string{"replay", c.source + ":" + target}, c.args...)
			s.run(t, append(slices.Clone(args), "--dry-run")...).must(t, c.code)
			s.run(t, args...).must(t, c.code, c.says)
			if end := s.settledEnd(t, target); (end > 0) != (c.code == 0) {
				t.Errorf("the target ends at %d after exit code %d", end, c.code)
			}
		})
	}
}

// What cannot be is refused with exit code 3 and leaves nothing behind.
func TestRefusalsLeaveNothing(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	source := s.topics + "-source"
	must(t, s.topic(t.Context(), source, 2))
	must(t, s.produce(t.Context(), numbered(source, 0, 0, 5)...))
	s.bifrost(t, "flush")
	must(t, s.topic(t.Context(), s.topics+"_metrics", 1))
	before := topicsNow(t, s)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no create":    {[]string{source + ":" + s.topics + "-none"}, "it does not exist: make it, or give --create"},
		"no such name": {[]string{source + ":" + s.topics + "-bad/name", "--create"}, "no topic can have that name (INVALID_TOPIC_EXCEPTION"},
		"one of two":   {[]string{source + ":" + s.topics + "-good", source + ":" + s.topics + "-bad/name", "--create"}, "no topic can have that name"},
		"like another": {[]string{source + ":" + s.topics + ".metrics", "--create"}, "collide"},
	} {
		t.Run(name, func(t *testing.T) {
			s.mustAgree(t, 3, []string{c.says, "othing was written"}, append([]string{"replay"}, c.args...)...)
			s.run(t, append([]string{"replay", "--force"}, c.args...)...).must(t, 3)
		})
	}
	if after := topicsNow(t, s); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("topics before %v, after %v", before, after)
	}
}

// A single broker with the defaults of Kafka cannot make a transaction log. Nor can one
// that wants more replicas in sync than it makes write anything.
func TestBrokersThatCannot(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	source := s.topics + "-source"
	must(t, s.topic(t.Context(), source, 1))
	must(t, s.produce(t.Context(), numbered(source, 0, 0, 5)...))
	s.bifrost(t, "flush")
	for name, c := range map[string]struct {
		properties map[string]string
		says       []string
	}{
		"too few brokers": {
			map[string]string{"transaction.state.log.replication.factor": "3", "transaction.state.log.min.isr": "2", "default.replication.factor": "2"},
			[]string{"transaction.state.log.replication.factor is 3 and 1 broker(s) are there", "topic copy: it cannot be made: INVALID_REPLICATION_FACTOR"},
		},
		"never in sync": {
			map[string]string{"min.insync.replicas": "2"},
			[]string{"min.insync.replicas of the brokers is larger"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			broker := localservices.KafkaForTest(t, localservices.KafkaOptions{Properties: c.properties})
			s.mustAgree(t, 3, c.says, "replay", source+":copy", "--create", "--to-brokers", broker.Addr())
			there := &sandbox{brokers: broker.Addr()}
			if topics := topicsNow(t, there); len(topics) > 0 {
				t.Errorf("topics are left behind: %v", topics)
			}
		})
	}
}

// Every codec is one that Apache Kafka's own consumer reads, also where records are
// larger than the blocks that are compressed at a time, and the broker keeps it as it is.
func TestEveryCodec(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	source := s.topics + "-source"
	must(t, s.topic(t.Context(), source, 1, "max.message.bytes=12000000")) // in batches of any size
	random := rand.New(rand.NewPCG(3, 4))
	var records []*kgo.Record
	for n := range 3000 {
		records = append(records, oddRecord(random, source, 0, n))
	}
	records = append(records, &kgo.Record{Value: prose(900_000)}, &kgo.Record{Value: noise(900_000)}, &kgo.Record{Value: prose(10)})
	must(t, s.produceBy(t, kgo.NoCompression(), source, records...))
	s.bifrost(t, "flush")
	want := digest(t, s, source)
	for codec, name := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		kept, chosen := s.topics+"-kept-"+name, s.topics+"-chosen-"+name
		must(t, s.topic(t.Context(), kept, 1, "compression.type="+strings.Replace(name, "none", "uncompressed", 1)))
		s.bifrost(t, "replay", source+":"+kept)
		s.bifrost(t, "replay", source+":"+chosen, "--create", "--compression", name)
		if got := digest(t, s, chosen); got != want {
			t.Errorf("%s: replayed:\n%swant:\n%s", chosen, got, want)
		}
		for _, target := range []string{kept, chosen} {
			if got := codecsOf(t, s, target); !slices.Equal(got, []uint8{uint8(codec)}) {
				t.Errorf("%s holds batches of the codecs %d, want %d", target, got, codec)
			}
		}
	}
	again := s.topics + "-again" // the broker compresses what it gets once more
	must(t, s.topic(t.Context(), again, 1, "compression.type=uncompressed"))
	s.run(t, "replay", source+":"+again, "--compression", "zstd").must(t, 0, "the broker compresses every batch of zstd again")
	s.run(t, "replay", source+":"+again, "--compression", "brotli").must(t, 2, "want one of none, gzip, snappy, lz4, zstd")
}

// codecsOf lists the codecs that the records of a topic are stored with.
func codecsOf(t testing.TB, s *sandbox, topic string) (codecs []uint8) {
	t.Helper()
	client, err := s.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	must(t, err)
	defer client.Close()
	end := s.settledEnd(t, topic) - 1 // the marker of the transaction
	for position := int64(0); position < end; {
		fetches := client.PollFetches(t.Context())
		must(t, fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			position = r.Offset + 1
			if codec := r.Attrs.CompressionType(); !slices.Contains(codecs, codec) {
				codecs = append(codecs, codec)
			}
		})
	}
	return codecs
}

// Rights that are missing are told by name before anything is made, or what was made is
// taken back.
func TestRightsThatAreMissing(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	source := s.topics + "-source"
	must(t, s.topic(t.Context(), source, 1))
	must(t, s.produce(t.Context(), numbered(source, 0, 0, 5)...))
	s.bifrost(t, "flush")
	broker := localservices.SecureKafkaForTest(t)
	there := &sandbox{brokers: broker.Addr()}
	must(t, there.topic(t.Context(), "ready", 1))
	warm(t, there)
	for user, c := range map[string]struct {
		operations   []kadm.ACLOperation // on topics
		transactions []kadm.ACLOperation
		target       string
		says         []string
	}{
		"nobody":        {nil, nil, "ready", []string{"these credentials may not use transactions"}},
		"unseeing":      {nil, []kadm.ACLOperation{kadm.OpWrite}, "ready", []string{"topic ready: these credentials may not describe it"}},
		"reader":        {[]kadm.ACLOperation{kadm.OpRead, kadm.OpDescribeConfigs}, []kadm.ACLOperation{kadm.OpWrite}, "ready", []string{"topic ready: these credentials may not write it"}},
		"blind":         {[]kadm.ACLOperation{kadm.OpRead, kadm.OpWrite, kadm.OpCreate}, []kadm.ACLOperation{kadm.OpWrite}, "ready", []string{"its settings may not be read", "allow DescribeConfigs on it"}},
		"untransacted":  {[]kadm.ACLOperation{kadm.OpAll}, nil, "ready", []string{"these credentials may not use transactions"}},
		"no-creator":    {[]kadm.ACLOperation{kadm.OpRead, kadm.OpWrite, kadm.OpDescribeConfigs}, []kadm.ACLOperation{kadm.OpWrite}, "new", []string{"topic new: it cannot be made: ", "allow these credentials Create on it"}},
		"half":          {[]kadm.ACLOperation{kadm.OpAll}, []kadm.ACLOperation{kadm.OpDescribe}, "new", []string{"these credentials may not use transactions"}},
		"creating-only": {[]kadm.ACLOperation{kadm.OpCreate, kadm.OpDescribe, kadm.OpDescribeConfigs, kadm.OpDelete}, []kadm.ACLOperation{kadm.OpWrite}, "new", []string{"these credentials may not write it", "Deleted topic new again"}},
	} {
		t.Run(user, func(t *testing.T) {
			must(t, broker.SetPassword(t.Context(), user, "its-password"))
			must(t, broker.AllowTopic(t.Context(), "User:"+user, bifrost.ReplayStateTopic, kadm.OpAll))
			if len(c.operations) > 0 {
				must(t, broker.Allow(t.Context(), "User:"+user, c.operations...))
			}
			if len(c.transactions) > 0 {
				must(t, broker.AllowTransactions(t.Context(), "User:"+user, "bifrost-replay-", c.transactions...))
			}
			secret := filepath.Join(t.TempDir(), "secret.json")
			fields, err := json.Marshal(map[string]string{"username": user, "password": "its-password"})
			must(t, err)
			must(t, os.WriteFile(secret, fields, 0o600))
			args := []string{"replay", source + ":" + c.target, "--create", "--to-brokers", broker.Listener(localservices.ListenerScram),
				"--to-security-protocol", "SASL_PLAINTEXT", "--to-sasl-mechanism", "SCRAM-SHA-512", "--to-secret", "file:" + secret}
			s.run(t, args...).must(t, 3, c.says...)
			if user != "creating-only" { // what it may not do with a topic shows when the topic is there
				s.run(t, append(args, "--dry-run")...).must(t, 3, c.says...)
			}
			left := map[string]int{}
			deadline := time.Now().Add(30 * time.Second) // a broker hears of a deletion later than the controller
			for ; time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
				if left = topicsNow(t, there); left["new"] == 0 {
					break
				}
			}
			if left["new"] != 0 {
				t.Errorf("topics are left behind: %v", left)
			}
		})
	}
}

// warm makes the transaction log of a new cluster, and the topic that keeps positions.
func warm(t testing.TB, there *sandbox) {
	t.Helper()
	client, err := there.client(kgo.TransactionalID("first"), kgo.DefaultProduceTopic("ready"))
	must(t, err)
	defer client.Close()
	must(t, client.BeginTransaction())
	must(t, client.ProduceSync(t.Context(), &kgo.Record{Value: []byte("first")}).FirstErr())
	must(t, client.EndTransaction(t.Context(), kgo.TryCommit))
}

// Another cluster gets credentials of its own, and never those of the archived one
// unasked.
func TestAnotherClustersCredentials(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	source := s.topics + "-source"
	must(t, s.topic(t.Context(), source, 1))
	must(t, s.produce(t.Context(), numbered(source, 0, 0, 5)...))
	s.bifrost(t, "flush")
	broker := localservices.SecureKafkaForTest(t)
	must(t, broker.SetPassword(t.Context(), "archive", "secret-of-the-target"))
	must(t, broker.Allow(t.Context(), "User:archive", kadm.OpAll))
	must(t, broker.AllowTransactions(t.Context(), "User:archive", "bifrost-replay-", kadm.OpWrite))
	secret := filepath.Join(t.TempDir(), "target.json")
	fields, err := json.Marshal(map[string]string{"username": "archive", "password": "secret-of-the-target", "ca": broker.Authority.Certificate})
	must(t, err)
	must(t, os.WriteFile(secret, append([]byte("\ufeff"), fields...), 0o600))
	to := []string{"--to-brokers", broker.Listener(localservices.ListenerSASL)}
	own := []string{"--to-security-protocol", "SASL_SSL", "--to-sasl-mechanism", "SCRAM-SHA-512", "--to-secret", "file:" + secret}
	replay := func(target string, args ...[]string) []string {
		return append([]string{"replay", source + ":" + target, "--create"}, slices.Concat(args...)...)
	}

	s.run(t, replay("none", to)...).must(t, 1, "they speak TLS at this port: set --to-security-protocol to SSL (or to SASL_SSL)")
	s.run(t, replay("tls", to, []string{"--to-security-protocol", "SSL", "--to-secret", "file:" + secret})...).must(t, 1, "they hang up as those do who want SASL: set --to-security-protocol to SASL_SSL, with --to-sasl-mechanism and --to-secret")
	s.run(t, replay("own", to, own)...).must(t, 0, "complete: 5 records")

	// The same credentials as those of the archived cluster, whose listener takes them too.
	secured := *s
	secured.env = append(slices.Clone(s.env), "BIFROST_BROKERS=other:9092", "BIFROST_SECURITY_PROTOCOL=SASL_SSL", "BIFROST_SASL_MECHANISM=SCRAM-SHA-512", "BIFROST_KAFKA_SECRET=file:"+secret)
	secured.run(t, replay("withheld", to)...).must(t, 1, "they got none of the archived cluster's credentials, which go to other brokers only with --to-same-security")
	secured.run(t, replay("same", to, []string{"--to-same-security"})...).must(t, 0, "complete: 5 records")
	variables := *s
	variables.env = append(slices.Clone(s.env), "BIFROST_TO_SECURITY_PROTOCOL=SASL_SSL", "BIFROST_TO_SASL_MECHANISM=SCRAM-SHA-512", "BIFROST_TO_SECRET=file:"+secret)
	variables.run(t, replay("variables", to)...).must(t, 0, "complete: 5 records")

	for _, wrong := range [][]string{
		{"--to-security-protocol", "SSL"}, // of which cluster?
		{"--to-same-security"},
		append(slices.Clone(to), "--to-same-security", "--to-security-protocol", "SSL"),
		{"--to-brokers", "PLAINTEXT://" + broker.Addr()}, {"--to-brokers", "::1:9092"}, {"--to-brokers", ""}, {"--to-brokers", "a:1,"},
		append(slices.Clone(to), "--to-security-protocol", "TLS"), append(slices.Clone(to), "--to-sasl-mechanism", "PLAIN"),
	} {
		s.run(t, replay("wrong", wrong)...).must(t, 2)
	}
}
