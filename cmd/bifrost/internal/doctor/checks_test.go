package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/config"
)

// A check that takes all of its time leaves the next one all of its own.
func TestEachCheckHasItsOwnTime(t *testing.T) {
	t.Parallel()
	d := newCheckup(app.New(nil, io.Discard, io.Discard))
	var ends []time.Time
	look := func(ctx context.Context) finding {
		end, limited := ctx.Deadline()
		if !limited {
			t.Error("a check has no time limit")
		}
		ends = append(ends, end)
		return fine("found")
	}
	began := time.Now()
	d.runCheck(t.Context(), "first", look)
	for !time.Now().After(began) { // a clock may stand still for a moment
	}
	between := time.Now()
	d.runCheck(t.Context(), "second", look)
	if ends[0].Before(began.Add(patience)) || ends[1].Before(between.Add(patience)) {
		t.Errorf("checks that begin at %s and %s have to end at %s", began, between, ends)
	}
}

// Who has no credentials is told so once: nothing of AWS is asked any more, and each line says which one to see.
func TestNothingIsAskedWithoutCredentials(t *testing.T) {
	t.Parallel()
	d := newCheckup(app.New(nil, io.Discard, io.Discard))
	nobody := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("none found")
	})
	d.checkAWS(t.Context(), aws.Config{Region: "eu-west-1", Credentials: nobody}, config.Config{Bucket: "b"})
	for i, c := range d.checks {
		want, next := ResultWarning, "see the line of the credentials"
		if i == 0 {
			want, next = ResultFailed, "log in as for the AWS CLI, or give --profile"
		}
		if c.Result != want || c.Next != next || i > 0 && c.Found != "not known: AWS is not asked without credentials" {
			t.Errorf("%+v", c)
		}
	}
	if len(d.checks) < 10 {
		t.Errorf("%d checks", len(d.checks))
	}
}

// Each check asks of what its line names, and the alarms are asked for once: behind an endpoint for S3
// alone nobody will answer.
func TestEachCheckAsksOfItsOwn(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	asked := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct{ TableName, AlarmNamePrefix string }
		_ = json.NewDecoder(r.Body).Decode(&body) // not every body is JSON
		_, call, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		mutex.Lock()
		defer mutex.Unlock()
		asked[call+" "+body.TableName]++
		if strings.Contains(r.Header.Get("Content-Type"), "cbor") {
			asked["alarms"]++
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	cfg := answering(t, "")
	cfg.BaseEndpoint, cfg.RetryMaxAttempts = &server.URL, 3
	d := newCheckup(app.New(nil, io.Discard, io.Discard))
	d.checkAWS(t.Context(), cfg, config.Config{Bucket: "b", ProgressTable: "progress", ObjectsTable: "objects"})
	for call, want := range map[string]int{"DescribeContinuousBackups progress": 1, "DescribeContinuousBackups objects": 0,
		"DescribeTable progress": 1, "DescribeTable objects": 1, "alarms": 1} {
		if (asked[call] > 0) != (want > 0) || call == "alarms" && asked[call] != want {
			t.Errorf("%s: asked %d times; in all %v", call, asked[call], asked)
		}
	}
}

// A service that never answers is waited for once, and the lines of what else it would be asked say which one to see;
// the other service is asked as ever.
func TestASilentServiceIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	for service, c := range map[string]struct{ waits, first string }{
		serviceS3:       {"bucket", "see the line of the bucket"},
		serviceDynamoDB: {"progress table", "see the line of the progress table"},
	} {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			var mutex sync.Mutex
			asked := map[string]int{}
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				of := serviceS3
				switch {
				case r.Header.Get("X-Amz-Target") != "":
					of = serviceDynamoDB
				case strings.Contains(r.Header.Get("Content-Type"), "cbor"):
					of = serviceCloudWatch
				}
				mutex.Lock()
				asked[of]++
				mutex.Unlock()
				if of == service {
					<-ended
				}
			}))
			t.Cleanup(server.Close)
			t.Cleanup(func() { close(ended) })
			cfg := answering(t, "")
			cfg.BaseEndpoint = &server.URL
			d := newCheckup(app.New(nil, io.Discard, io.Discard))
			d.patience = 3 * time.Second // nothing but the silent service takes so long
			d.checkAWS(t.Context(), cfg, config.Config{Bucket: "b", ProgressTable: "progress", ObjectsTable: "objects"})
			askBoth := func(context.Context) finding { return fine("asked") }
			d.askAWS(t.Context(), "one archive", askBoth, serviceDynamoDB, serviceS3)
			pointing := 0
			for _, line := range d.checks {
				if line.Next == c.first {
					pointing++
					if line.Result != ResultWarning || line.Found != "not known: "+service+" does not answer" {
						t.Errorf("%+v", line)
					}
				}
				waited := line.Result == ResultFailed && strings.Contains(line.Found, "no answer in time")
				if line.Name == c.waits && !waited {
					t.Errorf("%+v", line)
				}
				if line.Name == "one archive" && line.Next != c.first {
					t.Errorf("%+v", line)
				}
			}
			mutex.Lock()
			defer mutex.Unlock()
			other := serviceS3
			if service == serviceS3 {
				other = serviceDynamoDB
			}
			if pointing < 3 || asked[service] != 1 || asked[other] < 3 {
				t.Errorf("%d lines point at the one that waited; asked %v: %+v", pointing, asked, d.checks)
			}
		})
	}
}
