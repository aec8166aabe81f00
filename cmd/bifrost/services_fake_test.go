//go:build !real

package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/dynamofake"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/s3fake"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// services are what sandboxes use: in "go test ./..." services in the process.
func services(t testing.TB) (brokers string, db, store localservices.Endpoint) {
	f := newFakes(t)
	return f.brokers, f.endpoint(), f.endpoint()
}

// fakes are Kafka and AWS in the process. Pages are tiny.
type fakes struct {
	brokers, url string
	tables       *dynamofake.Server
	bucket       *s3fake.Server

	mutex  sync.Mutex
	asked  []machineRequest  // of the state machine
	states map[string]string // of executions, by ARN; FAILED if it is not here
}

// machineRequest is a request to Step Functions.
type machineRequest struct {
	operation                                         string
	StateMachineArn, Name, Input, ExecutionArn, Cause string
}

func newFakes(t testing.TB) *fakes {
	t.Helper()
	f := &fakes{brokers: newCluster(t), tables: dynamofake.New(), bucket: s3fake.New(), states: map[string]string{}}
	f.tables.PageSize, f.bucket.PageSize = 3, 3
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func newCluster(t testing.TB, options ...kfake.Opt) (brokers string) {
	t.Helper()
	cluster, err := kfake.NewCluster(append(options, kfake.NumBrokers(3))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()[0]
}

func (f *fakes) endpoint() localservices.Endpoint {
	return localservices.Endpoint{URL: f.url, Region: "eu-west-1", AccessKeyID: "id", SecretAccessKey: "secret"}
}

// ServeHTTP implements http.Handler.
func (f *fakes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch service {
	case "":
		f.bucket.ServeHTTP(w, r)
	case "AWSStepFunctions":
		f.serveMachine(w, r, operation)
	default:
		f.tables.ServeHTTP(w, r)
	}
}

func (f *fakes) serveMachine(w http.ResponseWriter, r *http.Request, operation string) {
	request := machineRequest{operation: operation}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	answer := map[string]any{}
	switch operation {
	case "StartExecution":
		answer = map[string]any{"executionArn": "arn:of:" + request.Name, "startDate": 1.7e9}
	case "DescribeExecution":
		state := f.states[request.ExecutionArn]
		if state == "" {
			state = "FAILED"
		}
		answer = map[string]any{"executionArn": request.ExecutionArn, "status": state, "startDate": 1.7e9}
		if state == "FAILED" {
			answer["error"], answer["cause"], answer["stopDate"] = "States.Timeout", "it took too long", 1.7e9+60
		}
	case "StopExecution":
		f.states[request.ExecutionArn] = "ABORTED"
		answer = map[string]any{"stopDate": 1.7e9}
	}
	f.asked = append(f.asked, request)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_ = json.NewEncoder(w).Encode(answer) // whoever asked may have gone
}

// askedFor are the requests of one operation to the state machine.
func (f *fakes) askedFor(operation string) []machineRequest {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return slices.DeleteFunc(slices.Clone(f.asked), func(r machineRequest) bool { return r.operation != operation })
}

// sandbox is an archive of a test on these services.
func (f *fakes) sandbox(t testing.TB) *sandbox {
	t.Helper()
	s, err := newSandbox(t.Context(), f.brokers, f.endpoint(), f.endpoint())
	must(t, err)
	return s
}

// The credentials are for tests that run a command in this process.
func init() {
	if !strings.Contains(filepath.Base(os.Args[0]), ".test") {
		return // this is the binary that scripts run
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		os.Setenv(name, value)
	}
}

// flagsOf are the flags that stand for variables.
var flagsOf = map[string]string{
	"BIFROST_BROKERS": "--brokers", "BIFROST_GROUP": "--group", "BIFROST_BUCKET": "--bucket", "BIFROST_PROGRESS_TABLE": "--progress-table",
	"BIFROST_OBJECTS_TABLE": "--objects-table", "AWS_ENDPOINT_URL": "--endpoint-url", "AWS_REGION": "--region",
}

// inside runs a command in this process.
func (s *sandbox) inside(t testing.TB, args ...string) ran {
	t.Helper()
	var out, talk strings.Builder
	a := app.New(strings.NewReader(""), &out, &talk)
	var given []string
	for _, variable := range s.env {
		name, value, _ := strings.Cut(variable, "=")
		switch flag := flagsOf[name]; {
		case flag != "":
			given = append(given, flag, value)
		case strings.HasPrefix(name, "BIFROST_"):
			a.SetVariable(name, value)
		}
	}
	code := executeCommand(t.Context(), a, append(given, args...))
	t.Logf("bifrost %s: %d\n%s%s", strings.Join(args, " "), code, talk.String(), out.String())
	return ran{code, out.String(), talk.String()}
}
