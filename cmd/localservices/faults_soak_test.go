//go:build real && soak

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// soakSeconds says how long the faults last; make soak sets it.
const soakSeconds = "BIFROST_SOAK_SECONDS"

const (
	timeLimit = 60 // of the archive function, in seconds
	cutOff    = 1  // the same, while functions are to be cut off
)

// TestDeployedSoak works the deployed stack, with its roles enforced, under a
// steady load and bursts, while the broker is killed, S3 fails, DynamoDB throttles
// and functions are cut off by their time limit. When all that is over, the
// schedule alone has to bring the lag to zero, and what is in S3 must be what a
// consumer sees.
func TestDeployedSoak(t *testing.T) {
	s := newDeployedSoak(t)
	faults, end := context.WithTimeout(t.Context(), s.lasting())
	defer end()
	var load sync.WaitGroup
	load.Go(func() { s.load(faults) })
	s.misfortunes(faults)
	load.Wait()
	s.check(s.client.Flush(t.Context()))
	s.archive()

	s.nothingNeedsAPerson()
	s.comparePartitions()
	for p := range int32(partitionsEach) {
		_, err := comparePartition(t.Context(), s.stack, s.topics[0], p)
		s.check(err)
	}
	s.verify()
	s.nothingLeftBehind()
	letters := s.deadLetters()
	t.Logf("%v: %d records in %d objects, %d ticks of which %d failed; runs of archive in dead letters: %+v; the broker killed %d times, answers of S3 replaced by errors: %d, of DynamoDB: %d, requests held back: %d",
		s.lasting(), s.written.Load(), len(s.objects()), s.ticks, s.failedTicks, letters,
		s.kills, s.proxy.s3.Load(), s.proxy.dynamo.Load(), s.proxy.held.Load())
	if s.kills == 0 || letters.cutOff == 0 || letters.killed == 0 || s.proxy.s3.Load() == 0 || s.proxy.dynamo.Load() == 0 {
		t.Error("not every fault was put to the test")
	}
}

// A deployedSoak is a stack whose functions reach S3 and DynamoDB by a proxy.
type deployedSoak struct {
	*operations
	broker *localservices.KafkaBroker
	proxy  *faultyAWS

	written                   atomic.Int64 // records
	ticks, failedTicks, kills int
}

func newDeployedSoak(t *testing.T) *deployedSoak {
	t.Helper()
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	s := &deployedSoak{operations: newOperations(t, broker.Addr()), broker: broker}
	s.create(s.topic("soak"), nil)
	// A function that is cut off leaves its lease, which lasts for the time limit and
	// a margin: what nobody works on any more waits for so long, and holds a slot.
	s.startPlainStack(map[string]string{"ArchiveTimeout": strconv.Itoa(timeLimit), "MaxInFlight": "24"})
	s.proxy = startFaultyAWS(t, s.stack.AWS)
	s.sendThroughProxy()
	return s
}

// lasting is how long the faults last.
func (s *deployedSoak) lasting() time.Duration {
	s.Helper()
	seconds := 60
	if text := os.Getenv(soakSeconds); text != "" {
		var err error
		seconds, err = strconv.Atoi(text)
		s.check(err)
	}
	return time.Duration(seconds) * time.Second
}

// sendThroughProxy has both functions reach S3 and DynamoDB by the proxy.
func (s *deployedSoak) sendThroughProxy() {
	s.Helper()
	for _, output := range []string{"DiscoverFunction", "ArchiveFunction"} {
		s.configure(output, func(c *lambda.UpdateFunctionConfigurationInput) {
			c.Environment.Variables["AWS_ENDPOINT_URL_S3"] = s.proxy.url
			c.Environment.Variables["AWS_ENDPOINT_URL_DYNAMODB"] = s.proxy.url
		})
	}
}

// configure changes the configuration of a function.
func (s *deployedSoak) configure(output string, change func(*lambda.UpdateFunctionConfigurationInput)) {
	s.Helper()
	client, name := lambda.NewFromConfig(s.stack.AWS.Config()), aws.String(s.stack.Outputs[output])
	now, err := client.GetFunctionConfiguration(s.Context(), &lambda.GetFunctionConfigurationInput{FunctionName: name})
	s.check(err)
	changed := &lambda.UpdateFunctionConfigurationInput{FunctionName: name, Environment: &lambdatypes.Environment{Variables: now.Environment.Variables}}
	change(changed)
	_, err = client.UpdateFunctionConfiguration(s.Context(), changed)
	s.check(err)
}

// limit sets the time limit of the archive function, in seconds.
func (s *deployedSoak) limit(seconds int32) {
	s.Helper()
	s.configure("ArchiveFunction", func(c *lambda.UpdateFunctionConfigurationInput) { c.Timeout = aws.Int32(seconds) })
}

// load writes a hundred records a second, and ten thousand at once now and then,
// until ctx ends.
func (s *deployedSoak) load(ctx context.Context) {
	random := rand.New(rand.NewPCG(1, 8))
	for round := 0; ctx.Err() == nil; round++ {
		records := 20
		if round%100 == 50 {
			records = 10_000
		}
		for range records {
			n := int(s.written.Add(1))
			s.client.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: s.topics[0], Partition: int32(n % partitionsEach), Value: value(random, n)}, nil)
		}
		_ = pause(ctx)
	}
}

// misfortunes lets one thing after the other go wrong until ctx ends and each has
// had its turn as often as the others, while S3 and DynamoDB refuse every tenth
// request all the time. Nothing is wrong when it returns.
func (s *deployedSoak) misfortunes(ctx context.Context) {
	s.proxy.refuse.Store(10)
	for round := 0; ctx.Err() == nil || round%4 != 0; round++ {
		switch round % 4 {
		case 0: // nothing else
			s.work()
		case 1: // half of what S3 and DynamoDB are asked is refused
			s.proxy.refuse.Store(2)
			s.work()
			s.proxy.refuse.Store(10)
		case 2: // functions wait for S3 and DynamoDB until they are cut off
			s.limit(cutOff)
			s.proxy.hold.Store(true)
			s.work()
			s.proxy.hold.Store(false)
			s.limit(timeLimit)
		case 3: // the broker dies, and is back after some ticks
			s.check(s.broker.Kill())
			s.kills++
			s.work()
			s.check(s.broker.Start(s.Context()))
		}
	}
	s.proxy.refuse.Store(0)
}

// work ticks for some seconds.
func (s *deployedSoak) work() {
	ctx, end := context.WithTimeout(s.Context(), 5*time.Second)
	defer end()
	for ctx.Err() == nil {
		s.ticks++
		if _, err := tick(s.Context(), s.stack); err != nil {
			s.failedTicks++
		}
		_ = pause(ctx)
	}
}

// nothingNeedsAPerson looks at what bifrost status says.
func (s *deployedSoak) nothingNeedsAPerson() {
	s.Helper()
	status := s.status()
	for _, p := range status.Partitions {
		if p.Status != "OPEN" || p.Lag != 0 {
			s.Errorf("a partition is %s, %d behind", p.Status, p.Lag)
		}
	}
	if !status.Healthy || len(status.Partitions) != partitionsEach {
		s.Errorf("healthy: %v, %d partitions", status.Healthy, len(status.Partitions))
	}
}

// letters counts dead letters by how the run ended.
type letters struct{ failed, cutOff, killed int }

// deadLetters reads all of them. Each is about a range of the topic, all of which
// is archived by now, and a run that could still say that it failed has a letter.
func (s *deployedSoak) deadLetters() (found letters) {
	s.Helper()
	for bodies := s.receive(); len(bodies) > 0; bodies = s.receive() {
		for _, body := range bodies {
			s.read(body, &found)
		}
	}
	if said := s.metric("ArchiveFunction", "FailedRanges"); said != float64(found.failed) {
		s.Errorf("%v runs said that they failed, and the dead letters are %+v", said, found)
	}
	return found
}

func (s *deployedSoak) read(text string, found *letters) {
	s.Helper()
	var letter struct {
		RequestPayload  struct{ Topic string }
		ResponsePayload struct{ ErrorMessage string }
	}
	s.check(json.Unmarshal([]byte(text), &letter))
	if letter.RequestPayload.Topic != s.topics[0] {
		s.Errorf("a dead letter about something else: %s", text)
	}
	switch why := letter.ResponsePayload.ErrorMessage; {
	case strings.Contains(why, "Task timed out"):
		found.cutOff++
	case strings.Contains(why, "Runtime exited"): // the process of a function that was changed
		found.killed++
	default:
		found.failed++
		s.Logf("failed: %.200s", why)
	}
}

// What a process of a function may hold when it is idle. They hold 9 to 26 files
// and 19 to 33 MB.
const (
	mostFiles  = 60
	mostMemory = 100 << 20
)

// nothingLeftBehind looks at the processes of the functions, which are warm and
// idle: what a fault leaves behind adds up.
func (s *deployedSoak) nothingLeftBehind() {
	s.Helper()
	processes, err := filepath.Glob("/proc/[0-9]*/environ")
	s.check(err)
	var files, memory []int
	for _, environ := range processes {
		content, err := os.ReadFile(environ)
		if err != nil || !bytes.Contains(content, []byte("AWS_ENDPOINT_URL_S3="+s.proxy.url)) {
			continue // of somebody else, or gone
		}
		open, err := os.ReadDir(filepath.Join(filepath.Dir(environ), "fd"))
		s.check(err)
		statm, err := os.ReadFile(filepath.Join(filepath.Dir(environ), "statm"))
		s.check(err)
		pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
		s.check(err)
		files, memory = append(files, len(open)), append(memory, pages*os.Getpagesize())
	}
	if len(files) == 0 {
		s.Fatal("no process of a function is left to look at")
	}
	s.Logf("%d processes of functions, with at most %d files and %d MB each", len(files), slices.Max(files), slices.Max(memory)>>20)
	if slices.Max(files) > mostFiles || slices.Max(memory) > mostMemory {
		s.Errorf("files: %v, bytes: %v", files, memory)
	}
}
