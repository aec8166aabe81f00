// The bucket that measured ticks see.

package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A fakeBucket is empty, takes markers, gives them back, and waits as long as S3 does:
// as much of S3 as a tick asks about partitions that are new.
type fakeBucket struct {
	URL      string
	listener net.Listener
	latency  time.Duration
	requests atomic.Int64
	objects  sync.Map // of bytes, by path
}

func startFakeBucket(latency time.Duration) (*fakeBucket, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &fakeBucket{URL: "http://" + listener.Addr().String(), listener: listener, latency: latency}
	go http.Serve(listener, b)
	return b, nil
}

func (b *fakeBucket) close() { b.listener.Close() }

const (
	noUploads = `<?xml version="1.0"?><ListMultipartUploadsResult><Bucket>bucket</Bucket>` +
		`<IsTruncated>false</IsTruncated></ListMultipartUploadsResult>`
	noObjects = `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><KeyCount>0</KeyCount>` +
		`<IsTruncated>false</IsTruncated></ListBucketResult>`
	noSuchKey = `<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>`
)

// ServeHTTP answers one request.
func (b *fakeBucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.requests.Add(1)
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	time.Sleep(b.latency)
	object, found := b.objects.Load(r.URL.Path)
	switch {
	case r.Method == http.MethodPut:
		b.objects.Store(r.URL.Path, body)
		w.Header().Set("ETag", `"marker"`)
	case found:
		w.Header().Set("ETag", `"marker"`)
		http.ServeContent(w, r, "", time.Unix(0, 0), bytes.NewReader(object.([]byte)))
	case r.URL.Query().Has("uploads"):
		io.WriteString(w, noUploads)
	case r.URL.Query().Has("list-type"):
		io.WriteString(w, noObjects)
	default:
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, noSuchKey)
	}
}
