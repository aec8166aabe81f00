package s3store_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// Who has something in a bucket keeps its settings: an object, an old version of one, or
// what was left where one was deleted. A bucket is made only where there is none for certain.
func TestWhichBucketsGetSettings(t *testing.T) {
	t.Parallel()
	const version = `<Version><Key>k</Key><VersionId>1</VersionId></Version>`
	const marker = `<DeleteMarker><Key>k</Key><VersionId>2</VersionId></DeleteMarker>`
	for name, c := range map[string]struct {
		head int // the answer to the question for the bucket
		list string
		code string // with which the bucket is refused
		made s3store.MadeBucket
		sent int // requests that make the bucket or give it a setting
		err  string
	}{
		"none":                          {head: 404, made: s3store.MadeBucket{Created: true}, sent: 6},
		"empty":                         {head: 200, sent: 5},
		"an object":                     {head: 200, list: version, made: s3store.MadeBucket{Kept: true}},
		"deleted objects":               {head: 200, list: marker, made: s3store.MadeBucket{Kept: true}},
		"both":                          {head: 200, list: version + marker, made: s3store.MadeBucket{Kept: true}},
		"made by a lost answer":         {head: 404, code: "BucketAlreadyOwnedByYou", made: s3store.MadeBucket{Created: true}, sent: 6},
		"taken meanwhile":               {head: 404, code: "BucketAlreadyExists", made: s3store.MadeBucket{Created: true}, sent: 1, err: "create-bucket s3://archive"},
		"another account's":             {head: 403, err: "another account's"},
		"in another region":             {head: 301, err: "in another region"},
		"nobody answers":                {head: 501, err: "look for s3://archive"},
		"nobody says what there is":     {head: 200, list: "denied", err: "look into s3://archive"},
		"nobody says what there is yet": {head: 200, list: "broken", err: "look into s3://archive"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mutex sync.Mutex
			var sent []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				switch {
				case r.Method == http.MethodHead:
					w.WriteHeader(c.head)
				case r.Method == http.MethodGet && c.list == "denied":
					w.WriteHeader(http.StatusForbidden)
				case r.Method == http.MethodGet && c.list == "broken":
					_, _ = io.WriteString(w, "<ListVersionsResult><Version>")
				case r.Method == http.MethodGet && r.URL.Query().Has("versions"):
					_, _ = fmt.Fprintf(w, `<ListVersionsResult>%s</ListVersionsResult>`, c.list)
				default:
					mutex.Lock()
					sent = append(sent, r.Method+" "+r.URL.RawQuery)
					mutex.Unlock()
					if c.code != "" && len(sent) == 1 {
						w.WriteHeader(http.StatusConflict)
						_, _ = fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", c.code)
					}
				}
			}))
			t.Cleanup(server.Close)
			made, err := s3store.MakeBucket(t.Context(), aws.Config{
				Region: "eu-west-1", BaseEndpoint: &server.URL,
				Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
			}, "archive", s3store.BucketSettings{Group: "g"})
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want one that says %q", err, c.err)
			}
			if !reflect.DeepEqual(made, c.made) || len(sent) != c.sent {
				t.Errorf("%+v by %q; want %+v by %d requests", made, sent, c.made, c.sent)
			}
		})
	}
}
