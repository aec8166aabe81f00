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
	d := &checkup{App: app.New(nil, io.Discard, io.Discard)}
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
	d := &checkup{App: app.New(nil, io.Discard, io.Discard)}
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
	d := &checkup{App: app.New(nil, io.Discard, io.Discard)}
	d.checkAWS(t.Context(), cfg, config.Config{Bucket: "b", ProgressTable: "progress", ObjectsTable: "objects"})
	for call, want := range map[string]int{"DescribeContinuousBackups progress": 1, "DescribeContinuousBackups objects": 0,
		"DescribeTable progress": 1, "DescribeTable objects": 1, "alarms": 1} {
		if (asked[call] > 0) != (want > 0) || call == "alarms" && asked[call] != want {
			t.Errorf("%s: asked %d times; in all %v", call, asked[call], asked)
		}
	}
}
