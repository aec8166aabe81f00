// Package runtimefake speaks Lambda's runtime API in a test, so that the main of a
// function runs as it does when it is deployed: a process that asks for events,
// answers them, and stays for the next (AWS Lambda Developer Guide, "Using the
// Lambda runtime API for custom runtimes").
package runtimefake

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// MainVariable is set for a test binary that is to run main and no test.
const MainVariable = "BIFROST_TEST_MAIN"

// MutantVariable names the planted mistake that is on in a test binary, if any. A function has
// it from the binary that starts it.
const MutantVariable = "BIFROST_TEST_MUTANT"

// An Answer is what became of one event.
type Answer struct {
	Body   string
	Failed bool // the function answered an error
}

// Run starts this test binary as a function, with the environment, gives it the
// events one after the other, and returns its answers and all that it wrote, to
// either output. Before each event, counted from 0, it calls before. The binary
// has to call main when MainVariable is set.
func Run(
	t *testing.T, environment []string, before func(event int), events ...string,
) (answers []Answer, written string) {
	t.Helper()
	api := &runtimeAPI{events: events, before: before, done: make(chan struct{})}
	server := httptest.NewServer(api)
	defer server.Close()
	defer server.CloseClientConnections() // it asks for one event more
	var out strings.Builder
	function := exec.CommandContext(t.Context(), os.Args[0])
	function.Env = append([]string{
		MainVariable + "=1",
		MutantVariable + "=" + os.Getenv(MutantVariable),
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://"),
		"AWS_LAMBDA_FUNCTION_NAME=function",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512",
		"HOME=" + t.TempDir(),
	}, environment...)
	function.Stdout, function.Stderr = &out, &out // the same writer: nothing is written at once
	if err := function.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- function.Wait() }()
	select {
	case <-api.done:
		_ = function.Process.Kill()
		<-ended
	case err := <-ended:
		t.Errorf("the function ended by itself: %v; it wrote\n%s", err, &out)
	}
	api.mutex.Lock()
	defer api.mutex.Unlock()
	return api.answers, out.String()
}

type runtimeAPI struct {
	mutex   sync.Mutex
	events  []string
	given   int
	before  func(event int)
	answers []Answer
	done    chan struct{}
}

// ServeHTTP implements http.Handler.
func (a *runtimeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	const invocations = "/2018-06-01/runtime/invocation/"
	switch what := strings.TrimPrefix(r.URL.Path, invocations); {
	case what == "next":
		a.next(w, r)
	case strings.HasSuffix(what, "/response"), strings.HasSuffix(what, "/error"):
		a.mutex.Lock()
		defer a.mutex.Unlock()
		a.answers = append(a.answers, Answer{string(body), strings.HasSuffix(what, "/error")})
		w.WriteHeader(http.StatusAccepted)
	default:
		http.NotFound(w, r)
	}
}

// next gives the next event. When there is none, the function waits, as one does
// that is warm.
func (a *runtimeAPI) next(w http.ResponseWriter, r *http.Request) {
	a.mutex.Lock()
	if len(a.events) == 0 {
		a.mutex.Unlock()
		close(a.done)
		<-r.Context().Done()
		return
	}
	event := a.events[0]
	a.events = a.events[1:]
	a.before(a.given)
	a.given++
	a.mutex.Unlock()
	w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprintf("request-%d", a.given))
	w.Header().Set("Lambda-Runtime-Deadline-Ms", fmt.Sprint(time.Now().Add(time.Minute).UnixMilli()))
	w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:function")
	_, _ = io.WriteString(w, event)
}
