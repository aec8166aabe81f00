package stepfunctions

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// service answers each operation as AWS does (AWS Step Functions API Reference), and
// keeps what it was asked.
func service(t *testing.T, answers map[string]string) (Client, *[]string) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, operation+" "+string(body))
		answer := answers[operation]
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		if strings.Contains(answer, "__type") {
			w.WriteHeader(http.StatusBadRequest)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return New(aws.Config{Region: "eu-west-1", BaseEndpoint: aws.String(server.URL), Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
	})}), &asked
}

func TestExecutions(t *testing.T) {
	t.Parallel()
	c, asked := service(t, map[string]string{
		"StartExecution":    `{"executionArn":"arn:x:one","startDate":1700000000.5}`,
		"DescribeExecution": `{"executionArn":"arn:x:one","stateMachineArn":"arn:x","status":"FAILED","startDate":1700000000.5,"stopDate":1700000001,"error":"errorString","cause":"no broker"}`,
		"StopExecution":     `{"stopDate":1700000001}`,
	})
	if arn, err := c.Start(t.Context(), "arn:x", "one", `{"id":"x"}`); arn != "arn:x:one" || err != nil {
		t.Errorf("started %s, error %v", arn, err)
	}
	e, err := c.Describe(t.Context(), "arn:x:one")
	if err != nil || e.Running() || e.Status != "FAILED" || e.Error != "errorString: no broker" || e.Begun.UnixMilli() != 1700000000500 || e.Ended.Unix() != 1700000001 {
		t.Errorf("execution %+v, error %v", e, err)
	}
	if err := c.Stop(t.Context(), "arn:x:one", "somebody"); err != nil {
		t.Error(err)
	}
	for i, words := range [][]string{
		{"StartExecution", `"stateMachineArn":"arn:x"`, `"name":"one"`, `"input":"{\"id\":\"x\"}"`}, {"DescribeExecution", "arn:x:one"}, {"StopExecution", `"cause":"somebody"`},
	} {
		for _, word := range words {
			if !strings.Contains((*asked)[i], word) {
				t.Errorf("asked %s, want %s", (*asked)[i], word)
			}
		}
	}
}

// What an execution failed of has a name, and a cause if there is one; one that runs has no end.
func TestWhatAnExecutionFailedOf(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		`"status":"RUNNING"`: "", `"status":"TIMED_OUT","error":"States.Timeout"`: "States.Timeout",
		`"status":"TIMED_OUT","error":"States.Timeout","cause":""`: "States.Timeout",
		`"status":"FAILED","error":"a","cause":"b"`:                "a: b", `"status":"ABORTED","cause":"somebody"`: "",
		`"status":"FAILED","error":"wrapError","cause":"{\"errorMessage\":\"no topic\",\"errorType\":\"wrapError\"}"`: "no topic",
		`"status":"FAILED","error":"a","cause":"{\"other\":\"b\"}"`:                                                   `a: {"other":"b"}`,
	} {
		c, _ := service(t, map[string]string{"DescribeExecution": `{"executionArn":"arn:x:one","startDate":1700000000,` + answer + `}`})
		e, err := c.Describe(t.Context(), "arn:x:one")
		if err != nil || e.Error != want || !e.Ended.IsZero() || e.Running() != strings.Contains(answer, "RUNNING") || e.ARN != "arn:x:one" {
			t.Errorf("%s: %+v, %v", answer, e, err)
		}
	}
}

func TestWhatIsGone(t *testing.T) {
	t.Parallel()
	const gone = `{"__type":"com.amazonaws.swf.service.v2.model#ExecutionDoesNotExist","message":"Execution Does Not Exist"}`
	c, _ := service(t, map[string]string{"DescribeExecution": gone, "StopExecution": gone, "StartExecution": `{"__type":"StateMachineDoesNotExist","message":"no"}`})
	if _, err := c.Describe(t.Context(), "arn:x:one"); !errors.Is(err, ErrGone) {
		t.Errorf("error %v", err)
	}
	if err := c.Stop(t.Context(), "arn:x:one", ""); err == nil || errors.Is(err, ErrGone) {
		t.Errorf("error %v", err)
	}
	if _, err := c.Start(t.Context(), "arn:x", "one", "{}"); err == nil || !strings.Contains(err.Error(), "arn:x") {
		t.Errorf("error %v", err)
	}
}
