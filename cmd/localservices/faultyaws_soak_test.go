//go:build real && soak

package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// A faultyAWS stands between the functions and the local AWS.
type faultyAWS struct {
	url    string
	refuse atomic.Int64 // one request in so many is answered with an error; 0 for none
	hold   atomic.Bool  // one in four is held back for longer than functions may run

	s3, dynamo, held atomic.Int64 // how many
}

func startFaultyAWS(t *testing.T, at localservices.Endpoint) *faultyAWS {
	t.Helper()
	target, err := url.Parse(at.URL)
	if err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(at.CABundle)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	backend := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // the signature covers it
		},
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
		ErrorLog:  log.New(io.Discard, "", 0), // functions that are cut off hang up
	}
	f := &faultyAWS{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f.hold.Load() && rand.IntN(4) == 0 {
			f.held.Add(1)
			time.Sleep(2 * cutOff * time.Second)
		}
		if n := f.refuse.Load(); n > 0 && rand.Int64N(n) == 0 {
			f.fail(w, r, backend)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

// fail answers that there are too many requests, as DynamoDB does before it has
// done anything, and S3 half of the time after it has.
func (f *faultyAWS) fail(w http.ResponseWriter, r *http.Request, backend http.Handler) {
	if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB_") {
		f.dynamo.Add(1)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"Rate exceeded"}`)
		return
	}
	f.s3.Add(1)
	if rand.IntN(2) == 0 {
		backend.ServeHTTP(httptest.NewRecorder(), r)
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, `<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
}
