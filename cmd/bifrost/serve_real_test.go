//go:build real

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

func printedBy(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	var out, problem bytes.Buffer
	command.Stdout, command.Stderr = &out, &problem
	if err := command.Run(); err != nil {
		t.Fatalf("%v: %v\n%s\n%s", command.Args, err, problem.String(), out.String())
	}
	return out.String()
}

func javaReader(t *testing.T, servers, topic string, steps ...string) string {
	t.Helper()
	return javaReaderOf(t, localservices.PartKafka, servers, topic, steps...)
}

func java3Reader(t *testing.T, servers, topic string, steps ...string) string {
	t.Helper()
	must(t, localservices.Install(t.Context(), nil, localservices.PartKafkaClients3))
	return javaReaderOf(t, localservices.PartKafkaClients3, servers, topic, steps...)
}

func javaReaderOf(t *testing.T, p localservices.Part, servers, topic string, steps ...string) string {
	t.Helper()
	command, err := localservices.JavaClient(t.Context(), p, "testdata/gateway/Read.java",
		append([]string{servers, topic}, steps...)...)
	must(t, err)
	return printedBy(t, command)
}

func kafkaPythonReader(t *testing.T, servers, topic string, steps ...string) string {
	t.Helper()
	must(t, localservices.Install(t.Context(), nil, localservices.PartKafkaPython))
	python, err := localservices.Tool("python-kafka")
	must(t, err)
	return printedBy(t, exec.CommandContext(t.Context(), python,
		append([]string{"testdata/gateway/kafkapython.py", servers, topic}, steps...)...))
}

func kafkajsReader(t *testing.T, servers, topic string, steps ...string) string {
	t.Helper()
	must(t, localservices.Install(t.Context(), nil, localservices.PartKafkajs))
	node, err := localservices.Tool("node")
	must(t, err)
	modules, err := localservices.Tool("kafkajs")
	must(t, err)
	command := exec.CommandContext(t.Context(), node,
		append([]string{"testdata/gateway/kafkajs.js", servers, topic}, steps...)...)
	command.Env = append(command.Environ(), "NODE_PATH="+modules)
	return printedBy(t, command)
}

func librdkafkaReader(t *testing.T, servers, topic string, steps ...string) string {
	t.Helper()
	arguments := append([]string{"testdata/gateway/read.py", servers, topic}, steps...)
	return printedBy(t, exec.CommandContext(t.Context(), localservices.PythonForTest(t), arguments...))
}

// franzReader reads each partition to its end, as the others do.
func franzReader(t *testing.T, servers, topic string, steps ...string) string {
	t.Helper()
	var out strings.Builder
	resume := int64(-1)
	for _, step := range steps {
		fmt.Fprintf(&out, "# %s\n", step)
		mode, argument, _ := strings.Cut(step, ":")
		var n int64
		_, _ = fmt.Sscan(argument, &n)
		switch mode {
		case "topic":
			topic = argument
		case "resume":
			resume = n
		default:
			readFranz(t, &out, servers, topic, mode, n, resume)
		}
	}
	return out.String()
}

func readFranz(t *testing.T, out *strings.Builder, servers, topic, mode string, from, resume int64) {
	t.Helper()
	admin, err := kgo.NewClient(kgo.SeedBrokers(servers))
	must(t, err)
	defer admin.Close()
	ends, err := kadm.NewClient(admin).ListCommittedOffsets(t.Context(), topic)
	must(t, err)
	starts := map[string]func() (kadm.ListedOffsets, error){
		"earliest": func() (kadm.ListedOffsets, error) { return kadm.NewClient(admin).ListStartOffsets(t.Context(), topic) },
		"offset":   func() (kadm.ListedOffsets, error) { return ends, nil },
		"time": func() (kadm.ListedOffsets, error) {
			return kadm.NewClient(admin).ListOffsetsAfterMilli(t.Context(), from, topic)
		},
	}
	begin, err := starts[mode]()
	must(t, err)
	left, assigned := map[int32]int64{}, map[int32]kgo.Offset{}
	begin.Each(func(o kadm.ListedOffset) {
		end, _ := ends.Lookup(topic, o.Partition)
		if mode == "offset" {
			o.Offset = from
		}
		if o.Offset < end.Offset {
			left[o.Partition], assigned[o.Partition] = end.Offset, kgo.NewOffset().At(o.Offset)
		}
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(servers), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: assigned}))
	must(t, err)
	defer client.Close()
	for began := time.Now(); len(left) > 0; {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("franz-go is not at the end of %v", left)
		}
		poll, cancel := context.WithTimeout(t.Context(), time.Second)
		fetches := client.PollFetches(poll)
		cancel()
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if p.Err != nil && p.Partition >= 0 && len(p.Records) == 0 && p.Topic != "" {
				fmt.Fprintln(out, "error", p.Err)
				client.SetOffsets(map[string]map[int32]kgo.EpochOffset{topic: {p.Partition: {Epoch: -1, Offset: resume}}})
			}
			for _, r := range p.Records {
				if !r.Attrs.IsControl() {
					fmt.Fprintln(out, recordLine(r))
				}
				if r.Offset >= left[p.Partition]-1 {
					delete(left, p.Partition)
				}
			}
		})
	}
}

func recordLine(r *kgo.Record) string {
	text := func(b []byte) string {
		if b == nil {
			return "null"
		}
		return "'" + hex.EncodeToString(b)
	}
	line := fmt.Sprintf("%d %d %d %d %s %s", r.Partition, r.Offset, r.Timestamp.UnixMilli(), r.Attrs.TimestampType(), text(r.Key), text(r.Value))
	for _, h := range r.Headers {
		line += " " + text([]byte(h.Key)) + "=" + text(h.Value)
	}
	return line
}

// inOrder sorts the lines of each step by partition and offset: partitions may take turns.
func inOrder(printed string) string {
	var out []string
	for _, section := range strings.Split(printed, "# ") {
		lines := strings.Split(strings.TrimSpace(section), "\n")
		slices.SortStableFunc(lines[1:], func(a, b string) int {
			var p, q, n, m int64
			_, errA := fmt.Sscan(a, &p, &n)
			_, errB := fmt.Sscan(b, &q, &m)
			if errA != nil || errB != nil {
				return 0
			}
			return int(p-q)*(1<<40) + int(n-m)
		})
		out = append(out, lines...)
	}
	return strings.Join(out, "\n")
}

// The same clients read the same records from Kafka and from the gateway, byte for
// byte: from the start, from an offset, from a time; with transactions, aborted tails,
// offsets that were compacted away, both kinds of timestamps, and a large record.
func TestKafkaClientsReadTheArchive(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	ctx := t.Context()
	random := rand.New(rand.NewPCG(22, 22))
	orders, logged := s.topics+"-orders", s.topics+"-logged"
	must(t, s.topic(ctx, orders, 2, "max.message.bytes=6000000"))
	must(t, s.topic(ctx, logged, 1, "message.timestamp.type=LogAppendTime"))
	// Kafka finds times of transaction markers, too, which are of now.
	base := time.Now().Add(10 * time.Minute).UnixMilli()
	for round := range 3 {
		var records, same []*kgo.Record
		for n := range 400 {
			r := oddOrder(orders, random)
			r.Timestamp = human.Millis(base + int64(round*1000+n+random.IntN(50)))
			records, same = append(records, r), append(same, &kgo.Record{Key: r.Key, Value: r.Value})
		}
		// Which every client reads without further libraries.
		must(t, s.produceBy(t, kgo.GzipCompression(), orders, records...))
		must(t, s.produceBy(t, kgo.GzipCompression(), logged, same...))
		s.transaction(t, orders, true, numbered(orders, 0, 0, 5)...)
		s.transaction(t, orders, false, numbered(orders, 1, 0, 5)...) // the tail of partition 1
		if round == 1 {
			large := &kgo.Record{Value: make([]byte, 5_000_000), Timestamp: human.Millis(base + 1200)}
			must(t, s.produceBy(t, kgo.GzipCompression(), orders, large))
		}
		s.settledEnd(t, orders)
		s.bifrost(t, "flush")
	}
	gateway := s.served(t)
	clients := map[string]func(*testing.T, string, string, ...string) string{
		"java": javaReader, "java-3.9": java3Reader, "librdkafka": librdkafkaReader, "franz-go": franzReader,
		"kafka-python": kafkaPythonReader,
	}
	for name, read := range clients {
		t.Run(name, func(t *testing.T) {
			steps := []string{"earliest", "offset:333", fmt.Sprint("time:", base+1100), fmt.Sprint("time:", base+1_000_000), "topic:" + logged, "earliest", "offset:7"}
			want, got := inOrder(read(t, s.brokers, orders, steps...)), inOrder(read(t, gateway, orders, steps...))
			if got != want {
				t.Errorf("from the gateway:\n%s\nfrom Kafka:\n%s", firstDifference(got, want), firstDifference(want, got))
			}
			if strings.Count(want, "\n") < 4000 {
				t.Errorf("only %d lines were compared", strings.Count(want, "\n"))
			}
		})
	}
}

// firstDifference is where a differs from b, in short.
func firstDifference(a, b string) string {
	other := strings.Split(b, "\n")
	for i, line := range strings.Split(a, "\n") {
		if i >= len(other) || line != other[i] {
			return fmt.Sprintf("line %d: %.300s", i, line)
		}
	}
	return fmt.Sprintf("%d lines, and nothing else", strings.Count(a, "\n")+1)
}

// transaction writes records, and commits or aborts.
func (s *sandbox) transaction(t *testing.T, topic string, commit bool, records ...*kgo.Record) {
	t.Helper()
	client, err := s.client(kgo.TransactionalID(topic+"-writer"), kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must(t, err)
	defer client.Close()
	must(t, client.BeginTransaction())
	must(t, client.ProduceSync(t.Context(), records...).FirstErr())
	end := kgo.TryCommit
	if !commit {
		end = kgo.TryAbort
	}
	must(t, client.EndTransaction(t.Context(), end))
}

// A recorded loss is an error that each client shows; the records before it come
// first, and a seek behind it goes on. Groups and producers are refused at once.
func TestKafkaClientsSeeALoss(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	ctx := t.Context()
	topic := s.topics + "-lossy"
	must(t, s.topic(ctx, topic, 1))
	must(t, s.produce(ctx, numbered(topic, 0, 0, 10)...))
	s.bifrost(t, "flush")
	must(t, s.produce(ctx, numbered(topic, 0, 10, 20)...))
	client, err := s.client()
	must(t, err)
	defer client.Close()
	offsets := kadm.Offsets{}
	offsets.AddOffset(topic, 0, 15, -1)
	_, err = kadm.NewClient(client).DeleteRecords(ctx, offsets)
	must(t, err)
	s.bifrost(t, "flush")
	ledger := dynamoledger.New(s.db, s.tables)
	rows, err := ledger.Rows(ctx, bifrost.Partition{Name: topic}, 10, 1)
	must(t, err)
	if len(rows) != 1 || rows[0].State != bifrost.StateLost || rows[0].End != 15 {
		t.Fatalf("rows %+v", rows)
	}
	gateway := s.served(t)
	lines := func(from, to int) (all []string) {
		for _, r := range numbered(topic, 0, from, to) {
			r.Offset = int64(from)
			from++
			all = append(all, recordLine(r))
		}
		return all
	}
	for name, c := range map[string]struct {
		read                 func(*testing.T, string, string, ...string) string
		loss, group, refused string
		steps                []string
	}{
		"java": {javaReader, "TopicAuthorizationException", "GroupAuthorizationException", "TopicAuthorizationException", []string{"subscribe", "produce"}},
		"java-3.9": {java3Reader, "TopicAuthorizationException", "GroupAuthorizationException", "TopicAuthorizationException",
			[]string{"subscribe", "produce"}},
		"kafka-python": {kafkaPythonReader, "TopicAuthorizationFailedError", "GroupAuthorizationFailedError",
			"TopicAuthorizationFailedError", []string{"subscribe", "produce"}},
		"librdkafka": {librdkafkaReader, "TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED", []string{"subscribe", "produce"}},
		"franz-go":   {franzReader, "TOPIC_AUTHORIZATION_FAILED: Not authorized to access topics: [Topic authorization failed.]", "", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Split(strings.TrimSpace(c.read(t, gateway, topic, append([]string{"resume:15", "earliest"}, c.steps...)...)), "\n")
			want := append([]string{"# resume:15", "# earliest"}, lines(0, 10)...)
			want = append(append(want, "error "+c.loss), lines(15, 20)...)
			if c.steps != nil {
				want = append(want, "# subscribe", "error "+c.group, "# produce", "error "+c.refused)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
	refused := "# subscribe\nerror GROUP_AUTHORIZATION_FAILED\n# produce\nerror TOPIC_AUTHORIZATION_FAILED\n"
	if got := kafkajsReader(t, gateway, topic, "subscribe", "produce"); got != refused {
		t.Errorf("kafkajs: got\n%s\nwant\n%s", got, refused)
	}
	skipping := s.served(t, "--skip-lost")
	got := franzReader(t, skipping, topic, "earliest")
	if want := "# earliest\n" + strings.Join(append(lines(0, 10), lines(15, 20)...), "\n") + "\n"; got != want {
		t.Errorf("with --skip-lost: got\n%s\nwant\n%s", got, want)
	}
}

// Ten thousand connections that say nothing cost little, and others are served beside them.
func TestIdleConnectionsToAGateway(t *testing.T) {
	s := sandboxOf(t)
	topic := s.topics + "-orders"
	must(t, s.topic(t.Context(), topic, 1))
	must(t, s.produce(t.Context(), numbered(topic, 0, 0, 10)...))
	s.bifrost(t, "flush")
	metrics := freeAddress(t)
	gateway := s.served(t, "--metrics", metrics)
	memory := func() float64 {
		answer, err := http.Get("http://" + metrics + "/metrics")
		must(t, err)
		defer answer.Body.Close()
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			var bytes float64
			if n, _ := fmt.Sscanf(lines.Text(), "process_resident_memory_bytes %g", &bytes); n == 1 {
				return bytes
			}
		}
		t.Fatal("the gateway does not tell its memory")
		return 0
	}
	before := memory()
	for range 10_000 {
		conn, err := net.Dial("tcp", gateway)
		must(t, err)
		defer conn.Close()
	}
	if got := strings.Count(franzReader(t, gateway, topic, "earliest"), "\n"); got != 11 { // a heading, and ten
		t.Errorf("%d lines", got)
	}
	if grown := memory() - before; grown > 256_000_000 {
		t.Errorf("ten thousand connections take %.0f MB", grown/1e6)
	} else {
		t.Logf("ten thousand connections take %.0f MB", grown/1e6)
	}
}
