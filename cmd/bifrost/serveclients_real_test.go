//go:build real

package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// soaking says that clients which take long are tried, too: kafka-console-consumer starts
// a JVM for each position and member, and sarama and kafka-go take long to rebalance.
var soaking bool

// consoles are the parts that have kafka-console-consumer.
func consoles() map[string]localservices.Part {
	if !soaking {
		return nil
	}
	return map[string]localservices.Part{"console": localservices.PartKafkaTools, "console-3.9": localservices.PartKafkaTools3}
}

// A topicReader reads a topic in steps that testdata/gateway/Read.java lists, and answers
// what it was given as recordLine prints it, with a heading for each step.
type topicReader func(t *testing.T, servers, topic string, steps ...string) string

// A readingProgram is a command that reads a topic with one of Kafka's clients, in steps
// that testdata/gateway/Read.java lists, and prints records as recordLine does.
type readingProgram func(t *testing.T, servers, topic string, steps ...string) *exec.Cmd

// read is what the program prints.
func (p readingProgram) read(t *testing.T, servers, topic string, steps ...string) string {
	t.Helper()
	return printedBy(t, p(t, servers, topic, steps...))
}

func printedBy(t *testing.T, command *exec.Cmd) string {
	t.Helper()
	var out, problem bytes.Buffer
	command.Stdout, command.Stderr = &out, &problem
	if err := command.Run(); err != nil {
		t.Fatalf("%v: %v\n%s\n%s", command.Args, err, problem.String(), out.String())
	}
	return out.String()
}

// The programs of testdata/gateway.
var (
	java       = javaProgram(localservices.PartKafka)
	java3      = javaProgram(localservices.PartKafkaTools3)
	librdkafka = pythonProgram(localservices.PartEngines, "python-engines", "read.py")
	python     = pythonProgram(localservices.PartKafkaPython, "python-kafka", "kafkapython.py")
	aiokafka   = pythonProgram(localservices.PartAiokafka, "python-aiokafka", "aio.py")
	sarama     = goProgram("sarama")
	kafkaGo    = goProgram("kafka-go")
)

func javaProgram(p localservices.Part) readingProgram {
	return func(t *testing.T, servers, topic string, steps ...string) *exec.Cmd {
		t.Helper()
		must(t, localservices.Install(t.Context(), nil, p))
		command, err := localservices.JavaClient(t.Context(), p, "testdata/gateway/Read.java", append([]string{servers, topic}, steps...)...)
		must(t, err)
		return command
	}
}

func pythonProgram(p localservices.Part, tool, source string) readingProgram {
	return func(t *testing.T, servers, topic string, steps ...string) *exec.Cmd {
		t.Helper()
		must(t, localservices.Install(t.Context(), nil, p))
		program, err := localservices.Tool(tool)
		must(t, err)
		// Without bytecode of steps.py, which would be left beside it.
		args := append([]string{"-B", "testdata/gateway/" + source, servers, topic}, steps...)
		return exec.CommandContext(t.Context(), program, args...)
	}
}

// kafkajs has no assign: of the steps it has group, subscribe and produce.
func kafkajs(t *testing.T, servers, topic string, steps ...string) *exec.Cmd {
	t.Helper()
	must(t, localservices.Install(t.Context(), nil, localservices.PartKafkajs))
	node, err := localservices.Tool("node")
	must(t, err)
	modules, err := localservices.Tool("kafkajs")
	must(t, err)
	command := exec.CommandContext(t.Context(), node, append([]string{"testdata/gateway/kafkajs.js", servers, topic}, steps...)...)
	command.Env = append(command.Environ(), "NODE_PATH="+modules)
	return command
}

// goClients builds the module with clients in Go that Bifrost does not import.
var goClients = sync.OnceValues(func() (string, error) {
	program, err := localservices.Tool("gateway-go-clients")
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir, build.Env = filepath.Join("testdata", "gateway", "go"), append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the clients in Go: %w\n%s", err, out)
	}
	return program, nil
})

func goProgram(client string) readingProgram {
	return func(t *testing.T, servers, topic string, steps ...string) *exec.Cmd {
		t.Helper()
		program, err := goClients()
		must(t, err)
		return exec.CommandContext(t.Context(), program, append([]string{client, servers, topic}, steps...)...)
	}
}

// section is what was printed in one step.
type section struct {
	step  string
	lines []string
}

func sectionsOf(printed string) (all []section) {
	for _, line := range strings.Split(strings.TrimSpace(printed), "\n") {
		if step, begins := strings.CutPrefix(line, "# "); begins {
			all = append(all, section{step: step})
		} else {
			all[len(all)-1].lines = append(all[len(all)-1].lines, line)
		}
	}
	return all
}

// counted are the steps of a client that does not say where it is: each with how many
// records it has to read.
func counted(expected []section) (steps []string) {
	for _, s := range expected {
		if !strings.HasPrefix(s.step, "topic:") {
			s.step += ":" + strconv.Itoa(len(s.lines))
		}
		steps = append(steps, s.step)
	}
	return steps
}

// placeOf is a line's partition and offset.
func placeOf(line string) string { return strings.Join(strings.SplitN(line, " ", 3)[:2], "/") }

// withoutOthers leaves out what is no record that is expected, and answers how many
// transaction markers and how many other lines that were.
func withoutOthers(printed string, expected []section) (records string, markers, others int) {
	var kept strings.Builder
	for i, s := range sectionsOf(printed) {
		known := map[string]bool{}
		for _, line := range expected[i].lines {
			known[placeOf(line)] = true
		}
		fmt.Fprintln(&kept, "#", s.step)
		for _, line := range s.lines {
			word := strings.Fields(line)
			switch {
			case known[placeOf(line)]:
				fmt.Fprintln(&kept, line)
			case strings.HasPrefix(word[4], "'0000000") && word[5] == "'000000000000":
				markers++
			default:
				others++
			}
		}
	}
	return kept.String(), markers, others
}

// withTimesOf gives records the times that are expected. Of a batch that has the broker's
// time kafka-go shows the producer's; the gateway has the broker's alone.
func withTimesOf(expected []section, printed string) string {
	var out strings.Builder
	for i, s := range sectionsOf(printed) {
		times := map[string]string{}
		for _, line := range expected[i].lines {
			times[placeOf(line)] = strings.Fields(line)[2]
		}
		fmt.Fprintln(&out, "#", s.step)
		for _, line := range s.lines {
			word := strings.SplitN(line, " ", 4)
			fmt.Fprintln(&out, word[0], word[1], times[placeOf(line)], word[3])
		}
	}
	return out.String()
}

// kcatFormat says how long key and value are before it has them: both may be anything.
const (
	kcatFormat = "RECORD %p %o %T %K %S\n%k%s%h" + kcatEnd
	kcatEnd    = "\x1eEND\n"
)

func kcat(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	must(t, localservices.Install(t.Context(), nil, localservices.PartKcat))
	command, err := localservices.Kcat(t.Context(), args...)
	must(t, err)
	return command
}

// kcatReader reads all partitions at once.
func kcatReader(t *testing.T, servers, topic string, steps ...string) string {
	t.Helper()
	var out strings.Builder
	for _, step := range steps {
		fmt.Fprintf(&out, "# %s\n", step)
		mode, argument, _ := strings.Cut(step, ":")
		if mode == "topic" {
			topic = argument
			continue
		}
		from := map[string]string{"earliest": "beginning", "offset": argument, "time": "s@" + argument}[mode]
		out.WriteString(kcatLines(t, printedBy(t, kcat(t, "-C", "-q", "-e", "-b", servers, "-t", topic, "-o", from, "-f", kcatFormat))))
	}
	return out.String()
}

// kcatLines are the lines of records as recordLine has them, except that kcat does not say
// of which type a timestamp is, and prints headers so that they cannot be told apart.
func kcatLines(t *testing.T, printed string) string {
	t.Helper()
	var out strings.Builder
	for printed != "" {
		var partition, offset, at int64
		var key, value int
		head, rest, _ := strings.Cut(printed, "\n")
		if _, err := fmt.Sscanf(head, "RECORD %d %d %d %d %d", &partition, &offset, &at, &key, &value); err != nil {
			t.Fatalf("kcat has printed %.200q: %v", printed, err)
		}
		take := func(n int) string {
			if n < 0 {
				return "null"
			}
			part := rest[:n]
			rest = rest[n:]
			return "'" + hex.EncodeToString([]byte(part))
		}
		fmt.Fprint(&out, partition, " ", offset, " ", at, " 0 ", take(key), " ", take(value))
		headers, rest, ended := strings.Cut(rest, kcatEnd)
		if !ended {
			t.Fatalf("kcat has printed a cut record: %.200q", printed)
		}
		fmt.Fprintf(&out, " %x\n", headers)
		printed = rest
	}
	return out.String()
}

// What stands between the parts of a line of Console.java.
const (
	consoleField = "\x01field\x01"
	consoleLine  = "\x01line\x01\n"
	consoleNull  = "\x01null\x01"
)

// consoleReader runs kafka-console-consumer for each partition and step; it has no times.
func consoleReader(t *testing.T, p localservices.Part, servers, topic string, expected []section) string {
	t.Helper()
	must(t, localservices.Install(t.Context(), nil, p))
	args := []string{servers, topic}
	for _, s := range expected {
		mode, argument, _ := strings.Cut(s.step, ":")
		records := map[string]int{}
		for _, line := range s.lines {
			records[line[:strings.IndexByte(line, ' ')]]++
		}
		switch mode {
		case "topic":
			args = append(args, s.step)
		case "earliest", "offset":
			if mode == "earliest" {
				argument = mode
			}
			for _, partition := range slices.Sorted(maps.Keys(records)) {
				args = append(args, fmt.Sprintf("%s:%s:%d", partition, argument, records[partition]))
			}
		}
	}
	command, err := localservices.JavaClient(t.Context(), p, "testdata/gateway/Console.java", args...)
	must(t, err)
	return consoleLines(t, printedBy(t, command))
}

// consoleLines are the lines of records as recordLine has them, but for the headers.
func consoleLines(t *testing.T, printed string) string {
	t.Helper()
	text := func(part string) string {
		if part == consoleNull {
			return "null"
		}
		return "'" + hex.EncodeToString([]byte(part))
	}
	var out strings.Builder
	for _, line := range strings.Split(strings.TrimSuffix(printed, consoleLine), consoleLine) {
		if strings.HasPrefix(line, "# ") {
			fmt.Fprintln(&out, line)
			continue
		}
		part := strings.Split(line, consoleField)
		if len(part) != 6 {
			t.Fatalf("the console consumer has printed %.300q", line)
		}
		kind, at, _ := strings.Cut(part[0], ":")
		fmt.Fprintln(&out, strings.TrimPrefix(part[1], "Partition:"), strings.TrimPrefix(part[2], "Offset:"), at,
			map[string]int{"CreateTime": 0, "LogAppendTime": 1}[kind], text(part[4]), text(part[5]), hex.EncodeToString([]byte(part[3])))
	}
	return out.String()
}

// consoleMember is kafka-console-consumer as a member of a group.
func consoleMember(t *testing.T, p localservices.Part, servers, topic, group string, args ...string) *exec.Cmd {
	t.Helper()
	must(t, localservices.Install(t.Context(), nil, p))
	consumer, formatter := "--command-property", "--formatter-property"
	if p.String() == localservices.PartKafkaTools3.String() {
		consumer, formatter = "--consumer-property", "--property"
	}
	args = append([]string{"--bootstrap-server", servers, "--topic", topic, "--group", group, "--from-beginning",
		"--isolation-level", "read_committed", consumer, "heartbeat.interval.ms=500"}, args...)
	for _, property := range []string{"print.partition=true", "print.offset=true", "print.timestamp=true", "print.headers=true", "print.key=true",
		"key.separator=" + consoleField, "line.separator=" + consoleLine, "null.literal=" + consoleNull} {
		args = append(args, formatter, property)
	}
	command, err := localservices.JavaTool(t.Context(), p, "org.apache.kafka.tools.consumer.ConsoleConsumer", args...)
	must(t, err)
	return command
}

// lockedBuffer is what a program that runs has printed.
type lockedBuffer struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	return b.buffer.String()
}

// readAsGroup reads a topic with programs that are nothing but consumers: one of them
// fifty records, then two of them, the second of which joins the first, until all of the
// records have come. Both are told to end.
func (s *sandbox) readAsGroup(t *testing.T, group string, records int, end string, member func(args ...string) *exec.Cmd, fifty ...string) string {
	t.Helper()
	printed := printedBy(t, member(fifty...))
	members := []*exec.Cmd{member(), member()}
	var outs, problems [2]lockedBuffer
	for i, m := range members {
		m.Stdout, m.Stderr = &outs[i], &problems[i]
		must(t, m.Start())
		s.awaitMembers(t, group, i+1)
	}
	for began := time.Now(); strings.Count(printed+outs[0].String()+outs[1].String(), end) < records; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatalf("after a minute %d of %d records\n%s\n%s", strings.Count(printed+outs[0].String()+outs[1].String(), end), records,
				problems[0].String(), problems[1].String())
		}
	}
	for _, m := range members {
		must(t, m.Process.Signal(syscall.SIGTERM))
	}
	for _, m := range members {
		_ = m.Wait() // ended by the signal
	}
	return printed + outs[0].String() + outs[1].String()
}

// awaitMembers waits until a group has so many members, each with a partition.
func (s *sandbox) awaitMembers(t *testing.T, group string, want int) {
	t.Helper()
	client, err := s.client()
	must(t, err)
	defer client.Close()
	for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		described, err := kadm.NewClient(client).DescribeGroups(t.Context(), group)
		must(t, err)
		owners := 0
		for _, m := range described[group].Members {
			if assigned, ok := m.Assigned.AsConsumer(); ok && len(assigned.Topics) > 0 {
				owners++
			}
		}
		if owners == want && described[group].State == "Stable" {
			return
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("%s: %d members with partitions of %d, %s", group, owners, want, described[group].State)
		}
	}
}
