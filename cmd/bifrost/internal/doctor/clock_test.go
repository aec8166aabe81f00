package doctor

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// TestClocksThatAreOff: S3 refuses requests that are a quarter of an hour off, whichever clock
// is ahead, so doctor fails before that and warns when it begins.
func TestClocksThatAreOff(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for ahead, want := range map[time.Duration]string{ // of S3's clock
		0: "fine", 5 * time.Second: "fine", 6 * time.Second: "warning", 5 * time.Minute: "warning", 5*time.Minute + time.Second: "failure", time.Hour: "failure",
	} {
		for _, sign := range []time.Duration{1, -1} {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Date", now.Add(sign*ahead).Format(http.TimeFormat))
				fmt.Fprint(w, `<ListBucketResult><Name>b</Name><Contents><Key>g/x</Key></Contents></ListBucketResult>`)
			}))
			t.Cleanup(server.Close)
			client := s3.NewFromConfig(aws.Config{
				BaseEndpoint: &server.URL, Region: "eu-west-1", RetryMaxAttempts: 1,
				Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
			}, func(o *s3.Options) { o.UsePathStyle = true })
			b := bucketDoctor{client: client, name: "b", group: "g", now: func() time.Time { return now }}
			if f := b.checkClock(t.Context()); !f.warning || f.err != nil {
				t.Errorf("before S3 has answered: %+v", f)
			}
			if f := b.checkReach(t.Context()); f.err != nil || f.warning {
				t.Fatalf("the bucket: %+v", f)
			}
			f, got := b.checkClock(t.Context()), "fine"
			switch {
			case f.err != nil:
				got = "failure"
			case f.warning:
				got = "warning"
			}
			if got != want {
				t.Errorf("S3's clock is %s ahead: %s, want %s", sign*ahead, got, want)
			}
			if text := fmt.Sprint(f.found, f.err); got != "fine" && !strings.Contains(text, (sign*ahead).String()) {
				t.Errorf("S3's clock is %s ahead: %q does not say so", sign*ahead, text)
			}
		}
	}
}
