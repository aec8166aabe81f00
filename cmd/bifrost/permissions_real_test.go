//go:build real

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// recorder passes requests on to AWS's stand-ins and notes which actions of IAM they need.
type recorder struct {
	mutex   sync.Mutex
	actions map[string]bool
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

// through is the address of a proxy to the endpoint. The header Host stays: it is signed.
func (r *recorder) through(t *testing.T, to localservices.Endpoint, note func(*http.Request)) string {
	target, err := url.Parse(to.URL)
	must(t, err)
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(p *httputil.ProxyRequest) { p.SetURL(target); p.Out.Host = p.In.Host },
		Transport: to.HTTPClient().Transport,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		note(request)
		proxy.ServeHTTP(w, request)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// noteTables notes the action of a request to DynamoDB; a transaction needs those of its parts
// (Developer Guide, "Using IAM with DynamoDB transactions").
func (r *recorder) noteTables(t *testing.T) func(*http.Request) {
	return func(request *http.Request) {
		_, operation, _ := strings.Cut(request.Header.Get("X-Amz-Target"), ".")
		if operation != "TransactWriteItems" {
			r.note("dynamodb:" + operation)
			return
		}
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		var items struct{ TransactItems []map[string]any }
		if err := json.Unmarshal(body, &items); err != nil {
			t.Error(err)
		}
		names := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem",
			"ConditionCheck": "ConditionCheckItem"}
		for _, item := range items.TransactItems {
			for part := range item {
				r.note("dynamodb:" + names[part])
			}
		}
	}
}

// bucketActions are the actions of requests to a bucket by a word of their query.
var bucketActions = map[string]string{
	"uploads": "s3:ListBucketMultipartUploads", "versions": "s3:ListBucketVersions", "versioning": "s3:GetBucketVersioning",
	"encryption": "s3:GetEncryptionConfiguration", "publicAccessBlock": "s3:GetBucketPublicAccessBlock",
	"lifecycle": "s3:GetLifecycleConfiguration",
}

func (r *recorder) noteBucket(request *http.Request) {
	_, key, _ := strings.Cut(strings.TrimPrefix(request.URL.Path, "/"), "/")
	query := request.URL.Query()
	switch {
	case key == "":
		action := "s3:ListBucket"
		for word, other := range bucketActions {
			if query.Has(word) {
				action = other
			}
		}
		r.note(action)
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

var actionName = regexp.MustCompile("`((?:s3|dynamodb):[A-Za-z]+)`")

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

// The policy for readers allows what reading needs, by the page, and nothing else.
func TestReadersPolicyIsThePages(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../infra/reader.json")
	must(t, err)
	var policy struct{ Statement []struct{ Action []string } }
	must(t, json.Unmarshal(content, &policy))
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

// Each command needs the actions that docs/security.md lists for it, and no other.
func TestCommandsNeedWhatThePageSays(t *testing.T) {
	t.Parallel()
	brokers, db, store := localservices.Kafka(t), localservices.DynamoDB(t), localservices.S3(t)
	s, err := newSandbox(t.Context(), brokers, db, store)
	must(t, err)
	must(t, s.keepVersions(t.Context()))
	must(t, s.topic(t.Context(), s.topics+"-orders", 1))
	must(t, s.produce(t.Context(), numbered(s.topics+"-orders", 0, 0, 50)...))
	r := &recorder{actions: map[string]bool{}}
	s.env = append(s.env, "AWS_ENDPOINT_URL="+r.through(t, store, r.noteBucket),
		"AWS_ENDPOINT_URL_DYNAMODB="+r.through(t, db, r.noteTables(t)))
	documented, orders := documentedActions(t), s.topics+"-orders"
	for _, c := range []struct {
		row  string
		args []string
	}{
		{"plan", []string{"plan"}},
		{"flush", []string{"flush"}},
		{"status", []string{"status"}},
		{"topics", []string{"topics"}},
		{"ls", []string{"ls", orders}},
		{"cat", []string{"cat", orders}},
		{"get", []string{"get", orders, "0", "7"}},
		{"verify", []string{"verify", "--deep", "--kafka"}},
		{"export", []string{"export", orders, "--to", t.TempDir() + "/lake"}},
		{"replay", []string{"replay", orders + ":" + s.topics + "x", "--create"}},
		{"capture", []string{"capture"}},
		{"verify --record", []string{"verify", "--record"}},
		{"report", []string{"report", "--output", t.TempDir() + "/report.html"}},
		{"clusters", []string{"clusters", "list"}},
		{"rebuild", []string{"rebuild", "--anew", orders}},
	} {
		s.bifrost(t, c.args...)
		if got := r.take(); !slices.Equal(got, documented[c.row]) {
			t.Errorf("%s needs %s, and the page says %s", c.row, strings.Join(got, ", "),
				strings.Join(documented[c.row], ", "))
		}
	}
	must(t, s.setAttribute(t.Context(), "objects", orders+"/0", "0", "records", "49"))
	s.bifrost(t, "verify", "--fix", "--yes")
	rows := r.take()
	must(t, s.deleteObject(t.Context(), "test/"+orders+"/partition=0/00000000000000000000.baldr.gz"))
	s.bifrost(t, "verify", "--fix", "--yes")
	both := slices.Compact(slices.Sorted(slices.Values(append(rows, r.take()...))))
	if !slices.Equal(both, documented["verify --fix"]) {
		t.Errorf("verify --fix needs %s, and the page says %s", strings.Join(both, ", "),
			strings.Join(documented["verify --fix"], ", "))
	}
}
