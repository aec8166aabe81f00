package s3store_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// TestCompletionIsSentOnce: whatever S3 answers, nobody repeats the request. A
// part, which makes nothing visible, is repeated.
func TestCompletionIsSentOnce(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"500": func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
		"503": func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) },
		"200 with an error": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>InternalError</Code></Error>`)
		},
		"a cut connection": func(w http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var completions, parts atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				switch query := r.URL.Query(); {
				case query.Has("uploads"):
					_, _ = io.WriteString(w, `<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>`)
				case query.Has("partNumber"):
					if parts.Add(1) == 1 {
						w.WriteHeader(http.StatusInternalServerError)
						return
					}
					w.Header().Set("ETag", `"etag"`)
				default:
					completions.Add(1)
					answer(w)
				}
			}))
			t.Cleanup(server.Close)
			store := s3store.New(aws.Config{
				Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
			}, "bucket")
			upload, err := store.Create(t.Context(), "key")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := upload.Complete(t.Context()); err == nil {
				t.Error("a completion that failed is told as a success")
			}
			if completions.Load() != 1 || parts.Load() != 2 {
				t.Errorf("%d completions and %d parts were sent, want one and two", completions.Load(), parts.Load())
			}
		})
	}
}
