// The speed of the gateway beside a broker's.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bench/internal/longpartition"
	"github.com/bifrost-archive/bifrost/cmd/bench/internal/topicreader"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/gateway"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

var gatewayBenchmarks = []benchmark{
	{"gateway/seek", benchGatewaySeek},
	{"gateway/java", benchGatewayJava},
	{"gateway/librdkafka", benchGatewayLibrdkafka},
	{"gateway/franz", benchGatewayFranz},
	{"gateway/processor", benchGatewayProcessor},
}

// What is read through the gateway.
const (
	gatewayTopic      = "views"
	gatewayPartitions = 8
	gatewayObjects    = 2       // of each partition
	gatewayRecords    = 100_000 // of an object: about 50 MB of keys and values
	gatewayRounds     = 3       // that count
	gatewayGroups     = 4       // that read the same at once
)

// The server that is measured has one core. What reads from it has the other, and with it
// the S3 server, which would be another machine.
const serverCore, clientCore = 0, 1

// readerProcess is the variable that makes this program a reader with franz-go.
const readerProcess = "BIFROST_BENCH_READER"

// topicServer is a process that a topic is read from.
type topicServer struct {
	address string
	pid     int
}

// gatewayBench is a topic in a broker and in an archive, and a gateway that serves it.
type gatewayBench struct {
	*cliArchive
	broker  *localservices.KafkaBroker
	serving *exec.Cmd
	kafka   topicServer
	gateway topicServer
	records int64
	bytes   int64 // of keys and values
}

// newGatewayBench starts the real parts and fills them.
func newGatewayBench(ctx context.Context) (b *gatewayBench, err error) {
	b = &gatewayBench{}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	if b.cliArchive, err = newCLIArchive(ctx); err != nil {
		return b, err
	}
	if b.broker, err = localservices.StartKafka(ctx, localservices.KafkaOptions{}); err != nil {
		return b, err
	}
	b.kafka = topicServer{b.broker.Addr(), b.broker.PID()}
	records := pageViews(gatewayRecords, 1)
	if err := b.fill(ctx, records); err != nil {
		return b, err
	}
	for _, r := range records {
		b.bytes += int64(len(r.Key)+len(r.Value)) * gatewayObjects * gatewayPartitions
	}
	b.records = gatewayRecords * gatewayObjects * gatewayPartitions
	if err := b.serve(ctx); err != nil {
		return b, err
	}
	others := []error{pin(b.kafka.pid, serverCore)}
	for _, part := range b.parts {
		others = append(others, pin(part.PID(), clientCore))
	}
	return b, errors.Join(others...)
}

// fill writes the same records into the broker and into the archive.
func (b *gatewayBench) fill(ctx context.Context, records []baldr.Record) error {
	for p := range int32(gatewayPartitions) {
		partition := bifrost.Partition{Name: gatewayTopic, Number: p}
		if err := b.archive(ctx, partition, records, gatewayObjects); err != nil {
			return err
		}
		for i := range records {
			records[i].Offset -= gatewayObjects * gatewayRecords
		}
	}
	return produceViews(ctx, b.broker.Addr(), records)
}

// produceViews writes records into every partition, not compressed, which is what costs
// the broker and its readers the least.
func produceViews(ctx context.Context, brokers string, records []baldr.Record) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return err
	}
	defer client.Close()
	settings := map[string]*string{"retention.ms": kadm.StringPtr("-1")}
	response, err := kadm.NewClient(client).CreateTopic(ctx, gatewayPartitions, 1, settings, gatewayTopic)
	if err := errors.Join(err, response.Err); err != nil {
		return err
	}
	promise := kgo.AbortingFirstErrPromise(client)
	for range gatewayObjects {
		for i := range records {
			for p := range int32(gatewayPartitions) {
				client.Produce(ctx, viewFor(&records[i], p), promise.Promise())
			}
		}
	}
	return promise.Err()
}

func viewFor(r *baldr.Record, partition int32) *kgo.Record {
	return &kgo.Record{Topic: gatewayTopic, Partition: partition, Timestamp: time.UnixMilli(r.Timestamp),
		Key: r.Key, Value: r.Value}
}

// serve starts the gateway on its core, and waits until it answers.
func (b *gatewayBench) serve(ctx context.Context) error {
	port, err := localservices.FreePort()
	if err != nil {
		return err
	}
	b.gateway.address = fmt.Sprintf("127.0.0.1:%d", port)
	b.serving = exec.Command("taskset", "-c", strconv.Itoa(serverCore), filepath.Join(b.dir, "bifrost"), "serve",
		"--cold", "--listen", b.gateway.address)
	var talk bytes.Buffer
	b.serving.Env, b.serving.Stderr = b.env, &talk
	if err := b.serving.Start(); err != nil {
		return err
	}
	b.gateway.pid = b.serving.Process.Pid // taskset becomes what it starts
	for range 300 {
		if err = localservices.PingKafka(ctx, b.gateway.address); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the gateway does not answer: %w\n%s", err, talk.String())
}

func (b *gatewayBench) stop() {
	if b.serving != nil && b.serving.Process != nil {
		check(b.serving.Process.Signal(syscall.SIGTERM))
		_ = b.serving.Wait() // it says with its status that it was interrupted
	}
	if b.broker != nil {
		check(b.broker.Remove())
	}
	if b.cliArchive != nil {
		b.cliArchive.stop()
	}
}

// pin holds a process, with all of its threads, to a core.
func pin(pid, core int) error {
	out, err := exec.Command("taskset", "-a", "-c", "-p", strconv.Itoa(core), strconv.Itoa(pid)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("hold process %d to core %d: %w\n%s", pid, core, err, out)
	}
	return nil
}

// dropCaches makes the system forget what it has of files, so that they are read from the
// disk again.
func dropCaches() error {
	syscall.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		return fmt.Errorf("drop the page cache, which root may do: %w", err)
	}
	return nil
}

// secondsOf is what a process has used of all cores so far.
func secondsOf(pid int) float64 {
	stat := must(os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)))
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])) // from the third on
	const ticksASecond = 100                                                  // USER_HZ
	return (must(strconv.ParseFloat(fields[11], 64)) + must(strconv.ParseFloat(fields[12], 64))) / ticksASecond
}

// serverCost is what it took to read a topic once.
type serverCost struct {
	reading topicreader.Reading
	server  float64 // core-seconds
	s3      float64 // core-seconds of the S3 server
}

func (c serverCost) speed() float64 { return float64(c.reading.Bytes) / 1e6 / c.reading.Seconds }

// read lets a client read the topic from a server whose files are in no cache.
func (b *gatewayBench) read(from topicServer, reader *topicreader.Reader, consumers int) (c serverCost, err error) {
	if err := dropCaches(); err != nil {
		return c, err
	}
	s3 := b.parts[1].PID()
	server, storage := secondsOf(from.pid), secondsOf(s3)
	if c.reading, err = reader.Read(from.address, gatewayTopic, consumers); err != nil {
		return c, err
	}
	c.server, c.s3 = secondsOf(from.pid)-server, secondsOf(s3)-storage
	n := int64(consumers)
	if c.reading.Records != n*b.records || c.reading.Bytes != n*b.bytes {
		return c, fmt.Errorf("a client read %d records of %d bytes from %s, want %d of %d",
			c.reading.Records, c.reading.Bytes, from.address, n*b.records, n*b.bytes)
	}
	return c, nil
}

// medianOf is the median of one property of costs.
func medianOf(costs []serverCost, property func(serverCost) float64) float64 {
	values := make([]float64, len(costs))
	for i, c := range costs {
		values[i] = property(c)
	}
	return median(values)
}

type readerStarter func(ctx context.Context, core int) (*topicreader.Reader, error)

func startFranz(ctx context.Context, core int) (*topicreader.Reader, error) {
	return topicreader.StartFranz(ctx, core, readerProcess)
}

func benchGatewayJava(report func(figure)) error {
	return benchGatewayClient(report, "java", topicreader.StartJava)
}

func benchGatewayLibrdkafka(report func(figure)) error {
	return benchGatewayClient(report, "librdkafka", topicreader.StartLibrdkafka)
}

func benchGatewayFranz(report func(figure)) error {
	return benchGatewayClient(report, "franz", startFranz)
}

// benchGatewayClient lets one client read the topic from a broker and from the gateway,
// in turns.
func benchGatewayClient(report func(figure), name string, start readerStarter) error {
	ctx := context.Background()
	b, err := newGatewayBench(ctx)
	if err != nil {
		return err
	}
	defer b.stop()
	reader, err := start(ctx, clientCore)
	if err != nil {
		return err
	}
	defer func() { check(reader.Stop()) }()
	var brokers, ours []serverCost
	for round := range 1 + gatewayRounds {
		kafka, err := b.read(b.kafka, reader, 1)
		if err != nil {
			return err
		}
		served, err := b.read(b.gateway, reader, 1)
		if err != nil {
			return err
		}
		if round > 0 { // in the first the JVMs compile what they run
			brokers, ours = append(brokers, kafka), append(ours, served)
		}
	}
	name = "gateway/" + name
	report(b.speedFigure(name+"/kafka", brokers))
	report(b.speedFigure(name+"/gateway", ours))
	ratios := make([]float64, gatewayRounds)
	for i := range ratios {
		ratios[i] = ours[i].speed() / brokers[i].speed()
	}
	report(figure{Name: name + "/ratio", Value: median(ratios), Unit: "of the broker's MB/s", Target: "at least 0.8"})
	return nil
}

// speedFigure says how fast a server was read, and what that took.
func (b *gatewayBench) speedFigure(name string, costs []serverCost) figure {
	gigabytes := float64(b.bytes) / 1e9
	note := fmt.Sprintf("core-seconds a GB: server %.2f, client %.2f",
		medianOf(costs, func(c serverCost) float64 { return c.server })/gigabytes,
		medianOf(costs, func(c serverCost) float64 { return c.reading.Processor })/gigabytes)
	if s3 := medianOf(costs, func(c serverCost) float64 { return c.s3 }); s3 > 0.1 {
		note += fmt.Sprintf(", S3 on the client's core %.2f", s3/gigabytes)
	}
	note += fmt.Sprintf("; server's core busy %.0f %%, client's %.0f %%",
		100*medianOf(costs, func(c serverCost) float64 { return c.server / c.reading.Seconds }),
		100*medianOf(costs, func(c serverCost) float64 { return (c.reading.Processor + c.s3) / c.reading.Seconds }))
	return figure{Name: name, Value: medianOf(costs, serverCost.speed), Unit: "MB/s", Note: note}
}

// benchGatewayProcessor compares what the gateway takes of its core with cat, and four
// consumers with one.
func benchGatewayProcessor(report func(figure)) error {
	ctx := context.Background()
	b, err := newGatewayBench(ctx)
	if err != nil {
		return err
	}
	defer b.stop()
	reader, err := startFranz(ctx, clientCore)
	if err != nil {
		return err
	}
	defer func() { check(reader.Stop()) }()
	cat := []string{"taskset", "-c", strconv.Itoa(serverCore), "./bifrost", "cat", gatewayTopic, "--format", "value"}
	var printed, one, four []float64
	for round := range 1 + gatewayRounds {
		if err := dropCaches(); err != nil {
			return err
		}
		c, _, err := b.runProgram(cat...)
		if err != nil {
			return err
		}
		single, err := b.read(b.gateway, reader, 1)
		if err != nil {
			return err
		}
		several, err := b.read(b.gateway, reader, gatewayGroups)
		if err != nil {
			return err
		}
		if round > 0 {
			printed, one, four = append(printed, c.processor), append(one, single.server), append(four, several.server)
		}
	}
	gigabytes := float64(b.bytes) / 1e9
	report(figure{Name: "gateway/processor/cat", Value: median(printed) / gigabytes, Unit: "core-seconds a GB",
		Note: fmt.Sprintf("`cat --format value`, %.1f GB of keys and values in %d objects",
			gigabytes, gatewayPartitions*gatewayObjects)})
	report(figure{Name: "gateway/processor/gateway", Value: median(one) / gigabytes, Unit: "core-seconds a GB",
		Note: "the gateway, read by franz-go"})
	report(figure{Name: "gateway/processor/ratio", Value: medianRatio(one, printed), Unit: "of cat's",
		Target: "at most 1.5"})
	report(figure{Name: "gateway/processor/groups", Value: medianRatio(four, one), Unit: "of one group's",
		Target: "at most 1.6", Note: fmt.Sprintf("%d consumers on the same data at once", gatewayGroups)})
	return nil
}

// medianRatio is the median of the ratios, round by round.
func medianRatio(subject, base []float64) float64 {
	ratios := make([]float64, len(subject))
	for i := range subject {
		ratios[i] = subject[i] / base[i]
	}
	return median(ratios)
}

// What a time is looked for in. Tests take less.
var (
	seekObjects   = int64(1_000_000)
	seekRoundTrip = 30 * time.Millisecond // to S3 and to the tables
)

const seekQuestions = 50

// benchGatewaySeek asks for times in a partition of a million objects.
func benchGatewaySeek(report func(figure)) error {
	ctx := context.Background()
	played := longpartition.New(seekObjects, seekRoundTrip)
	heap := heapBytes()
	client, stop, err := servePlayed(ctx, played)
	if err != nil {
		return err
	}
	defer stop()
	random := rand.New(rand.NewPCG(1, 1))
	ask := func() error {
		timestamp := longpartition.Timestamp(random.Int64N(played.End()))
		listed, err := client.ListOffsetsAfterMilli(ctx, timestamp, longpartition.Topic)
		if err == nil {
			err = listed.Error()
		}
		if err != nil {
			return err
		}
		offset, _ := listed.Lookup(longpartition.Topic, 0)
		if want := played.Since(timestamp); offset.Offset != want {
			return fmt.Errorf("the first offset of %d is said to be %d, and is %d", timestamp, offset.Offset, want)
		}
		return nil
	}
	began, requests := time.Now(), played.Requests.Load()
	if err := ask(); err != nil {
		return err
	}
	report(figure{Name: "gateway/seek/first", Value: time.Since(began).Seconds(), Unit: "s",
		Note: fmt.Sprintf("the first question, which reads the catalogue of %d objects in %d requests of %d ms",
			seekObjects, played.Requests.Load()-requests, seekRoundTrip.Milliseconds())})
	report(figure{Name: "gateway/seek/memory", Value: float64(heapBytes()-heap) / (1 << 20), Unit: "MiB",
		Note: "of the whole gateway, after that"})
	times, reads := make([]float64, seekQuestions), int64(0)
	requests = played.Requests.Load()
	for i := range times {
		began, before := time.Now(), played.Reads.Load()
		if err := ask(); err != nil {
			return err
		}
		times[i], reads = time.Since(began).Seconds(), max(reads, played.Reads.Load()-before)
	}
	perQuestion := float64(played.Requests.Load()-requests) / seekQuestions
	report(figure{Name: "gateway/seek/reads", Value: float64(reads), Unit: "reads of S3", Target: "at most 2",
		Note: fmt.Sprintf("the most of %d questions for random times, "+
			"each answer compared with a search without an index", seekQuestions)})
	report(figure{Name: "gateway/seek/time", Value: 1000 * median(times), Unit: "ms", Target: "at most 150",
		Note: fmt.Sprintf("the median of them, the longest took %.0f ms; %d ms for each round trip to S3, "+
			"and to the tables, which are asked %.1f times",
			1000*slices.Max(times), seekRoundTrip.Milliseconds(), perQuestion)})
	return nil
}

// heapBytes is what is in use of the heap, without garbage.
func heapBytes() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// servePlayed serves a played partition in this process, to a client that is warm.
func servePlayed(ctx context.Context, played *longpartition.Partition) (client *kadm.Client, stop func(), err error) {
	g, err := gateway.New(ctx, gateway.Options{Catalogue: played, Objects: played, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	serving, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- g.Serve(serving, listener) }()
	client, err = kadm.NewOptClient(kgo.SeedBrokers(listener.Addr().String()),
		kgo.RequestTimeoutOverhead(10*time.Minute))
	stop = func() {
		if client != nil {
			client.Close()
		}
		end()
		check(<-ended)
	}
	if err != nil {
		stop()
		return nil, nil, err
	}
	if _, err := client.ListEndOffsets(ctx, longpartition.Topic); err != nil {
		stop()
		return nil, nil, err
	}
	return client, stop, nil
}
