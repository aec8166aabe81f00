package lambdadispatch_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
	"github.com/bifrost-archive/bifrost/internal/lambdadispatch"
)

var task = bifrost.Task{Name: "orders", Partition: 3, TopicID: bifrost.TopicID{1}, StartOffset: 100, EndOffset: 200, Attempt: 2}

// newDispatcher is a dispatcher to a server that takes every event.
func newDispatcher(t *testing.T, taken func(r *http.Request, event []byte)) (*lambdadispatch.Dispatcher, *httpfault.Transport) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		taken(r, event)
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(server.Close)
	faults := httpfault.New(http.DefaultTransport)
	return lambdadispatch.New(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL,
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		HTTPClient:  &http.Client{Transport: faults},
	}, "archive-function"), faults
}

func any(*http.Request) bool { return true }

func TestDispatch(t *testing.T) {
	t.Parallel()
	var invoked []string
	d, _ := newDispatcher(t, func(r *http.Request, event []byte) {
		got, err := bifrost.ParseTask(event)
		if err != nil || got != task {
			t.Errorf("event %s: task %+v, error %v", event, got, err)
		}
		invoked = append(invoked, r.Method+" "+r.URL.Path+" "+r.Header.Get("X-Amz-Invocation-Type"))
	})
	if err := d.Dispatch(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if want := []string{"POST /2015-03-31/functions/archive-function/invocations Event"}; !slices.Equal(invoked, want) {
		t.Errorf("requests %q, want %q", invoked, want)
	}
}

// An answer that is lost costs a second run, not the range.
func TestDispatchRepeats(t *testing.T) {
	t.Parallel()
	taken := 0
	d, faults := newDispatcher(t, func(*http.Request, []byte) { taken++ })
	faults.Next(any, httpfault.LoseAnswer)
	if err := d.Dispatch(t.Context(), task); err != nil {
		t.Fatal(err)
	}
	if taken != 2 {
		t.Errorf("the event was taken %d times, want 2", taken)
	}
}

func refusal(status int, exception string) httpfault.Fault {
	header := http.Header{"X-Amzn-Errortype": {exception}}
	body, _ := json.Marshal(map[string]string{"Message": "ordered by a test", "Type": "User"})
	return httpfault.Answer(status, header, string(body))
}

func TestDispatchRefused(t *testing.T) {
	t.Parallel()
	for exception, c := range map[string]struct {
		status    int
		throttled bool
		says      string
	}{
		"TooManyRequestsException":    {429, true, "throttled"},
		"ResourceNotFoundException":   {404, false, "BIFROST_ARCHIVE_FUNCTION"},
		"AccessDeniedException":       {403, false, "AccessDenied"},
		"UnrecognizedClientException": {403, false, "UnrecognizedClient"},
	} {
		t.Run(exception, func(t *testing.T) {
			t.Parallel()
			d, faults := newDispatcher(t, func(*http.Request, []byte) { t.Error("an event was taken") })
			faults.Next(any, slices.Repeat([]httpfault.Fault{refusal(c.status, exception)}, 20)...)
			err := d.Dispatch(t.Context(), task)
			if errors.Is(err, lambdadispatch.ErrThrottled) != c.throttled {
				t.Errorf("error %v: throttled? want %v", err, c.throttled)
			}
			for _, word := range []string{c.says, "archive-function", "topic orders", "partition 3", "[100, 200)"} {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("error %v does not say %q", err, word)
				}
			}
		})
	}
}

// A tick has a minute for all its ranges: a Lambda that takes none is given up soon, and the next tick tries.
func TestATickWaitsForNoThrottledRange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		sent := 0
		d := lambdadispatch.New(aws.Config{
			Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
			HTTPClient: httpClient(func(r *http.Request) (*http.Response, error) {
				sent++
				return refusal(429, "TooManyRequestsException")(nil, r)
			}),
		}, "archive-function")
		const dispatches, most = 50, 2 * time.Second
		began := time.Now()
		for range dispatches {
			if err := d.Dispatch(t.Context(), task); !errors.Is(err, lambdadispatch.ErrThrottled) {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > dispatches*most || sent < 2*dispatches {
			t.Errorf("%d dispatches took %v and %d requests, want at most %v for each, and more than one try", dispatches, took, sent, most)
		}
	})
}

type httpClient func(*http.Request) (*http.Response, error)

// Do implements aws.HTTPClient.
func (c httpClient) Do(r *http.Request) (*http.Response, error) { return c(r) }

// What an account has not reserved is what others may still use.
func TestExecutionsAreThoseThatNobodyReserved(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]int{
		`{"AccountLimit":{"ConcurrentExecutions":1000,"UnreservedConcurrentExecutions":400}}`: 400,
		`{"AccountLimit":{"ConcurrentExecutions":10,"UnreservedConcurrentExecutions":0}}`:     0,
		`{}`: -1,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
		defer server.Close()
		n, err := lambdadispatch.Executions(t.Context(), aws.Config{
			Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		})
		if (err != nil) != (want < 0) || err == nil && n != want {
			t.Errorf("%s: %d, %v; want %d", answer, n, err, want)
		}
	}
}
