package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest/dynamofake"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/runtimefake"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/s3fake"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/dryrun"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// stack is an archive with a topic, on services in the process.
type stack struct {
	*testing.T
	cluster   *kfake.Cluster
	parts     *wiring.Parts
	variables map[string]string
}

// newStack archives so many records of "orders", in two objects.
func newStack(t *testing.T, records int) *stack {
	t.Helper()
	tables, bucket := dynamofake.New(), s3fake.New()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/account-settings"):
			_, _ = w.Write([]byte(`{"AccountLimit":{"UnreservedConcurrentExecutions":20,"ConcurrentExecutions":1000}}`))
		case r.Header.Get("X-Amz-Target") != "":
			tables.ServeHTTP(w, r)
		default:
			bucket.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(1, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s := &stack{T: t, cluster: cluster, variables: map[string]string{
		"BIFROST_BROKERS": cluster.ListenAddrs()[0], "BIFROST_GROUP": "archive", "BIFROST_BUCKET": "bucket",
		"BIFROST_PROGRESS_TABLE": "progress", "BIFROST_OBJECTS_TABLE": "objects", "BIFROST_ARCHIVE_FUNCTION": "archive",
		"BIFROST_MAX_AGE_SECONDS": "0", "BIFROST_FENCE_PAUSE_SECONDS": "2", "BIFROST_MAX_IN_FLIGHT": "8", "BIFROST_LOG_LEVEL": "error",
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_ENDPOINT_URL": server.URL,
	}}
	c, err := config.Load(config.Discoverer, func(name string) (string, bool) { v, ok := s.variables[name]; return v, ok })
	s.check(err)
	credential := credentials.NewStaticCredentialsProvider("id", "secret", "")
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credential}
	_, err = s3.NewFromConfig(cfg).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("bucket")})
	s.check(err)
	s.check(dynamoledger.CreateTables(t.Context(), cfg, dynamoledger.Tables{Progress: "progress", Objects: "objects"}))
	s.parts, err = wiring.Open(t.Context(), c, awsconfig.WithRegion("eu-west-1"), awsconfig.WithCredentialsProvider(credential), awsconfig.WithBaseEndpoint(server.URL))
	s.check(err)
	t.Cleanup(s.parts.Close)
	for from := 0; from < records; from += records / 2 {
		s.archive(from, from+records/2)
	}
	return s
}

func (s *stack) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stack) client(options ...kgo.Opt) *kgo.Client {
	s.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(s.cluster.ListenAddrs()...))...)
	s.check(err)
	s.Cleanup(client.Close)
	return client
}

// archive writes records into Kafka, then has a tick plan them and a worker archive them.
func (s *stack) archive(from, to int) {
	s.Helper()
	var records []*kgo.Record
	for n := from; n < to; n++ {
		records = append(records, &kgo.Record{Topic: "orders", Value: fmt.Append(nil, n)})
	}
	s.check(s.client().ProduceSync(s.Context(), records...).FirstErr())
	// The first ticks make the row of the partition, and wait for the fence.
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(50 * time.Millisecond) {
		started := &dryrun.Dispatcher{}
		_, err := s.parts.Discoverer(started).Tick(s.Context(), time.Time{})
		s.check(err)
		for _, task := range started.Tasks() {
			_, err := s.parts.Worker().Work(s.Context(), task, time.Time{})
			s.check(err)
			return
		}
	}
	s.Fatal("no tick has planned anything")
}

func (s *stack) run(events ...string) []runtimefake.Answer {
	s.Helper()
	var environment []string
	for name, value := range s.variables {
		environment = append(environment, name+"="+value)
	}
	answers, written := runtimefake.Run(s.T, environment, func(int) {}, events...)
	if len(answers) != len(events) {
		s.Fatalf("answers %+v to %v; it wrote\n%s", answers, events, written)
	}
	return answers
}

// items reads those that a plan has written.
func (s *stack) items(planned job.Planned) []string {
	s.Helper()
	object, err := s.parts.Store.Open(s.Context(), planned.Key)
	s.check(err)
	text := make([]byte, object.Stored().Size)
	_, err = object.ReadAt(text, 0)
	s.check(err)
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

const planEvent = `{"step":"plan","job":{"id":"copy","kind":"replay","topics":["orders:copy"],"replay":{"create":true}},
	"execution":"arn:x:copy-1","workers":%d,"bytes_per_second":0}`

// TestMainDoesAJob: plan, work and finish as the state machine calls them. Each record is
// in the target once, in its order, and the report says what it took.
func TestMainDoesAJob(t *testing.T) {
	t.Parallel()
	s := newStack(t, 40)
	var planned job.Planned
	first := s.run(fmt.Sprintf(planEvent, 3))
	s.check(json.Unmarshal([]byte(first[0].Body), &planned))
	if planned.ID != "copy" || planned.Bucket != "bucket" || planned.Items < 1 || planned.BytesPerSecond != 0 {
		t.Fatalf("planned %s", first[0].Body)
	}
	var events []string
	items := s.items(planned)
	if len(items) != planned.Items {
		t.Fatalf("%d items of %d", len(items), planned.Items)
	}
	for _, item := range items {
		events = append(events, fmt.Sprintf(`{"step":"work","id":"copy","item":%s,"bytes_per_second":0,"spent":{"seconds":5,"invocations":1}}`, item))
	}
	finish := `{"step":"finish","job":{"id":"copy"},"execution":"arn:x:copy-1","begun":"2026-01-31T12:00:00.123Z"}`
	answers := s.run(append(append(events, events...), finish)...)
	for i, a := range answers[:len(answers)-1] {
		var answer job.Answer
		s.check(json.Unmarshal([]byte(a.Body), &answer))
		if a.Failed || !answer.Done || answer.Spent.Seconds < 5 {
			t.Errorf("work %d: %+v", i, a)
		}
	}
	var report job.Report
	s.check(json.Unmarshal([]byte(answers[len(answers)-1].Body), &report))
	if !report.Complete || report.Records != 40 || report.Done != planned.Items || report.Execution != "arn:x:copy-1" {
		t.Errorf("report %+v", report)
	}
	// One put for the item at least, one get for each of two objects, and reads of the tables.
	if c := report.Cost; c.Puts < 1 || c.Gets < 2 || c.ReadUnits < 1 || c.Invocations < 3 || c.FunctionSeconds < 5 || c.Dollars <= 0 {
		t.Errorf("cost %+v", c)
	}
	s.compareCopy(40)
}

// compareCopy reads what is in the target.
func (s *stack) compareCopy(want int) {
	s.Helper()
	ends, err := kadm.NewClient(s.client()).ListCommittedOffsets(s.Context(), "copy")
	s.check(err)
	if _, found := ends.Lookup("copy", 0); !found {
		s.Fatal("the target has no topic of that name")
	}
	reader := s.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"copy": {0: kgo.NewOffset().AtStart()}}), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	var got bytes.Buffer
	read := 0
	for read < want {
		fetches := reader.PollFetches(s.Context())
		s.check(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) { fmt.Fprintf(&got, "%s ", r.Value); read++ })
	}
	var all bytes.Buffer
	for n := range want {
		fmt.Fprintf(&all, "%d ", n)
	}
	if got.String() != all.String() {
		s.Errorf("the copy has %s", got.String())
	}
}

// TestMainRefusesWorkersThatDoNotFit: what archiving needs is what the configuration says,
// and what there is is what the account has not reserved.
func TestMainRefusesWorkersThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := newStack(t, 2)
	answers := s.run(fmt.Sprintf(planEvent, 11), `{"step":"finish","job":{"id":"copy"},"execution":"arn:x:copy-1","begun":"2026-01-31T12:00:00.123Z"}`, fmt.Sprintf(planEvent, 10))
	if a := answers[0]; !a.Failed || !strings.Contains(a.Body, "the account runs 20 functions") || !strings.Contains(a.Body, "archiving needs 10") {
		t.Errorf("11 workers: %+v", a)
	}
	if a := answers[1]; !a.Failed {
		t.Errorf("a finish of a job that was refused: %+v", a)
	}
	if a := answers[2]; a.Failed {
		t.Errorf("10 workers: %+v", a)
	}
}
