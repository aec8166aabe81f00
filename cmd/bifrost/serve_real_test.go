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
	steps := []string{"earliest", "offset:333", fmt.Sprint("time:", base+1100), fmt.Sprint("time:", base+1_000_000), "topic:" + logged, "earliest", "offset:7"}
	expected := sectionsOf(franzReader(t, s.brokers, orders, steps...))
	if len(expected[0].lines) < 1200 || len(expected[3].lines) > 0 {
		t.Fatalf("%d records from earliest, %d from the end", len(expected[0].lines), len(expected[3].lines))
	}
	readers := map[string]topicReader{
		"java":         java.read,
		"java-3.9":     java3.read,
		"librdkafka":   librdkafka.read,
		"kafka-python": python.read,
		"aiokafka":     aiokafka.read,
		"kcat":         kcatReader,
		"franz-go":     franzReader,
		"sarama": func(t *testing.T, servers, topic string, _ ...string) string {
			return sarama.read(t, servers, topic, counted(expected)...)
		},
		"kafka-go": func(t *testing.T, servers, topic string, steps ...string) string {
			records, markers, others := withoutOthers(kafkaGo.read(t, servers, topic, steps...), expected)
			t.Logf("beside the records kafka-go shows %d transaction markers and %d aborted records", markers, others)
			if servers == s.brokers {
				return withTimesOf(expected, records)
			}
			if others > 0 {
				t.Errorf("%d records that are not committed", others)
			}
			return records
		},
	}
	for name, p := range consoles() {
		readers[name] = func(t *testing.T, servers, topic string, _ ...string) string {
			return consoleReader(t, p, servers, topic, expected)
		}
	}
	for name, read := range readers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fromKafka := read(t, s.brokers, orders, steps...)
			want, got := inOrder(fromKafka), inOrder(read(t, gateway, orders, steps...))
			if got != want {
				t.Errorf("from the gateway:\n%s\nfrom Kafka:\n%s", firstDifference(got, want), firstDifference(want, got))
			}
			least := 0
			for _, e := range expected {
				if !strings.HasPrefix(name, "console") || !strings.HasPrefix(e.step, "time:") { // it has no times
					least += len(e.lines)
				}
			}
			if n := strings.Count(fromKafka, "\n") - strings.Count("\n"+fromKafka, "\n# "); n != least {
				t.Errorf("%d records were compared, want %d", n, least)
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

// A recorded gap is an error that each client shows; the records before it come
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
		read                 topicReader
		loss, group, refused string
		first                string // the step that reads
	}{
		"java":         {java.read, "error TopicAuthorizationException", "error GroupAuthorizationException", "error TopicAuthorizationException", "earliest"},
		"java-3.9":     {java3.read, "error TopicAuthorizationException", "error GroupAuthorizationException", "error TopicAuthorizationException", "earliest"},
		"kafka-python": {python.read, "error TopicAuthorizationFailedError", "error GroupAuthorizationFailedError", "error TopicAuthorizationFailedError", "earliest"},
		"aiokafka":     {aiokafka.read, "error TopicAuthorizationFailedError", "error GroupAuthorizationFailedError", "error TopicAuthorizationFailedError", "earliest"},
		"librdkafka":   {librdkafka.read, "error TOPIC_AUTHORIZATION_FAILED", "error GROUP_AUTHORIZATION_FAILED", "error TOPIC_AUTHORIZATION_FAILED", "earliest"},
		"franz-go":     {franzReader, "error TOPIC_AUTHORIZATION_FAILED: Not authorized to access topics: [Topic authorization failed.]", "", "", "earliest"},
		"sarama":       {sarama.read, "error " + saramaTopic, "error " + saramaGroup, "error " + saramaProducer, "earliest:15"},
		"kafka-go": {kafkaGo.read, "error Topic Authorization Failed", "in the log alone: Group Authorization Failed",
			"error Topic Authorization Failed", "earliest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := []string{"resume:15", c.first}
			want := append(append(append([]string{"# resume:15", "# " + c.first}, lines(0, 10)...), c.loss), lines(15, 20)...)
			if c.group != "" {
				steps = append(steps, "subscribe", "produce")
				want = append(want, "# subscribe", c.group, "# produce", c.refused)
			}
			got := strings.Split(strings.TrimSpace(c.read(t, gateway, topic, steps...)), "\n")
			if !slices.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
	t.Run("kafkajs", func(t *testing.T) {
		t.Parallel()
		refused := "# subscribe\nerror GROUP_AUTHORIZATION_FAILED\n# produce\nerror TOPIC_AUTHORIZATION_FAILED\n"
		if got := readingProgram(kafkajs).read(t, gateway, topic, "subscribe", "produce"); got != refused {
			t.Errorf("got\n%s\nwant\n%s", got, refused)
		}
	})
	t.Run("kcat", func(t *testing.T) {
		t.Parallel()
		from := []string{"-C", "-q", "-e", "-b", gateway, "-t", topic, "-f", kcatFormat, "-o"}
		endsWith(t, kcat(t, append(from, "beginning")...), "Topic authorization failed", func(out string) {
			sameRecords(t, kcatLines(t, out), lines(0, 10))
		})
		sameRecords(t, kcatLines(t, printedBy(t, kcat(t, append(from, "15")...))), lines(15, 20))
		endsWith(t, kcat(t, "-b", gateway, "-G", "somebody", topic), "Group authorization failed", nil)
		producer := kcat(t, "-P", "-b", gateway, "-t", topic)
		producer.Stdin = strings.NewReader("x\n")
		endsWith(t, producer, "Topic authorization failed", nil)
	})
	for name, p := range consoles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := []string{"--bootstrap-server", gateway, "--topic", topic}
			must(t, localservices.Install(t.Context(), nil, p))
			tool := func(more ...string) *exec.Cmd {
				command, err := localservices.JavaTool(t.Context(), p, "org.apache.kafka.tools.consumer.ConsoleConsumer", append(args, more...)...)
				must(t, err)
				return command
			}
			endsWith(t, tool("--partition", "0", "--offset", "earliest"), "TopicAuthorizationException", func(out string) {
				if got := strings.Fields(out); len(got) != 10 || got[9] != "value-0-9" {
					t.Errorf("before the loss: %q", got)
				}
			})
			endsWith(t, tool("--from-beginning"), "GroupAuthorizationException", nil)
		})
	}
	skipping := s.served(t, "--skip-lost")
	got := franzReader(t, skipping, topic, "earliest")
	if want := "# earliest\n" + strings.Join(append(lines(0, 10), lines(15, 20)...), "\n") + "\n"; got != want {
		t.Errorf("with --skip-lost: got\n%s\nwant\n%s", got, want)
	}
}

// What sarama calls what it is told.
const (
	saramaTopic    = "kafka server: The client is not authorized to access this topic"
	saramaGroup    = "kafka server: The client is not authorized to access this group"
	saramaProducer = saramaTopic
)

// endsWith runs a program that ends by itself because of an error, and says so.
func endsWith(t *testing.T, command *exec.Cmd, problem string, check func(out string)) {
	t.Helper()
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	err := command.Run()
	t.Logf("%v: %v\n%s", command.Args[len(command.Args)-2:], err, said.String())
	if !strings.Contains(said.String(), problem) {
		t.Errorf("%v, %v: want %q in\n%s", command.Args, err, problem, said.String())
	}
	if check != nil {
		check(out.String())
	}
}

// sameRecords compares lines, but for the headers.
func sameRecords(t *testing.T, printed string, want []string) {
	t.Helper()
	if got, want := withoutHeaders(strings.Split(strings.TrimSpace(printed), "\n")), withoutHeaders(want); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
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
