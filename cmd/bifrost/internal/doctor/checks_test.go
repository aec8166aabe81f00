package doctor

import (
	"context"
	"errors"
	"io"
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
