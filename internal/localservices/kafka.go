// Apache Kafka.

package localservices

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/twmb/franz-go/pkg/kgo"
)

// KafkaOptions are what a test may want of a broker of its own. The zero value
// is a single plaintext broker.
type KafkaOptions struct {
	// Properties are added to server.properties, over the ones set here.
	Properties map[string]string
	// Listeners are further listeners, name to security protocol, for example
	// "MTLS" to "SSL". The plaintext listener stays, for the tests' own use.
	Listeners map[string]string
	// Join makes it a further broker of the cluster of this one, whose controller it
	// has. Zero for a cluster of its own.
	Join *KafkaBroker
	// At is the port of the plaintext listener; zero for a free one. A broker that
	// has another's port after that was stopped is another cluster at one address.
	At int
}

// A KafkaBroker is a running Apache Kafka, broker and KRaft controller in one
// process. It does not create topics by itself.
type KafkaBroker struct {
	dir        string
	remote     string // folder of its tiered storage; empty: none
	port       int
	controller string // host:port of the controller
	clusterID  string
	node       int
	nodes      *atomic.Int32 // of the cluster so far
	listeners  map[string]string
	process    *process
}

// StartKafka installs Apache Kafka if need be, starts a broker with an empty log,
// and returns when it answers. Stop it with [KafkaBroker.Stop].
func StartKafka(ctx context.Context, options KafkaOptions) (*KafkaBroker, error) {
	if err := Install(ctx, nil, PartKafka); err != nil {
		return nil, err
	}
	dir, err := runDir("kafka")
	if err != nil {
		return nil, err
	}
	b := &KafkaBroker{dir: dir, nodes: new(atomic.Int32), listeners: map[string]string{}}
	err = firstError(
		func() error { return b.configure(options) },
		func() error { return b.format(ctx) },
		func() error { return b.Start(ctx) },
	)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}

// Addr returns host:port of the plaintext listener.
func (b *KafkaBroker) Addr() string { return address(b.port) }

// Node returns the broker's ID in its cluster, 1 for the first.
func (b *KafkaBroker) Node() int { return b.node }

// Port returns the port of the plaintext listener.
func (b *KafkaBroker) Port() int { return b.port }

// Listener returns host:port of a listener named in the options.
func (b *KafkaBroker) Listener(name string) string { return b.listeners[name] }

// Dir returns the folder of the broker's log, settings and data.
func (b *KafkaBroker) Dir() string { return b.dir }

// PID returns the process id of the broker, which leads its own process group.
func (b *KafkaBroker) PID() int { return b.process.cmd.Process.Pid }

// Start starts a stopped broker again, on the same port with the same data, and
// returns when it answers.
func (b *KafkaBroker) Start(ctx context.Context) error {
	args, err := java(PartKafka, "-Xms256m", "-Xmx1g",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true",
		"kafka.Kafka", filepath.Join(b.dir, "server.properties"))
	if err != nil {
		return err
	}
	b.process, err = launch{name: "kafka", dir: b.dir, args: args}.start()
	if err != nil {
		return err
	}
	if err := b.process.waitFor(ctx, b.ping); err != nil {
		return errors.Join(err, b.Kill())
	}
	return nil
}

// Stop shuts the broker down in order. The data stays until [KafkaBroker.Remove].
func (b *KafkaBroker) Stop() error { return b.process.stop(syscall.SIGTERM) }

// Kill ends the broker as a crash would.
func (b *KafkaBroker) Kill() error { return b.process.stop(syscall.SIGKILL) }

// Remove kills the broker and removes its data.
func (b *KafkaBroker) Remove() error {
	err := errors.Join(b.Kill(), os.RemoveAll(b.dir))
	if b.remote != "" {
		err = errors.Join(err, os.RemoveAll(b.remote))
	}
	return err
}

func (b *KafkaBroker) ping(ctx context.Context) error { return PingKafka(ctx, b.Addr()) }

// PingKafka returns nil once a cluster answers at any of the addresses.
func PingKafka(ctx context.Context, brokers ...string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	return client.Ping(ctx)
}

// configure picks the ports and writes server.properties.
func (b *KafkaBroker) configure(options KafkaOptions) error {
	names := slices.Sorted(maps.Keys(options.Listeners))
	ports := make([]int, 2+len(names))
	for i := range ports {
		port, err := FreePort()
		if err != nil {
			return err
		}
		ports[i] = port
	}
	b.port, b.controller, b.clusterID = ports[0], address(ports[1]), newClusterID()
	if options.At > 0 {
		b.port = options.At
	}
	roles := "broker,controller"
	if options.Join != nil {
		roles = "broker"
		b.controller, b.clusterID, b.nodes = options.Join.controller, options.Join.clusterID, options.Join.nodes
	}
	b.node = int(b.nodes.Add(1))
	listeners := []string{"PLAINTEXT://" + b.Addr()}
	protocols := []string{"CONTROLLER:PLAINTEXT", "PLAINTEXT:PLAINTEXT"}
	for i, name := range names {
		b.listeners[name] = address(ports[2+i])
		listeners = append(listeners, name+"://"+b.listeners[name])
		protocols = append(protocols, name+":"+options.Listeners[name])
	}
	properties := maps.Clone(brokerProperties)
	properties["process.roles"], properties["node.id"] = roles, strconv.Itoa(b.node)
	properties["controller.quorum.voters"] = "1@" + b.controller
	properties["advertised.listeners"] = strings.Join(listeners, ",")
	if options.Join == nil {
		listeners = append(listeners, "CONTROLLER://"+b.controller)
	}
	properties["listeners"] = strings.Join(listeners, ",")
	properties["listener.security.protocol.map"] = strings.Join(protocols, ",")
	properties["log.dirs"] = filepath.Join(b.dir, "data")
	maps.Copy(properties, options.Properties)
	return writeProperties(filepath.Join(b.dir, "server.properties"), properties)
}

// brokerProperties make a small broker that does at once what a real one puts
// off: segments are checked for retention and compaction every half second, and
// deleted files go soon after.
var brokerProperties = map[string]string{
	"controller.listener.names":                "CONTROLLER",
	"inter.broker.listener.name":               "PLAINTEXT",
	"auto.create.topics.enable":                "false",
	"num.partitions":                           "1",
	"offsets.topic.replication.factor":         "1",
	"offsets.topic.num.partitions":             "1",
	"transaction.state.log.replication.factor": "1",
	"transaction.state.log.min.isr":            "1",
	"transaction.state.log.num.partitions":     "2",
	"group.initial.rebalance.delay.ms":         "0",
	"log.initial.task.delay.ms":                "500",
	"log.retention.check.interval.ms":          "500",
	"log.cleaner.backoff.ms":                   "500",
	"log.cleaner.dedupe.buffer.size":           "16777216",
	"log.segment.delete.delay.ms":              "1000",
}

func writeProperties(path string, properties map[string]string) error {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&text, "%s=%s\n", key, properties[key])
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("localservices: configure kafka: %w", err)
	}
	return nil
}

func newClusterID() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// format gives the empty data folder the cluster's ID.
func (b *KafkaBroker) format(ctx context.Context) error {
	// In one argument: an ID may begin with a dash.
	args, err := java(PartKafka, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format",
		"--cluster-id="+b.clusterID, "--config", filepath.Join(b.dir, "server.properties"))
	if err != nil {
		return err
	}
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("localservices: format the log of kafka: %w\n%s", err, tail(string(out), 2000))
	}
	return nil
}

// JavaClient returns a command that runs a Java source file with Kafka's own client, of
// the part that has its libraries.
func JavaClient(ctx context.Context, p Part, source string, args ...string) (*exec.Cmd, error) {
	return javaCommand(ctx, p, "off", append([]string{source}, args...)...)
}

// FastJavaClient is JavaClient for a program that runs long enough for the compiler that
// makes the fastest code.
func FastJavaClient(ctx context.Context, p Part, source string, args ...string) (*exec.Cmd, error) {
	options := []string{"-Dorg.slf4j.simpleLogger.defaultLogLevel=off", source}
	line, err := java(p, append(options, args...)...)
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, line[0], line[1:]...), nil
}

// JavaTool returns a command that runs a program of a part's libraries, by its main class,
// which prints its errors.
func JavaTool(ctx context.Context, p Part, class string, args ...string) (*exec.Cmd, error) {
	return javaCommand(ctx, p, "error", append([]string{class}, args...)...)
}

func javaCommand(ctx context.Context, p Part, logLevel string, args ...string) (*exec.Cmd, error) {
	line, err := java(p, append([]string{"-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=" + logLevel}, args...)...)
	if err != nil {
		return nil, err
	}
	return exec.CommandContext(ctx, line[0], line[1:]...), nil
}

// java returns the command line of a program from a part's libraries. Its
// arguments are options of the JVM, the main class and that one's arguments.
func java(p Part, args ...string) ([]string, error) {
	program, err := exec.LookPath("java")
	if err != nil {
		return nil, fmt.Errorf("localservices: start %s: install a JDK 17: %w", p, err)
	}
	jars, err := p.folder()
	if err != nil {
		return nil, err
	}
	return append([]string{program, "-cp", filepath.Join(jars, "*")}, args...), nil
}
