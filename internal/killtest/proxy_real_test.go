//go:build real

package killtest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// faultyS3 stands between the archivers and the S3 server. While it is faulty it
// delays, resets, truncates, refuses and loses answers. It also counts how often
// an upload found another's object at its key: without that, nothing would have
// been shown about the condition on the key. And it writes down every request that
// could make an object, so that a key with two versions explains itself.
type faultyS3 struct {
	url     string
	backend http.Handler
	faulty  atomic.Bool

	mutex   sync.Mutex
	random  *rand.Rand
	faults  map[string]int
	refused int                 // completions that were answered 412
	writes  map[string][]string // path → what was asked to make its object, and what came of it

	gate    chan struct{}  // nil unless completions are gathered
	met     chan struct{}  // closed when two are at a key; nil from then on
	waiting map[string]int // completions at each key
}

func startFaultyS3(t *testing.T, backend string, seed uint64) *faultyS3 {
	t.Helper()
	target, err := url.Parse(backend)
	must(t, err)
	p := &faultyS3{random: rand.New(rand.NewPCG(seed, 2)), faults: map[string]int{}, writes: map[string][]string{}}
	reverse := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the signature covers it
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			p.note(r, fmt.Sprintf("no answer: %v", err))
			w.WriteHeader(http.StatusBadGateway)
		},
		ModifyResponse: p.account,
		ErrorLog:       nil,
	}
	p.backend = reverse
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })
	p.url = "http://" + listener.Addr().String()
	return p
}

// account counts the completions that the server refuses.
func (p *faultyS3) account(answer *http.Response) error {
	p.note(answer.Request, fmt.Sprintf("%s, version %q", answer.Status, answer.Header.Get("X-Amz-Version-Id")))
	if completes(answer.Request) && answer.StatusCode == http.StatusPreconditionFailed {
		p.mutex.Lock()
		defer p.mutex.Unlock()
		p.refused++
	}
	return nil
}

// refusals is how many completions the server has refused so far.
func (p *faultyS3) refusals() int {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return p.refused
}

// note writes down what became of a request that could make an object.
func (p *faultyS3) note(r *http.Request, what string) {
	if !completes(r) && (r.Method != http.MethodPut || r.Header.Get("If-None-Match") == "") {
		return
	}
	line := fmt.Sprintf("%s %s, upload %q: %s", time.Now().Format(time.StampMicro), r.Method, r.URL.Query().Get("uploadId"), what)
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.writes[r.URL.Path] = append(p.writes[r.URL.Path], line)
}

// writesTo is all that was asked to make the object at a key, one line each.
func (p *faultyS3) writesTo(bucket, key string) string {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	return strings.Join(p.writes["/"+bucket+"/"+key], "\n")
}

// gather holds back every completion until two of them wait for the same key, or
// ctx ends, and then lets all go at once.
func (p *faultyS3) gather(ctx context.Context) {
	gate, met := make(chan struct{}), make(chan struct{})
	p.mutex.Lock()
	p.gate, p.met, p.waiting = gate, met, map[string]int{}
	p.mutex.Unlock()
	select {
	case <-met:
	case <-ctx.Done():
	}
	p.mutex.Lock()
	p.gate = nil
	p.mutex.Unlock()
	close(gate)
}

// hold makes a completion wait while others are gathered.
func (p *faultyS3) hold(r *http.Request) {
	if !completes(r) {
		return
	}
	p.mutex.Lock()
	gate := p.gate
	if gate != nil {
		if p.waiting[r.URL.Path]++; p.waiting[r.URL.Path] == 2 && p.met != nil {
			close(p.met)
			p.met = nil
		}
	}
	p.mutex.Unlock()
	if gate != nil {
		<-gate
	}
}

func completes(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
}

// faultRate is the share of requests that meet a fault.
const faultRate = 0.12

func (p *faultyS3) choose() string {
	if !p.faulty.Load() {
		return ""
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if p.random.Float64() >= faultRate {
		return ""
	}
	kinds := []string{"delay", "503 before", "500 after", "reset before", "reset after", "truncate"}
	kind := kinds[p.random.IntN(len(kinds))]
	p.faults[kind]++
	return kind
}

func (p *faultyS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.hold(r)
	fault := p.choose()
	if fault != "" {
		p.note(r, "fault: "+fault)
	}
	switch fault {
	case "delay":
		time.Sleep(700 * time.Millisecond) // a slow network, not a condition to wait for
		p.backend.ServeHTTP(w, r)
	case "503 before":
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `<Error><Code>SlowDown</Code><Message>injected</Message></Error>`)
	case "500 after":
		p.backend.ServeHTTP(&swallowed{header: http.Header{}}, r)
		w.WriteHeader(http.StatusInternalServerError)
	case "reset before":
		hangUp(w)
	case "reset after":
		p.backend.ServeHTTP(&swallowed{header: http.Header{}}, r)
		hangUp(w)
	case "truncate":
		cut := &truncated{ResponseWriter: w}
		p.backend.ServeHTTP(cut, r)
		hangUp(w)
	default:
		p.backend.ServeHTTP(w, r)
	}
}

// hangUp closes the connection in the client's face.
func hangUp(w http.ResponseWriter) {
	_ = http.NewResponseController(w).Flush()
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := connection.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset, not a polite end
	}
	_ = connection.Close()
}

// swallowed takes an answer that the client never hears.
type swallowed struct{ header http.Header }

func (s *swallowed) Header() http.Header         { return s.header }
func (s *swallowed) Write(p []byte) (int, error) { return len(p), nil }
func (s *swallowed) WriteHeader(int)             {}

// truncated lets half of each write through.
type truncated struct{ http.ResponseWriter }

func (c *truncated) Write(p []byte) (int, error) {
	if _, err := c.ResponseWriter.Write(p[:len(p)/2]); err != nil {
		return 0, err
	}
	return len(p), nil
}
