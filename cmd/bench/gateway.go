// The speed of the gateway beside a broker's.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bench/internal/topicreader"
	"github.com/bifrost-archive/bifrost/cmd/bench/internal/topicwriter"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

var gatewayBenchmarks = []benchmark{
	{"gateway/seek", benchGatewaySeek},
	{"gateway/java", benchGatewayJava},
	{"gateway/librdkafka", benchGatewayLibrdkafka},
	{"gateway/librdkafka-defaults", benchGatewayLibrdkafkaDefaults},
	{"gateway/franz", benchGatewayFranz},
	{"gateway/tiered/java", benchGatewayTieredJava},
	{"gateway/tiered/franz", benchGatewayTieredFranz},
	{"gateway/processor", benchGatewayProcessor},
}

// What is read through the gateway.
const (
	gatewayTopic      = "views"
	gatewayPartitions = 8
	gatewayObjects    = 6       // of each partition
	gatewayRecords    = 100_000 // of an object: about 50 MB of keys and values
	gatewayRounds     = 5       // that count
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

// newGatewayBench starts the real parts and fills them. A tiered broker has all but perhaps the
// last record of each partition in tiered storage alone.
func newGatewayBench(ctx context.Context, tiered bool) (b *gatewayBench, err error) {
	b = &gatewayBench{}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	if b.cliArchive, err = newCLIArchive(ctx); err != nil {
		return b, err
	}
	start := func(ctx context.Context) (*localservices.KafkaBroker, error) {
		return localservices.StartKafka(ctx, localservices.KafkaOptions{})
	}
	if tiered {
		start = localservices.StartTieredKafka
	}
	if b.broker, err = start(ctx); err != nil {
		return b, err
	}
	b.kafka = topicServer{b.broker.Addr(), b.broker.PID()}
	records := pageViews(gatewayRecords, 1)
	if err := b.fill(ctx, records, tiered); err != nil {
		return b, err
	}
	for _, r := range records {
		b.bytes += int64(len(r.Key)+len(r.Value)) * gatewayObjects * gatewayPartitions
	}
	b.records = gatewayRecords * gatewayObjects * gatewayPartitions
	if err := b.serve(ctx); err != nil {
		return b, err
	}
	others := []error{pin(b.kafka.pid, serverCore), pin(b.reads.Process.Pid, clientCore)}
	for _, part := range b.parts {
		others = append(others, pin(part.PID(), clientCore))
	}
	return b, errors.Join(others...)
}

// fill writes the same records into the broker and into the archive.
func (b *gatewayBench) fill(ctx context.Context, records []baldr.Record, tiered bool) error {
	for p := range int32(gatewayPartitions) {
		partition := bifrost.Partition{Name: gatewayTopic, Number: p}
		if err := b.archive(ctx, partition, records, gatewayObjects); err != nil {
			return err
		}
		for i := range records {
			records[i].Offset -= gatewayObjects * gatewayRecords
		}
	}
	topic := topicwriter.Topic{Name: gatewayTopic, Partitions: gatewayPartitions, Times: gatewayObjects, Tiered: tiered}
	return topic.Write(ctx, b.broker.Addr(), records)
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
		check(b.serving.Wait())
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
	return b.readCached(from, reader, consumers)
}

// readCached is read, but leaves the page cache as it is.
func (b *gatewayBench) readCached(
	from topicServer, reader *topicreader.Reader, consumers int,
) (c serverCost, err error) {
	s3 := b.reads.Process.Pid
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
	return benchGatewayClient(report, "java", topicreader.StartJava, false)
}

// benchGatewayLibrdkafka has librdkafka as the page of the gateway recommends.
func benchGatewayLibrdkafka(report func(figure)) error {
	start := func(ctx context.Context, core int) (*topicreader.Reader, error) {
		return topicreader.StartLibrdkafka(ctx, core, "fetch.queue.backoff.ms=10")
	}
	return benchGatewayClient(report, "librdkafka", start, false)
}

func benchGatewayFranz(report func(figure)) error {
	return benchGatewayClient(report, "franz", startFranz, false)
}

func benchGatewayTieredJava(report func(figure)) error {
	return benchGatewayClient(report, "tiered/java", topicreader.StartJava, true)
}

func benchGatewayTieredFranz(report func(figure)) error {
	return benchGatewayClient(report, "tiered/franz", startFranz, true)
}

// benchGatewayClient lets one client read the topic from a broker and from the gateway,
// in turns.
func benchGatewayClient(report func(figure), name string, start readerStarter, tiered bool) error {
	b, costs, err := measureGateway(start, tiered, (*gatewayBench).readFromDisk, (*gatewayBench).readArchive)
	if err != nil {
		return err
	}
	brokers, ours := costs[0], costs[1]
	name = "gateway/" + name
	report(b.speedFigure(name+"/kafka", brokers))
	report(b.speedFigure(name+"/gateway", ours))
	target := "at least 0.8"
	if tiered {
		target = "at least 1.0"
	}
	ratio := speedRatio(ours, brokers)
	report(figure{Name: name + "/ratio", Value: ratio, Unit: "of the broker's MB/s", Target: target})
	return nil
}

// benchGatewayLibrdkafkaDefaults shows what librdkafka does when its queue is full: it reads
// slower from whoever answers faster, a broker with its files in memory among them.
func benchGatewayLibrdkafkaDefaults(report func(figure)) error {
	start := func(ctx context.Context, core int) (*topicreader.Reader, error) {
		return topicreader.StartLibrdkafka(ctx, core)
	}
	b, costs, err := measureGateway(start, false,
		(*gatewayBench).readFromDisk, (*gatewayBench).readFromMemory, (*gatewayBench).readArchive)
	if err != nil {
		return err
	}
	const name = "gateway/librdkafka-defaults"
	report(b.speedFigure(name+"/kafka", costs[0]))
	report(b.speedFigure(name+"/kafka-in-memory", costs[1]))
	report(b.speedFigure(name+"/gateway", costs[2]))
	for i, of := range []string{"kafka", "kafka-in-memory"} {
		report(figure{Name: name + "/ratio-" + of, Value: speedRatio(costs[2], costs[i]), Unit: "of the broker's MB/s"})
	}
	return nil
}

// A reading lets a client read the topic once.
type reading func(b *gatewayBench, reader *topicreader.Reader) (serverCost, error)

func (b *gatewayBench) readFromDisk(reader *topicreader.Reader) (serverCost, error) {
	return b.read(b.kafka, reader, 1)
}

// readFromMemory reads what was read just before, and is in the page cache.
func (b *gatewayBench) readFromMemory(reader *topicreader.Reader) (serverCost, error) {
	return b.readCached(b.kafka, reader, 1)
}

func (b *gatewayBench) readArchive(reader *topicreader.Reader) (serverCost, error) {
	return b.read(b.gateway, reader, 1)
}

// measureGateway lets one client read in several ways, in turns, and returns what each took.
func measureGateway(start readerStarter, tiered bool, ways ...reading) (*gatewayBench, [][]serverCost, error) {
	ctx := context.Background()
	b, err := newGatewayBench(ctx, tiered)
	if err != nil {
		return nil, nil, err
	}
	defer b.stop()
	reader, err := start(ctx, clientCore)
	if err != nil {
		return nil, nil, err
	}
	defer func() { check(reader.Stop()) }()
	costs := make([][]serverCost, len(ways))
	for round := range 1 + gatewayRounds {
		for i, read := range ways {
			c, err := read(b, reader)
			if err != nil {
				return nil, nil, err
			}
			if round > 0 { // in the first the JVMs compile what they run
				costs[i] = append(costs[i], c)
			}
		}
	}
	return b, costs, nil
}

// speedRatio is the median of the ratios of rounds.
func speedRatio(ours, others []serverCost) float64 {
	ratios := make([]float64, len(ours))
	for i := range ratios {
		ratios[i] = ours[i].speed() / others[i].speed()
	}
	return median(ratios)
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
	b, err := newGatewayBench(ctx, false)
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
