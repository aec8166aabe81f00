// Package httpfault makes HTTP go wrong to order, between a client in a test and
// a real server: requests that never arrive, answers that get lost after the
// server has acted, answers cut short, and answers that a service gives on bad
// days.
//
//	faults := httpfault.New(http.DefaultTransport)
//	cfg.HTTPClient = &http.Client{Transport: faults}
//	faults.Next(isCommit, httpfault.LoseAnswer, httpfault.Answer(503, nil, "slow down"))
//
// The next request that isCommit picks is applied and its answer lost, the one
// after it is answered 503 and not applied, and those after that are left alone.
package httpfault

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"sync"
	"syscall"
)

// A Fault handles one request in place of the transport that it is given.
type Fault func(next http.RoundTripper, r *http.Request) (*http.Response, error)

// A Match picks requests.
type Match func(r *http.Request) bool

// Transport is an http.RoundTripper that sends requests on to another, but for
// those that somebody has ordered a fault for. It may be used by many at once.
type Transport struct {
	next http.RoundTripper

	mu    sync.Mutex
	rules []*rule
	sent  []*http.Request
}

type rule struct {
	match  Match
	faults []Fault
}

// New returns a transport without faults.
func New(next http.RoundTripper) *Transport { return &Transport{next: next} }

// Next orders faults for the next requests that match picks, one fault each.
func (t *Transport) Next(match Match, faults ...Fault) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rules = append(t.rules, &rule{match, faults})
}

// Count returns how many requests there were that match picks, faulty ones included.
func (t *Transport) Count(match Match) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, r := range t.sent {
		if match(r) {
			n++
		}
	}
	return n
}

// Left returns how many faults were ordered and not met by a request.
func (t *Transport) Left() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, r := range t.rules {
		n += len(r.faults)
	}
	return n
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if fault := t.pick(r); fault != nil {
		return fault(t.next, r)
	}
	return t.next.RoundTrip(r)
}

func (t *Transport) pick(r *http.Request) Fault {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sent = append(t.sent, r)
	for _, rule := range t.rules {
		if len(rule.faults) > 0 && rule.match(r) {
			fault := rule.faults[0]
			rule.faults = rule.faults[1:]
			return fault
		}
	}
	return nil
}

var errReset = fmt.Errorf("httpfault: %w", syscall.ECONNRESET)

// Pass leaves the request alone: for a fault that is to hit a later one.
func Pass(next http.RoundTripper, r *http.Request) (*http.Response, error) { return next.RoundTrip(r) }

// LoseRequest resets the connection before the server sees anything.
func LoseRequest(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
	closeBody(r)
	return nil, errReset
}

// LoseAnswer lets the server act and resets the connection before its answer.
func LoseAnswer(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	if err := act(next, r); err != nil {
		return nil, err
	}
	return nil, errReset
}

// Answer answers in the server's place, which sees nothing of the request.
func Answer(status int, header http.Header, body string) Fault {
	return func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
		closeBody(r)
		return response(r, status, header, body), nil
	}
}

// AnswerAfter lets the server act and answers something else than it did.
func AnswerAfter(status int, header http.Header, body string) Fault {
	return func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		if err := act(next, r); err != nil {
			return nil, err
		}
		return response(r, status, header, body), nil
	}
}

// Cut ends the body of the server's answer after n bytes, as a connection does
// that breaks off.
func Cut(n int64) Fault {
	return func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		whole := answer.Body
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(io.LimitReader(whole, n), failing{}), whole}
		return answer, nil
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func act(next http.RoundTripper, r *http.Request) error {
	answer, err := next.RoundTrip(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	return err
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		r.Body.Close()
	}
}

func response(r *http.Request, status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprintf("%d %s", status, http.StatusText(status)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(bytes.NewReader([]byte(body))), ContentLength: int64(len(body)), Request: r,
	}
}
