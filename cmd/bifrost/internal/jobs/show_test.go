package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/stepfunctions"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// Violations of every item are shown and counted, those that are not listed too.
func TestViolationsOfManyItems(t *testing.T) {
	t.Parallel()
	store := bifrosttest.NewStore()
	control := &job.Control{Files: job.Files{Group: "g", Bucket: store}}
	for item, unlisted := range []int64{0, 5, 1, 40} {
		lines := fmt.Sprintf(`{"item":%d,"unlisted":%d}`, item+1, unlisted)
		for n := range item {
			text, err := json.Marshal(verify.Violation{Found: fmt.Sprintf("reason %d of %d", n, item)})
			if err != nil {
				t.Fatal(err)
			}
			lines += "\n" + string(text)
		}
		store.Put(fmt.Sprintf("%sdone/%06d.jsonl", bifrost.JobPrefix("g", "one"), item+1), []byte(lines+"\n"))
	}
	for _, asJSON := range []bool{false, true} {
		var out, talk bytes.Buffer
		status := job.Status{ID: "one", Kind: job.KindVerify, State: job.StateSucceeded, Complete: true}
		err := showJob(app.New(nil, &out, &talk), t.Context(), control, status, asJSON)
		if !app.IsUnhealthy(err) || !strings.Contains(err.Error(), "has found 52 violations") {
			t.Errorf("JSON %v: %v", asJSON, err)
		}
		for item := range 4 {
			for n := range item {
				if want := fmt.Sprintf("reason %d of %d", n, item); strings.Count(out.String(), want) != 1 {
					t.Errorf("JSON %v: not once: %s in %s", asJSON, want, &out)
				}
			}
		}
		if !strings.Contains(talk.String(), "item 2 found 5 violations more") || !strings.Contains(talk.String(), "item 4 found 40 ") ||
			!strings.Contains(talk.String(), "item 3 found 1 ") || strings.Count(talk.String(), " more") != 3 {
			t.Errorf("JSON %v: told %s", asJSON, &talk)
		}
	}
	// Of other kinds nobody reads what was done of each.
	status := job.Status{ID: "one", Kind: job.KindReplay, State: job.StateRunning}
	if err := showJob(app.New(nil, &bytes.Buffer{}, &bytes.Buffer{}), t.Context(), control, status, false); err != nil {
		t.Error(err)
	}
}

// Each flag that means nothing to a job is refused, given to whatever value, and only if it
// is given.
func TestRefusedFlags(t *testing.T) {
	t.Parallel()
	names := []string{"first", "second", "third"}
	for given := range 8 {
		c := &cobra.Command{}
		var args []string
		for i, name := range names {
			c.Flags().Bool(name, false, "")
			if given&(1<<i) != 0 {
				args = append(args, "--"+name+"=false")
			}
		}
		if err := c.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		err := RefuseFlags(c, names...)
		if (err != nil) != (given > 0) || given > 0 && !strings.Contains(err.Error(), strings.TrimSuffix(args[0], "=false")+" ") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// Bytes are known once items say how many they have.
func TestBytesDone(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]job.Status{
		"-": {Items: 3, Done: 3}, "0 B": {Items: 3, Bytes: 5}, "198 MB": {Items: 3, Bytes: 198e6, DoneBytes: 198e6},
	} {
		if got := bytesDone(s); got != want {
			t.Errorf("%+v: %s, want %s", s, got, want)
		}
	}
}

// How far a job is is said when it has changed, and while it runs.
func TestProgressIsSaidOnce(t *testing.T) {
	t.Parallel()
	var talk bytes.Buffer
	tell := newTeller(app.New(nil, &bytes.Buffer{}, &talk))
	for _, done := range []int{0, 0, 1, 1, 2, 1, 1} {
		tell(job.Status{State: job.StateRunning, Items: 5, Done: done, Runs: 2})
	}
	tell(job.Status{State: job.StateSucceeded, Items: 5, Done: 5, Runs: 2})
	if got, want := talk.String(), "0 of 5 items.\n1 of 5 items.\n2 of 5 items.\n1 of 5 items.\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}

// An execution that Step Functions keeps no more is forgotten; any other error is not.
func TestExecutionsThatAreForgotten(t *testing.T) {
	t.Parallel()
	for kind, forgotten := range map[string]bool{"ExecutionDoesNotExist": true, "InvalidArn": false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"__type":"com.amazonaws.swf.service.v2.model#%s","message":"no"}`, kind)
		}))
		t.Cleanup(server.Close)
		m := stateMachine{Client: stepfunctions.New(aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL,
			Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")})}
		_, err := m.Describe(t.Context(), "arn:x:one")
		if errors.Is(err, job.ErrForgotten) != forgotten || errors.Is(err, stepfunctions.ErrGone) != forgotten || err == nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// A plan that was refused leaves no job behind, so no command is advised that needs one.
func TestAJobThatIsNone(t *testing.T) {
	t.Parallel()
	control := &job.Control{Files: job.Files{Group: "g", Bucket: bifrosttest.NewStore()}}
	refused := job.Status{ID: "one", State: "FAILED", Execution: "a:one-1", Error: "refused: no such topic"}
	for _, asJSON := range []bool{false, true} {
		var talk bytes.Buffer
		err := showJob(app.New(nil, &bytes.Buffer{}, &talk), t.Context(), control, refused, asJSON)
		said := talk.String() + fmt.Sprint(err)
		if !app.IsUnhealthy(err) || !strings.Contains(said, "refused: no such topic") ||
			strings.Contains(said, "bifrost jobs") || !strings.Contains(said, "start it again") {
			t.Errorf("JSON %v: said %s", asJSON, said)
		}
	}
}
