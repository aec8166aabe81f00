package main

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/runtimefake"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/s3fake"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// services are DynamoDB and S3 for a range whose row is gone, or whose table is.
type services struct {
	bucket      *s3fake.Server
	url         string
	noTable     atomic.Bool
	connections atomic.Int64

	mutex      sync.Mutex
	operations []string // of DynamoDB
}

func newServices(t *testing.T) *services {
	t.Helper()
	s := &services{bucket: s3fake.New()}
	server := httptest.NewUnstartedServer(s)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			s.connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	s.url = server.URL
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+"/bucket", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return s
}

// ServeHTTP implements http.Handler.
func (s *services) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, operation, dynamo := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if !dynamo {
		s.bucket.ServeHTTP(w, r)
		return
	}
	s.mutex.Lock()
	s.operations = append(s.operations, operation)
	s.mutex.Unlock()
	status, answer := http.StatusOK, `{}`
	if s.noTable.Load() {
		status, answer = http.StatusBadRequest, `{"__type":"x#ResourceNotFoundException","message":"no such table"}`
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(answer)))) // without it the SDK drops connections
	w.WriteHeader(status)
	_, _ = io.WriteString(w, answer)
}

func (s *services) environment(t *testing.T) []string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return []string{
		"BIFROST_BROKERS=" + cluster.ListenAddrs()[0], "BIFROST_GROUP=archive", "BIFROST_BUCKET=bucket", "BIFROST_STACK=the-stack",
		"BIFROST_PROGRESS_TABLE=progress", "BIFROST_OBJECTS_TABLE=objects",
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret", "AWS_ENDPOINT_URL=" + s.url,
	}
}

func failedRanges(t *testing.T, written string) (all []any) {
	t.Helper()
	for line := range strings.Lines(written) {
		var document map[string]any
		if !strings.Contains(line, "_aws") {
			continue
		}
		if err := json.Unmarshal([]byte(line), &document); err != nil || document["Stack"] != "the-stack" {
			t.Errorf("%v in %s", err, line)
		}
		all = append(all, document["FailedRanges"])
	}
	return all
}

// A warm function answers each event with its ranges, writes a line of metrics
// each time, and keeps its clients from one invocation to the next.
func TestMainAnswersRanges(t *testing.T) {
	t.Parallel()
	s := newServices(t)
	const invocations = 48
	answers, written := runtimefake.Run(t, s.environment(t), func(int) {}, slices.Repeat([]string{event}, invocations)...)
	if len(answers) != invocations {
		t.Fatalf("answers %+v", answers)
	}
	for _, a := range answers {
		var results []bifrost.RangeResult
		if err := json.Unmarshal([]byte(a.Body), &results); err != nil || a.Failed || len(results) != 1 || results[0].Outcome != bifrost.OutcomeGone {
			t.Errorf("answer %+v, error %v", a, err)
		}
	}
	if failed := failedRanges(t, written); len(failed) != invocations || failed[0] != 0.0 {
		t.Errorf("failed ranges by the metrics: %v, want none each time", failed)
	}
	if n := s.connections.Load(); n >= invocations { // one to each service, one of the test's own, and those that a busy machine dials in vain
		t.Errorf("%d connections in %d invocations: they are not kept", n, invocations)
	}
	if n := s.bucket.OpenUploads("bucket"); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
	// Lambda gave it a minute, which is too little for another range.
	if slices.Contains(s.operations, "Query") {
		t.Errorf("it looked for more ranges: %v", s.operations)
	}
	for line := range strings.Lines(written) {
		if strings.Contains(line, `"msg":`) && !strings.Contains(line, `"request_id":"request-`) {
			t.Errorf("no request ID in %s", line)
		}
	}
	if !strings.Contains(written, `"msg":"range"`) {
		t.Errorf("no line of a range in\n%s", written)
	}
}

// A range that fails is an error of the function and one in the metrics. It is
// given back, and its upload too.
func TestMainAnswersARangeThatFails(t *testing.T) {
	t.Parallel()
	s := newServices(t)
	s.noTable.Store(true)
	answers, written := runtimefake.Run(t, s.environment(t), func(int) {}, event, `{}`)
	if len(answers) != 2 || !answers[0].Failed || !answers[1].Failed {
		t.Fatalf("answers %+v", answers)
	}
	for _, word := range []string{"orders", "[0, 10)", "BIFROST_OBJECTS_TABLE"} {
		if !strings.Contains(answers[0].Body, word) {
			t.Errorf("answer %s does not say %s", answers[0].Body, word)
		}
	}
	if failed := failedRanges(t, written); len(failed) != 1 || failed[0] != 1.0 {
		t.Errorf("failed ranges by the metrics: %v, want one", failed)
	}
	if !strings.Contains(strings.Join(s.operations, " "), "GetItem UpdateItem") {
		t.Errorf("asked DynamoDB for %v, want the row, and then the release", s.operations)
	}
	if n := s.bucket.OpenUploads("bucket"); n != 0 {
		t.Errorf("%d uploads are left", n)
	}
}

// A function goes on to what else waits for as long as Lambda gives it time.
func TestTheTimeOfTheFunctionIsUsed(t *testing.T) {
	t.Parallel()
	for limit, goesOn := range map[time.Duration]bool{15 * time.Minute: true, time.Minute: false} {
		s := newServices(t)
		values := map[string]string{}
		for _, variable := range s.environment(t) {
			name, value, _ := strings.Cut(variable, "=")
			values[name] = value
		}
		c, err := config.Load(config.Archiver, func(name string) (string, bool) { v, ok := values[name]; return v, ok })
		if err != nil {
			t.Fatal(err)
		}
		parts, err := wiring.Open(t.Context(), c, awsconfig.WithRegion("eu-west-1"), awsconfig.WithBaseEndpoint(s.url),
			awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("id", "secret", "")))
		if err != nil {
			t.Fatal(err)
		}
		defer parts.Close()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		if _, err := handle(ctx, func() (*wiring.Parts, error) { return parts, nil }, json.RawMessage(event)); err != nil {
			t.Fatal(err)
		}
		if looked := slices.Contains(s.operations, "Query"); looked != goesOn {
			t.Errorf("with %v it looks for another range: %v, want %v", limit, looked, goesOn)
		}
	}
}
