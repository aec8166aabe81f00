package main

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/runtimefake"
)

// emptyTables are DynamoDB without a row but that of the mark and those that are
// planned, or one that refuses,
// with an S3 beside it that has nothing, and how many connections were made to both.
func emptyTables(t *testing.T, refuses *atomic.Bool, planned ...string) (url string, connections *atomic.Int64) {
	t.Helper()
	connections = new(atomic.Int64)
	var mark atomic.Value // the one item that was put
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target := r.Header.Get("X-Amz-Target")
		if target == "" {
			emptyBucket(w, r)
			return
		}
		status, answer := http.StatusOK, `{"Items":[]}`
		switch _, operation, _ := strings.Cut(target, "."); {
		case refuses.Load():
			status, answer = http.StatusBadRequest, `{"__type":"x#ResourceNotFoundException","message":"no such table"}`
		case operation == "Query":
			answer = `{"Items":[` + strings.Join(planned, ",") + `]}`
		case operation == "PutItem":
			var put struct{ Item json.RawMessage }
			if err := json.NewDecoder(r.Body).Decode(&put); err != nil {
				t.Error(err)
			}
			if strings.Contains(string(put.Item), "@tables") {
				mark.Store(put.Item)
			}
			answer = `{}`
		case operation == "GetItem":
			asked, _ := io.ReadAll(r.Body)
			answer = `{}`
			if item, ok := mark.Load().(json.RawMessage); ok && strings.Contains(string(asked), "@tables") {
				answer = `{"Item":` + string(item) + `}`
			}
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(answer)))) // without it the SDK drops connections
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, connections
}

// emptyBucket is S3 with a bucket that holds nothing.
func emptyBucket(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/xml")
	if r.URL.Query().Has("list-type") {
		_, _ = io.WriteString(w, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)
		return
	}
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, `<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>`)
}

func environment(t *testing.T, tables string) []string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return []string{
		"BIFROST_BROKERS=" + cluster.ListenAddrs()[0], "BIFROST_GROUP=archive", "BIFROST_BUCKET=bucket", "BIFROST_STACK=the-stack",
		"BIFROST_PROGRESS_TABLE=progress", "BIFROST_OBJECTS_TABLE=objects", "BIFROST_ARCHIVE_FUNCTION=archive",
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=secret", "AWS_ENDPOINT_URL=" + tables,
	}
}

// metricLines are the documents among the lines that a function wrote.
func metricLines(t *testing.T, written string) (all []map[string]any) {
	t.Helper()
	for line := range strings.Lines(written) {
		var document map[string]any
		if strings.Contains(line, "_aws") {
			if err := json.Unmarshal([]byte(line), &document); err != nil {
				t.Errorf("%v in %s", err, line)
			}
			all = append(all, document)
		}
	}
	return all
}

// A warm function answers each tick with its summary, writes its metrics, and keeps
// its clients from one invocation to the next.
func TestMainAnswersTicks(t *testing.T) {
	t.Parallel()
	tables, connections := emptyTables(t, new(atomic.Bool))
	answers, written := runtimefake.Run(t, environment(t, tables), func(int) {}, `{}`, `{}`, `{}`, `{}`, `{}`, `{}`)
	if len(answers) != 6 {
		t.Fatalf("answers %+v", answers)
	}
	ids := map[string]bool{}
	for _, a := range answers {
		var summary bifrost.TickSummary
		if err := json.Unmarshal([]byte(a.Body), &summary); err != nil || a.Failed || summary.ID == "" {
			t.Errorf("answer %+v, error %v", a, err)
		}
		ids[summary.ID] = true
	}
	if len(ids) != 6 {
		t.Errorf("ticks %v, want each with an ID of its own", ids)
	}
	lines := metricLines(t, written)
	for _, line := range lines {
		if line["Stack"] != "the-stack" || line["TickDuration"] == nil || line["Failures"] != 0.0 {
			t.Errorf("metrics %v", line)
		}
	}
	if len(lines) != 6 {
		t.Errorf("%d lines of metrics, want one a tick:\n%s", len(lines), written)
	}
	// A tick reads four segments and sixteen shards side by side, and then asks S3.
	if n := connections.Load(); n > 25 {
		t.Errorf("%d connections in six invocations: they are not kept", n)
	}
}

// Every line that a tick writes has the request ID that Lambda's own lines have: what
// it says on the way, too.
func TestLinesOfATickHaveItsRequest(t *testing.T) {
	t.Parallel()
	tables, _ := emptyTables(t, new(atomic.Bool), `{"partition_key":{"S":"orders/0"},"start_offset":{"N":"0"},"end_offset":{"N":"5"},
		"state":{"S":"PLANNED"},"topic_id":{"S":"VAAAAAAAAAAAAAAAAAAAAQ"},"cluster_id":{"S":"kfake"}}`)
	_, written := runtimefake.Run(t, environment(t, tables), func(int) {}, `{}`, `{}`)
	said := map[string]int{}
	for line := range strings.Lines(written) {
		var document map[string]any
		if err := json.Unmarshal([]byte(line), &document); err != nil || document["msg"] == nil {
			continue
		}
		said[document["msg"].(string)]++
		if id, _ := document[bifrost.LogRequestID].(string); !strings.HasPrefix(id, "request-") {
			t.Errorf("no request ID in %s", line)
		}
	}
	if said["tick"] != 2 || said["a partition has planned ranges and no progress row; it is made anew"] == 0 {
		t.Errorf("said %v, in\n%s", said, written)
	}
}

// A tick that fails is an error of the function, which Lambda counts and an alarm
// watches. It writes no metrics, or NoTicks would stay silent, and the next one is
// tried as if nothing had been.
func TestMainAnswersATickThatFails(t *testing.T) {
	t.Parallel()
	var refuses atomic.Bool
	tables, _ := emptyTables(t, &refuses)
	answers, written := runtimefake.Run(t, environment(t, tables), func(event int) { refuses.Store(event == 0) }, `{}`, `{"topic":"orders"}`, `{}`)
	if len(answers) != 3 {
		t.Fatalf("answers %+v", answers)
	}
	if a := answers[0]; !a.Failed || !strings.Contains(a.Body, "BIFROST_PROGRESS_TABLE") {
		t.Errorf("answer %+v, want an error that says what to set", a)
	}
	if a := answers[1]; !a.Failed {
		t.Errorf("an event that is no tick: answer %+v", a)
	}
	if a := answers[2]; a.Failed {
		t.Errorf("the tick after: answer %+v", a)
	}
	if lines := metricLines(t, written); len(lines) != 1 {
		t.Errorf("%d lines of metrics, want that of the one tick: %s", len(lines), fmt.Sprint(lines))
	}
}

// What a tick reports has what came of the capture of the cluster: the alarm that nothing is
// captured rests on that metric, and whoever looks for the reason on the line of the log.
func TestATickReportsItsCapture(t *testing.T) {
	t.Parallel()
	for minutes, captures := range map[string]bool{"60": true, "0": false} {
		tables, _ := emptyTables(t, new(atomic.Bool))
		answers, written := runtimefake.Run(t, append(environment(t, tables), "BIFROST_CAPTURE_MINUTES="+minutes), func(int) {}, `{}`)
		var answer, logged struct{ Tick, Capture *json.RawMessage }
		if len(answers) != 1 || json.Unmarshal([]byte(answers[0].Body), &answer) != nil || (answer.Capture != nil) != captures {
			t.Errorf("%s minutes: answers %+v, want one with a capture: %v", minutes, answers, captures)
		}
		metrics := metricLines(t, written)
		if len(metrics) != 1 || (metrics[0]["Captured"] != nil) != captures {
			t.Errorf("%s minutes: metrics %v, want Captured: %v", minutes, metrics, captures)
		}
		for line := range strings.Lines(written) {
			if strings.Contains(line, `"msg":"tick"`) && json.Unmarshal([]byte(line), &logged) != nil {
				t.Errorf("no JSON: %s", line)
			}
		}
		if logged.Tick == nil || json.Unmarshal(*logged.Tick, &logged) != nil || (logged.Capture != nil) != captures {
			t.Errorf("%s minutes: no capture on the line of the tick, or one too many:\n%s", minutes, written)
		}
	}
}
