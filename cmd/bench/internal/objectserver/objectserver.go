// Package objectserver gives objects from files, for the benchmarks of programs that read: to
// them S3 is another machine, and an S3 server on theirs takes as much of the processor as
// some of what is measured.
package objectserver

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
)

// server passes requests on to an S3 server, but reads an object from its file once the S3
// server has told its ETag. Objects must not change while it runs.
type server struct {
	upstream *httputil.ReverseProxy
	files    *os.Root
	etags    sync.Map // of objects, by path of their URL
}

// Run serves in front of an S3 server until standard input ends. The directory has the
// objects as files, by bucket and key. The first line of output is the URL to use.
func Run(upstream, dir string) error {
	target, err := url.Parse(upstream)
	if err != nil {
		return fmt.Errorf("objectserver: URL of the S3 server: %w", err)
	}
	files, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("objectserver: %w", err)
	}
	defer files.Close()
	s := &server{files: files}
	s.upstream = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // which is signed
		},
		ModifyResponse: s.keepETag,
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("objectserver: %w", err)
	}
	defer listener.Close()
	go func() { _ = http.Serve(listener, s) }() // ends with the listener
	fmt.Println("http://" + listener.Addr().String())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// keepETag keeps what the S3 server says of an object that was read.
func (s *server) keepETag(r *http.Response) error {
	read := r.Request.Method == http.MethodGet || r.Request.Method == http.MethodHead
	if etag := r.Header.Get("ETag"); etag != "" && read && r.StatusCode < http.StatusMultipleChoices {
		s.etags.Store(r.Request.URL.Path, etag)
	}
	return nil
}

// ServeHTTP answers one request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	etag, known := s.etags.Load(r.URL.Path)
	if !known || r.Method != http.MethodGet {
		s.upstream.ServeHTTP(w, r)
		return
	}
	file, err := s.files.Open(filepath.FromSlash(r.URL.Path[1:]))
	if err != nil {
		s.upstream.ServeHTTP(w, r)
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("ETag", etag.(string))
	w.Header().Set("Content-Type", "binary/octet-stream") // else it is guessed from bytes
	http.ServeContent(w, r, "", info.ModTime(), file)
}
