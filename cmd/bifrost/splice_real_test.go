//go:build real

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// franzGroup reads records of a topic as members of a group, and commits them. The first
// member begins alone, the others join once it has read something.
func franzGroup(t *testing.T, servers, topic, group string, n, size int, more ...kgo.Opt) string {
	t.Helper()
	var out strings.Builder
	var members []*kgo.Client
	owners, read := map[int]bool{}, 0
	for began := time.Now(); read < n || len(owners) < size; {
		if time.Since(began) > time.Minute {
			t.Fatalf("after a minute %d records", read)
		}
		if len(members) < size && (len(members) == 0 || read > 0) {
			client, err := kgo.NewClient(append(more, kgo.SeedBrokers(servers), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
				kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.HeartbeatInterval(500*time.Millisecond))...)
			must(t, err)
			defer client.Close()
			members = append(members, client)
		}
		for i, client := range members {
			poll, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			fetches := client.PollRecords(poll, 20)
			cancel()
			if described := client.CommittedOffsets(); len(members) == size && len(described[topic]) > 0 {
				owners[i] = true
			}
			for _, r := range fetches.Records() {
				fmt.Fprintln(&out, recordLine(r))
			}
			read += fetches.NumRecords()
			if fetches.NumRecords() > 0 {
				must(t, client.CommitUncommittedOffsets(t.Context()))
			}
			if read >= n && len(owners) == size {
				break
			}
		}
	}
	return out.String()
}

// cutBelow deletes what is below an offset from every partition of a live log.
func (s *sandbox) cutBelow(t testing.TB, topic string, partitions int32, below int64) {
	t.Helper()
	client, err := s.client()
	must(t, err)
	defer client.Close()
	offsets := kadm.Offsets{}
	for number := range partitions {
		offsets.AddOffset(topic, number, below, -1)
	}
	deleted, err := kadm.NewClient(client).DeleteRecords(t.Context(), offsets)
	must(t, err)
	must(t, deleted.Error())
}

// A group of each client begins in the archive, is stopped and started in the middle,
// gets a second member, and ends at the live end: each record comes once. Its
// positions are in the cluster, where it goes on.
func TestGroupsReadTheArchiveAndTheLiveLog(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	ctx := t.Context()
	topic := s.topics + "-orders"
	must(t, s.topic(ctx, topic, 2))
	random := rand.New(rand.NewPCG(22, 23))
	var records []*kgo.Record
	for range 300 {
		r := oddOrder(topic, random) // compressed by gzip, which every client has without further libraries
		r.Timestamp = time.Now()
		records = append(records, r)
	}
	must(t, s.produceBy(t, kgo.GzipCompression(), topic, records...))
	s.transaction(t, topic, false, numbered(topic, 0, 0, 5)...)
	s.settledEnd(t, topic)
	s.bifrost(t, "flush")
	s.transaction(t, topic, false, numbered(topic, 1, 0, 5)...) // in the live log alone
	for number := range int32(2) {
		must(t, s.produceBy(t, kgo.GzipCompression(), topic, numbered(topic, number, 5, 55)...))
	}
	s.settledEnd(t, topic)
	want := strings.Split(strings.TrimSpace(franzReader(t, s.brokers, topic, "earliest")), "\n")[1:]
	slices.Sort(want)
	s.cutBelow(t, topic, 2, 60)
	gateway, stop := s.serving(t, "--listen", "127.0.0.1:0")
	t.Cleanup(func() { stop(syscall.SIGTERM) })
	parts := [][2]int{{50, 1}, {250, 2}, {len(want), 1}}
	steps := func(name string) (all []string) {
		for _, p := range parts {
			all = append(all, fmt.Sprintf("group:%s:%d:%d", name, p[0], p[1]))
		}
		return all
	}
	inSteps := map[string]topicReader{
		"java":         java.read,
		"java-3.9":     java3.read,
		"kafka-python": python.read,
		"aiokafka":     aiokafka.read,
		"kafkajs":      readingProgram(kafkajs).read,
		"librdkafka":   librdkafka.read,
	}
	if soaking {
		inSteps["sarama"] = sarama.read
	}
	all := map[string]func(t *testing.T, group string) string{
		"franz-go": func(t *testing.T, group string) (all string) {
			for _, p := range parts {
				all += franzGroup(t, gateway, topic, group, p[0]-strings.Count(all, "\n"), p[1])
			}
			return all
		},
	}
	if soaking {
		all["kcat"] = func(t *testing.T, group string) string {
			args := []string{"-b", gateway, "-X", "auto.offset.reset=earliest", "-X", "heartbeat.interval.ms=500", "-f", kcatFormat, "-u", "-G", group, topic}
			// When kcat -c ends it commits what it has fetched and not printed, if a transaction marker is behind that: from Kafka, too.
			printed := s.readAsGroup(t, group, 50+len(want), kcatEnd, func(more ...string) *exec.Cmd { return kcat(t, append(more, args...)...) },
				"-c", "50", "-X", "enable.auto.offset.store=false")
			return firstOfEach(t, kcatLines(t, printed))
		}
		all["kafka-go"] = func(t *testing.T, group string) string {
			toTheEnd := append(steps(group)[:2:2], "group:"+group+":0:1")
			expected := []section{{lines: want}, {lines: want}, {lines: want}}
			records, markers, others := withoutOthers(kafkaGo.read(t, gateway, topic, toTheEnd...), expected)
			t.Logf("beside the records kafka-go shows %d transaction markers and %d aborted records", markers, others)
			return firstOfEach(t, records)
		}
	}
	for name, read := range inSteps {
		all[name] = func(t *testing.T, group string) string { return read(t, gateway, topic, steps(group)...) }
	}
	for name, p := range consoles() {
		all[name] = func(t *testing.T, group string) string {
			return s.readByConsole(t, p, gateway, topic, group, len(want))
		}
	}
	t.Run("clients", func(t *testing.T) {
		for name, read := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				group := topic + "-" + name
				got := slices.DeleteFunc(strings.Split(strings.TrimSpace(read(t, group)), "\n"), func(line string) bool { return line[0] == '#' })
				mustBeInOrder(t, got)
				want := slices.Clone(want)
				if slices.Contains([]string{"kafkajs", "kafka-go", "librdkafka", "kcat", "console", "console-3.9"}, name) {
					// No order of headers, names up to a zero byte, or null for empty values.
					want = withoutHeaders(want)
					got = withoutHeaders(got)
				}
				if name == "kafka-go" { // which shows what is empty as null
					want, got = withoutNull(want), withoutNull(got)
				}
				slices.Sort(want)
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%d records; from the gateway:\n%s\nfrom Kafka, %d:\n%s", len(got),
						firstDifference(strings.Join(got, "\n"), strings.Join(want, "\n")), len(want), firstDifference(strings.Join(want, "\n"), strings.Join(got, "\n")))
				}
				client, err := s.client()
				must(t, err)
				defer client.Close()
				lags, err := kadm.NewClient(client).Lag(ctx, group)
				must(t, err)
				if lag := lags[group].Lag.Total(); lag > 4 || len(lags[group].Lag[topic]) != 2 { // markers at the end
					t.Errorf("in the cluster the group lags by %d, %v", lag, lags[group].Lag)
				}
			})
		}
	})
	must(t, s.produce(ctx, numbered(topic, 0, 55, 60)...))
	for name := range all {
		if got := strings.Count(franzGroup(t, s.brokers, topic, topic+"-"+name, 5, 1), "\n"); got != 5 {
			t.Errorf("%s: in the cluster the group goes on with %d records, want 5", name, got)
		}
	}
}

// readByConsole reads with two runs of kafka-console-consumer, the second of two members.
func (s *sandbox) readByConsole(t *testing.T, p localservices.Part, servers, topic, group string, records int) string {
	t.Helper()
	member := func(more ...string) *exec.Cmd { return consoleMember(t, p, servers, topic, group, more...) }
	return consoleLines(t, s.readAsGroup(t, group, records, consoleLine, member, "--max-messages", "50"))
}

// withoutHeaders are lines of records without the headers, sorted.
func withoutHeaders(lines []string) (short []string) {
	for _, line := range lines {
		short = append(short, strings.Join(strings.SplitN(line, " ", 7)[:6], " "))
	}
	slices.Sort(short)
	return short
}

// firstOfEach leaves out lines that are repeated: at a rebalance kafka-go begins again at
// what was committed when it joined, and a commit that is on its way comes after that.
func firstOfEach(t *testing.T, printed string) string {
	t.Helper()
	seen := map[string]bool{}
	var out strings.Builder
	for line := range strings.Lines(printed) {
		if seen[line] && line[0] != '#' {
			t.Logf("again: %.60s", line)
			continue
		}
		seen[line] = true
		out.WriteString(line)
	}
	return out.String()
}

// withoutNull are lines in which null and empty are the same.
func withoutNull(lines []string) (all []string) {
	for _, line := range lines {
		words := strings.Fields(line)
		for i := range words {
			if words[i] == "null" {
				words[i] = "'"
			}
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}

// mustBeInOrder checks that the offsets of each partition grow.
func mustBeInOrder(t *testing.T, lines []string) {
	t.Helper()
	last := map[int64]int64{}
	for _, line := range lines {
		var partition, offset int64
		if _, err := fmt.Sscan(line, &partition, &offset); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if before, some := last[partition]; some && offset <= before {
			t.Fatalf("partition %d: offset %d comes after %d", partition, offset, before)
		}
		last[partition] = offset
	}
}

// A group with members in the cluster is refused, of either protocol; they notice nothing.
func TestAProductionGroupIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	topic := s.topics + "-orders"
	must(t, s.topic(t.Context(), topic, 1))
	must(t, s.produce(t.Context(), numbered(topic, 0, 0, 10)...))
	s.bifrost(t, "flush")
	gateway, stop := s.serving(t, "--listen", "127.0.0.1:0")
	t.Cleanup(func() { stop(syscall.SIGTERM) })
	for _, protocol := range []string{"classic", "consumer"} {
		t.Run(protocol, func(t *testing.T) {
			group := topic + "-" + protocol
			command, err := localservices.JavaClient(t.Context(), localservices.PartKafka, "testdata/gateway/Member.java", s.brokers, topic, group, protocol)
			must(t, err)
			printed := runUntilSaid(t, command, "assigned")
			member, err := kgo.NewClient(kgo.SeedBrokers(gateway), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic))
			must(t, err)
			defer member.Close()
			if err := member.PollFetches(t.Context()).Err(); err == nil || !strings.Contains(err.Error(), "GROUP_AUTHORIZATION_FAILED") {
				t.Errorf("join: %v", err)
			}
			must(t, command.Process.Signal(syscall.SIGTERM))
			said := printed()
			_ = command.Wait() // ended by the signal
			if strings.Contains(said, "revoked") {
				t.Errorf("the member of the cluster said %q", said)
			}
		})
	}
}

// kafkajs has no assign, so it comes to a recorded gap as a group: its consumer stops, and says why.
func TestKafkajsStopsAtARecordedLoss(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	topic := s.topics + "-orders"
	must(t, s.topic(t.Context(), topic, 1))
	must(t, s.produce(t.Context(), numbered(topic, 0, 0, 10)...))
	s.bifrost(t, "flush")
	must(t, s.produce(t.Context(), numbered(topic, 0, 10, 20)...))
	s.cutBelow(t, topic, 1, 15)
	s.bifrost(t, "flush")
	gateway, stop := s.serving(t, "--listen", "127.0.0.1:0")
	t.Cleanup(func() { stop(syscall.SIGTERM) })
	const want = "# subscribe\nerror TOPIC_AUTHORIZATION_FAILED\n"
	if got := readingProgram(kafkajs).read(t, gateway, topic, "subscribe"); got != want {
		t.Errorf("kafkajs says %q, want %q", got, want)
	}
}

const soakSeconds = "BIFROST_SOAK_SECONDS"

// spliceTime is how long producers, ticks and faults go on.
func spliceTime(t *testing.T) time.Duration {
	text := os.Getenv(soakSeconds)
	if text == "" {
		return 10 * time.Second
	}
	seconds, err := strconv.Atoi(text)
	must(t, err)
	return time.Duration(seconds) * time.Second
}

// Producers write, ticks archive, the log is cut behind them, gateway and brokers are
// killed and started, and leaders move: a group that began at earliest gets each record once and in
// order, ends at the live end, and goes on in the cluster from its position.
func TestTheSpliceUnderFaults(t *testing.T) {
	t.Parallel()
	const partitions = 2
	size := 1
	if os.Getenv(soakSeconds) != "" {
		size = 2 // which takes a minute more
	}
	// A broker that is started again is not known before its last session has ended.
	quick := map[string]string{"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500",
		"leader.imbalance.check.interval.seconds": "1", "offsets.topic.replication.factor": strconv.Itoa(size)}
	first := localservices.KafkaForTest(t, localservices.KafkaOptions{Properties: quick})
	brokers, servers := []*localservices.KafkaBroker{first}, first.Addr()
	for len(brokers) < size {
		another := localservices.KafkaForTest(t, localservices.KafkaOptions{Properties: quick, Join: first})
		brokers, servers = append(brokers, another), servers+","+another.Addr()
	}
	s, err := newSandbox(t.Context(), servers, localservices.DynamoDB(t), localservices.S3(t))
	must(t, err)
	ctx, topic := t.Context(), s.topics+"-orders"
	s.replicatedTopic(t, topic, partitions, len(brokers))
	must(t, s.produce(ctx, numbered(topic, 0, 0, 200)...))
	must(t, s.produce(ctx, numbered(topic, 1, 0, 200)...))
	s.bifrost(t, "flush")
	s.cutBelow(t, topic, partitions, 150)
	address := freeAddress(t)
	_, stop := s.serving(t, "--listen", address)

	written, done := make(chan int, 1), make(chan struct{})
	var writing sync.Mutex // what is on its way to a broker that is killed may be in the log twice
	go func() { written <- s.writeUntil(t, topic, partitions, 200, &writing, done) }()
	group := topic + "-backfill"
	reader := newOrderedReader(t, address, topic, group)
	var work sync.WaitGroup
	work.Go(func() { s.archiveUntil(t, topic, partitions, done) })
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for began, turn := time.Now(), 0; time.Since(began) < spliceTime(t); turn++ {
		reader.readFor(t, time.Duration(500+random.IntN(1500))*time.Millisecond)
		if turn%4 == 2 {
			broker := brokers[random.IntN(len(brokers))]
			writing.Lock()
			err := broker.Kill()
			writing.Unlock()
			must(t, err)
			must(t, broker.Start(ctx))
			continue
		}
		stop([]syscall.Signal{syscall.SIGKILL, syscall.SIGTERM}[random.IntN(2)])
		_, stop = s.serving(t, "--listen", address)
	}
	close(done)
	total := <-written
	work.Wait()
	reader.readTo(t, total)
	reader.client.Close()
	stop(syscall.SIGTERM)
	t.Logf("%d records of each partition, in %d polls", total, reader.polls)
	for number := range int32(partitions) {
		must(t, s.produce(ctx, numbered(topic, number, total, total+10)...))
	}
	again := newOrderedReader(t, first.Addr(), topic, group)
	defer again.client.Close()
	for number := range int32(partitions) {
		again.next[number] = total
	}
	again.readTo(t, total+10)
}

// replicatedTopic makes a topic with a replica of each partition on so many brokers.
func (s *sandbox) replicatedTopic(t *testing.T, topic string, partitions int32, replicas int) {
	t.Helper()
	client, err := s.client()
	must(t, err)
	defer client.Close()
	forever := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		if _, err = localservices.CreateTopic(t.Context(), client, topic, partitions, int16(replicas), forever); err == nil {
			return
		}
		if time.Since(began) > 30*time.Second { // not all brokers are there yet
			t.Fatal(err)
		}
	}
}

// writeUntil writes numbered records into each partition until done is closed, and
// answers how many each has.
func (s *sandbox) writeUntil(t *testing.T, topic string, partitions int32, n int, writing sync.Locker, done <-chan struct{}) int {
	client, err := s.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Error(err)
		return n
	}
	defer client.Close()
	for {
		select {
		case <-done:
			return n
		case <-time.After(50 * time.Millisecond):
		}
		for number := range partitions {
			writing.Lock()
			err := client.ProduceSync(context.Background(), numbered(topic, number, n, n+10)...).FirstErr()
			writing.Unlock()
			if err != nil {
				t.Error(err)
				return n
			}
		}
		n += 10
	}
}

// archiveUntil archives and cuts the log behind that until done is closed. While the
// broker is away a flush fails, as a tick does.
func (s *sandbox) archiveUntil(t *testing.T, topic string, partitions int32, done <-chan struct{}) {
	for below := int64(150); ; {
		select {
		case <-done:
			return
		case <-time.After(500 * time.Millisecond):
		}
		if err := s.command(context.Background(), "flush").Run(); err != nil {
			continue
		}
		client, err := s.client()
		if err != nil {
			t.Error(err)
			return
		}
		offsets := kadm.Offsets{}
		for number := range partitions {
			offsets.AddOffset(topic, number, below, -1)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		if _, err := kadm.NewClient(client).DeleteRecords(ctx, offsets); err == nil {
			below += 20 // the archive is ahead of it
		}
		cancel()
		client.Close()
	}
}

// orderedReader is a member of a group that checks what it is given. It keeps a record
// only with the commit behind it: who is assigned a partition anew begins at a position
// that was committed, and what was read behind that comes again.
type orderedReader struct {
	client    *kgo.Client
	topic     string
	next      map[int32]int
	committed map[int32]int  // the coordinator has answered that it has this, or more
	assigned  chan []int32   // partitions that were assigned since the last poll
	rewound   map[int32]bool // assigned, and no record has come since
	polls     int
}

func newOrderedReader(t *testing.T, address, topic, group string) *orderedReader {
	t.Helper()
	r := &orderedReader{topic: topic, next: map[int32]int{0: 0, 1: 0}, committed: map[int32]int{},
		assigned: make(chan []int32, 1000), rewound: map[int32]bool{}}
	var err error
	r.client, err = kgo.NewClient(kgo.SeedBrokers(address), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxPartitionBytes(8000),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { r.assigned <- partitions[topic] }),
		kgo.RetryTimeout(time.Minute))
	must(t, err)
	return r
}

// poll takes what comes, and commits it.
func (r *orderedReader) poll(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	fetches := r.client.PollFetches(ctx)
	cancel()
	r.polls++
	fetches.EachError(func(_ string, number int32, err error) {
		if lost := (*kgo.ErrDataLoss)(nil); errors.As(err, &lost) {
			t.Fatalf("partition %d: the client was told of a truncation: %v", number, err)
		}
	})
	for len(r.assigned) > 0 {
		for _, number := range <-r.assigned {
			r.rewound[number] = true
		}
	}
	for _, record := range fetches.Records() {
		r.takeUpAgain(t, record)
		want := numbered(r.topic, record.Partition, r.next[record.Partition], r.next[record.Partition]+1)[0]
		if string(record.Value) != string(want.Value) || record.Offset != int64(r.next[record.Partition]) {
			t.Fatalf("partition %d: offset %d has %q, want offset %d with %q", record.Partition, record.Offset, record.Value, r.next[record.Partition], want.Value)
		}
		r.next[record.Partition]++
	}
	commit, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if r.client.CommitUncommittedOffsets(commit) != nil {
		return // the next one says the same
	}
	for number, at := range r.client.CommittedOffsets()[r.topic] {
		r.committed[number] = max(r.committed[number], int(at.Offset))
	}
}

// takeUpAgain goes back to where a partition begins that was assigned anew: not below what
// is known to be committed, and not above what was read.
func (r *orderedReader) takeUpAgain(t *testing.T, first *kgo.Record) {
	t.Helper()
	number, at := first.Partition, int(first.Offset)
	if r.rewound[number] && r.committed[number] <= at && at < r.next[number] {
		t.Logf("partition %d was assigned anew: from %d back to %d, committed %d", number, r.next[number], at, r.committed[number])
		r.next[number] = at
	}
	r.rewound[number] = false
}

func (r *orderedReader) readFor(t *testing.T, d time.Duration) {
	t.Helper()
	for began := time.Now(); time.Since(began) < d; {
		r.poll(t)
	}
}

// readTo reads up to an offset in each partition, commits, and waits for what should not come.
func (r *orderedReader) readTo(t *testing.T, end int) {
	t.Helper()
	for began := time.Now(); r.next[0] < end || r.next[1] < end; {
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("at %v after two minutes, want %d", r.next, end)
		}
		r.poll(t)
	}
	must(t, r.client.CommitUncommittedOffsets(t.Context()))
	r.readFor(t, 300*time.Millisecond)
	if r.next[0] != end || r.next[1] != end {
		t.Errorf("at %v, want %d", r.next, end)
	}
}

// runUntilSaid starts a program and waits until it prints a word. Printed is all that it
// has printed, once it has ended.
func runUntilSaid(t *testing.T, command *exec.Cmd, word string) (printed func() string) {
	t.Helper()
	out, err := command.StdoutPipe()
	must(t, err)
	must(t, command.Start())
	said, all, ended := make(chan struct{}), strings.Builder{}, make(chan struct{})
	go func() {
		defer close(ended)
		tell := sync.OnceFunc(func() { close(said) })
		for lines := bufio.NewScanner(out); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), word) {
				tell()
			}
		}
	}()
	select {
	case <-said:
	case <-ended:
		t.Fatalf("it has ended: %s", all.String())
	case <-time.After(time.Minute):
		t.Fatalf("it does not say %q", word)
	}
	return func() string {
		<-ended
		return all.String()
	}
}
