//go:build !real

// What each command asks of AWS, by the requests that it sends.

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// A recorder hands requests to the services in the process and notes which actions of IAM
// they need.
type recorder struct {
	t        *testing.T
	services http.Handler
	mutex    sync.Mutex
	actions  map[string]bool
}

// ServeHTTP implements http.Handler.
func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	service, operation, _ := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
	switch service {
	case "":
		r.noteBucket(request)
	case "AWSStepFunctions":
		r.note("states:" + operation)
	default:
		r.noteTables(request, operation)
	}
	r.services.ServeHTTP(w, request)
}

func (r *recorder) note(action string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.actions[action] = true
}

// take returns what was noted since it was called last.
func (r *recorder) take() []string {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var all []string
	for action := range r.actions {
		all = append(all, action)
	}
	r.actions = map[string]bool{}
	slices.Sort(all)
	return all
}

// noteTables notes the action of a request to DynamoDB; a transaction needs those of its parts
// (Developer Guide, "Using IAM with DynamoDB transactions").
func (r *recorder) noteTables(request *http.Request, operation string) {
	if operation != "TransactWriteItems" {
		r.note("dynamodb:" + operation)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		r.t.Error(err)
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	var items struct{ TransactItems []map[string]any }
	if err := json.Unmarshal(body, &items); err != nil {
		r.t.Error(err)
	}
	names := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem",
		"ConditionCheck": "ConditionCheckItem"}
	for _, item := range items.TransactItems {
		for part := range item {
			r.note("dynamodb:" + names[part])
		}
	}
}

// bucketSettings are what the action of reading or writing a setting of a bucket ends in, by
// the word of the query that names it (Amazon S3 API Reference, "Permissions" of each call).
var bucketSettings = map[string]string{
	"versioning": "BucketVersioning", "encryption": "EncryptionConfiguration", "policy": "BucketPolicy",
	"publicAccessBlock": "BucketPublicAccessBlock", "lifecycle": "LifecycleConfiguration",
}

// bucketAction is the action of a request to a bucket, not to an object.
func bucketAction(method string, query url.Values) string {
	for word, setting := range bucketSettings {
		switch {
		case query.Has(word) && method == http.MethodPut:
			return "s3:Put" + setting
		case query.Has(word):
			return "s3:Get" + setting
		}
	}
	switch {
	case query.Has("uploads"):
		return "s3:ListBucketMultipartUploads"
	case query.Has("versions"):
		return "s3:ListBucketVersions"
	case method == http.MethodPut:
		return "s3:CreateBucket"
	}
	return "s3:ListBucket"
}

func (r *recorder) noteBucket(request *http.Request) {
	_, key, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, "/"), "/")
	query := request.URL.Query()
	switch {
	case key == "":
		r.note(bucketAction(request.Method, query))
	case request.Method == http.MethodDelete && query.Has("uploadId"):
		r.note("s3:AbortMultipartUpload")
	case request.Method == http.MethodDelete && query.Has("versionId"):
		r.note("s3:DeleteObjectVersion")
	case request.Method == http.MethodDelete:
		r.note("s3:DeleteObject")
	case query.Has("versionId"):
		r.note("s3:GetObjectVersion")
	case request.Method == http.MethodGet, request.Method == http.MethodHead:
		r.note("s3:GetObject")
	default:
		r.note("s3:PutObject")
	}
}

var actionName = regexp.MustCompile("`((?:s3|dynamodb|states):[A-Za-z]+)`")

// documentedActions reads the table of docs/security.md: the actions of each command, and those
// that reading needs, which stand in all rows.
func documentedActions(t *testing.T) map[string][]string {
	t.Helper()
	rows := map[string][]string{}
	for command, cells := range commandTable(t, "### What each command needs", 1) {
		var actions []string
		for _, match := range actionName.FindAllStringSubmatch(cells[0], -1) {
			actions = append(actions, match[1])
		}
		rows[command] = actions
	}
	return rows
}

// The policy for readers allows what reading needs, by the page, and nothing else: of the tables and of
// the index of what is planned, whose name is none of the table's.
func TestReadersPolicyIsThePages(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../infra/reader.json")
	must(t, err)
	var policy struct {
		Statement []struct{ Action, Resource []string }
	}
	must(t, json.Unmarshal(content, &policy))
	tables := []string{"table/TABLE-progress", "table/TABLE-objects", "table/TABLE-objects/index/*"}
	for i := range tables {
		tables[i] = "arn:aws:dynamodb:*:*:" + tables[i]
	}
	if got := policy.Statement[0].Resource; !slices.Equal(got, tables) {
		t.Errorf("readers have the tables %v, want %v", got, tables)
	}
	var allowed, needed []string
	for _, statement := range policy.Statement {
		allowed = append(allowed, statement.Action...)
	}
	documented := documentedActions(t)
	for _, command := range []string{"status", "topics", "ls", "cat", "get", "export", "clusters", "report", "verify",
		"verify --record"} {
		needed = append(needed, documented[command]...)
	}
	slices.Sort(allowed)
	if needed = slices.Compact(slices.Sorted(slices.Values(needed))); !slices.Equal(allowed, needed) {
		t.Errorf("the policy allows %v, readers need %v", allowed, needed)
	}
}

// putRunningJob puts a job into the bucket, and lets its execution run.
func (f *fakes) putRunningJob(s *sandbox, id string) {
	for name, content := range map[string]string{
		"job.json":        `{"id":"` + id + `","kind":"replay","topics":["a:b"]}`,
		"runs/first.json": `{"execution":"arn:of:` + id + `-1","at":"2026-01-31T12:00:00Z"}`,
	} {
		f.bucket.Put(s.bucket, "test/~jobs/"+id+"/"+name, []byte(content))
	}
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.states["arn:of:"+id+"-1"] = "RUNNING"
}

// Each command needs the actions that docs/security.md lists for it, and no other.
func TestCommandsNeedWhatThePageSays(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	r := &recorder{t: t, services: f, actions: map[string]bool{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	f.url = server.URL
	s := f.sandbox(t)
	must(t, s.keepVersions(t.Context()))
	orders, erased, cut := s.topics+"-orders", s.topics+"-erased", s.topics+"-cut"
	for _, topic := range []string{orders, erased, cut} {
		must(t, s.topic(t.Context(), topic, 1))
		must(t, s.produce(t.Context(), numbered(topic, 0, 0, 50)...))
	}
	s.position(t, "readers", orders, 0, 20)
	object := func(topic string) string { return "test/" + topic + "/partition=0/00000000000000000000.baldr.gz" }
	machine := []string{"--job-machine", "arn:aws:states:eu-west-1:111122223333:stateMachine:bifrost-job"}
	to := func() []string { return []string{"--to-brokers", newCluster(t)} }
	restored := to()
	nothing := func() error { return nil }
	documented, tried := documentedActions(t), map[string]bool{}
	for _, c := range []struct {
		row    string
		before func() error
		args   []string
	}{
		{"init", nothing, []string{"init", "--bucket", s.bucket + "x", "--progress-table", "px", "--objects-table", "ox"}},
		{"plan", nothing, []string{"plan"}},
		{"flush", nothing, []string{"flush"}},
		{"status", nothing, []string{"status"}},
		{"topics", nothing, []string{"topics"}},
		{"ls", nothing, []string{"ls", orders}},
		{"ls --key", nothing, []string{"ls", orders, "--key", "k7"}},
		{"cat", nothing, []string{"cat", orders}},
		{"get", nothing, []string{"get", orders, "0", "7"}},
		{"verify", nothing, []string{"verify", "--deep", "--kafka"}},
		{"export", nothing, []string{"export", orders, "--to", t.TempDir() + "/lake"}},
		{"replay", nothing, append([]string{"replay", orders + ":" + s.topics + "x", "--create"}, to()...)},
		{"capture", nothing, []string{"capture"}},
		{"verify --record", nothing, []string{"verify", "--record"}},
		{"report", nothing, []string{"report", "--output", t.TempDir() + "/report.html"}},
		{"clusters", nothing, []string{"clusters", "list"}},
		{"restore", nothing, append([]string{"restore", "--at", "latest", "--topics", orders, "--groups", "--yes"}, restored...)},
		{"map", nothing, append([]string{"map", orders, "0", "20"}, restored...)},
		{"drill", nothing, append([]string{"drill", "--at", "latest", "--topics", orders, "--yes"}, to()...)},
		{"replay --as-job", nothing,
			slices.Concat([]string{"replay", orders + ":copy", "--as-job", "--id", "two"}, machine, to())},
		{"jobs", func() error { f.putRunningJob(s, "one"); return nil }, append([]string{"jobs"}, machine...)},
		{"jobs show", nothing, append([]string{"jobs", "show", "one"}, machine...)},
		{"jobs stop", nothing, append([]string{"jobs", "stop", "one"}, machine...)},
		{"jobs continue", nothing, append([]string{"jobs", "continue", "one"}, machine...)},
		{"accept erased", func() error { return s.eraseObject(t.Context(), object(erased)) },
			[]string{"accept", "erased", erased, "0", "0", "--yes"}},
		{"accept diverged", func() error { return s.diverge(t.Context(), cut) },
			[]string{"accept", "diverged", cut, "0", "50", "--yes"}},
		{"rebuild", nothing, []string{"rebuild", "--anew", orders}},
		{"verify --fix", func() error {
			return errors.Join(s.setAttribute(t.Context(), "objects", orders+"/0", "0", "records", "49"),
				s.deleteObject(t.Context(), object(cut)))
		}, []string{"verify", "--fix", "--yes"}},
	} {
		must(t, c.before())
		r.take()
		s.inside(t, c.args...)
		tried[c.row] = true
		if got, want := r.take(), documented[c.row]; !slices.Equal(got, want) {
			t.Errorf("%s needs %s\nand the page says %s", c.row, strings.Join(got, ", "), strings.Join(want, ", "))
		}
	}
	if len(tried) != len(documented) {
		t.Errorf("%d commands were tried, the page has %d", len(tried), len(documented))
	}
}

// commandTable reads the table below a heading of docs/security.md: the cells behind each
// command. Rows with fewer than that many are none of it.
func commandTable(t testing.TB, heading string, least int) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/security.md")
	must(t, err)
	_, section, found := strings.Cut(string(page), heading+"\n")
	if !found {
		t.Fatalf("docs/security.md has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n### ")
	rows := map[string][]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) < least+3 || !strings.Contains(cells[1], "`") {
			continue
		}
		for _, command := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			rows[command[1]] = cells[2 : len(cells)-1]
		}
	}
	return rows
}
