//go:build real

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/dryrun"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// make soak asks for a thousand.
var invocations = flag.Int("invocations", 300, "how often to invoke the function")

const (
	partitions = 20
	warmUp     = 5 // rounds of one invocation a partition
)

// TestWarmFunctionStaysAsItIs invokes the function hundreds of times in one
// process, as Lambda does with a warm one, each time for a range of its own, on
// real parts. After the first few rounds it must not grow: in memory, goroutines,
// connections or files.
func TestWarmFunctionStaysAsItIs(t *testing.T) {
	w := newWarm(t)
	var before usage
	for round := range *invocations / partitions {
		if round == warmUp {
			before = measure(t)
		}
		w.produce(round)
		for _, task := range w.tick() {
			w.invoke(task)
		}
	}
	after := measure(t)
	t.Logf("%d invocations; after %d: %+v; after all: %+v", w.invoked, warmUp*partitions, before, after)
	if w.invoked != *invocations {
		t.Errorf("%d ranges were archived, want %d", w.invoked, *invocations)
	}
	// An idle connection more or less, of two goroutines each, is no leak. One an
	// invocation would be hundreds.
	if after.goroutines > before.goroutines+20 {
		t.Errorf("goroutines: %d, then %d", before.goroutines, after.goroutines)
	}
	if after.files > before.files+10 {
		t.Errorf("open files and connections: %d, then %d", before.files, after.files)
	}
	// Two buffers of a part may be on loan or not.
	if after.heap > before.heap+4<<20 || after.resident > before.resident+16<<20 {
		t.Errorf("bytes on the heap: %d, then %d; resident: %d, then %d", before.heap, after.heap, before.resident, after.resident)
	}
}

// usage is what the process holds.
type usage struct {
	goroutines, files int
	heap, resident    int64 // bytes
}

// measure looks at the process when it is idle: what was let go of is given back.
func measure(t *testing.T) usage {
	t.Helper()
	runtime.GC() // twice in all: a pool lets go of its buffers with the second
	debug.FreeOSMemory()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(status))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return usage{runtime.NumGoroutine(), len(files), int64(memory.HeapAlloc), pages * int64(os.Getpagesize())}
}

// warm is the stack around the function.
type warm struct {
	*testing.T
	producer   *kgo.Client
	discoverer *bifrost.Discoverer
	open       func() (*wiring.Parts, error)
	invoked    int
}

func newWarm(t *testing.T) *warm {
	t.Helper()
	brokers, store, db := localservices.Kafka(t), localservices.S3(t), localservices.DynamoDB(t)
	name := "warm-" + strings.ToLower(rand.Text()[:12])
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s3.NewFromConfig(store.Config()).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)})
	check(err)
	tables := dynamoledger.Tables{Progress: name + "-progress", Objects: name + "-objects"}
	check(dynamoledger.CreateTables(t.Context(), db.Config(), tables))
	for _, variable := range append(store.Env(), "AWS_ENDPOINT_URL_DYNAMODB="+db.URL,
		"BIFROST_BROKERS="+brokers, "BIFROST_GROUP=warm", "BIFROST_BUCKET="+name, "BIFROST_PROGRESS_TABLE="+tables.Progress,
		"BIFROST_OBJECTS_TABLE="+tables.Objects, "BIFROST_INCLUDE_TOPICS="+name, "BIFROST_MAX_AGE_SECONDS=0",
		"BIFROST_MAX_IN_FLIGHT="+strconv.Itoa(partitions), "BIFROST_LOG_LEVEL=error") {
		key, value, _ := strings.Cut(variable, "=")
		t.Setenv(key, value)
	}
	producer, err := kgo.NewClient(kgo.SeedBrokers(brokers), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))
	check(err)
	t.Cleanup(producer.Close)
	_, err = localservices.CreateTopic(t.Context(), producer, name, partitions, 1, nil)
	check(err)
	c, err := config.FromEnvironment(config.Archiver)
	check(err)
	parts, err := wiring.Open(t.Context(), c)
	check(err)
	t.Cleanup(parts.Close)
	discoverer := parts.Discoverer(nil)
	discoverer.Settings.Together = 1 // an invocation for each range, small as they are
	return &warm{T: t, producer: producer, discoverer: discoverer, open: wiring.OpenOnce(open)}
}

func (w *warm) produce(round int) {
	w.Helper()
	var records []*kgo.Record
	for p := range int32(partitions) {
		records = append(records, &kgo.Record{Topic: w.discoverer.Settings.Topics.Include[0], Partition: p, Value: fmt.Appendf(nil, "round %d", round)})
	}
	if err := w.producer.ProduceSync(w.Context(), records...).FirstErr(); err != nil {
		w.Fatal(err)
	}
}

func (w *warm) tick() []bifrost.Task {
	w.Helper()
	noted := &dryrun.Dispatcher{}
	w.discoverer.Dispatcher = noted
	summary, err := w.discoverer.Tick(w.Context(), time.Time{})
	tasks := noted.Tasks()
	if err != nil || len(tasks) != partitions {
		w.Fatalf("%d tasks, error %v, summary %+v", len(tasks), err, summary)
	}
	return tasks
}

func (w *warm) invoke(task bifrost.Task) {
	w.Helper()
	event, err := json.Marshal(task)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	results, err := handle(ctx, w.open, event)
	if err != nil {
		w.Fatal(err)
	}
	for _, r := range results {
		if r.Outcome == bifrost.OutcomeArchived {
			w.invoked++
		}
	}
}
