package secretsmanager

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:kafka-a1b2c3"

// answering is a secret of a service that always gives this answer. The service
// itself is in the end-to-end test of cmd/localservices.
func answering(t *testing.T, status int, body string) *Secret {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(server.Close)
	return New(aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}, arn)
}

func TestRead(t *testing.T) {
	t.Parallel()
	text, err := answering(t, http.StatusOK, `{"SecretString":"{\"username\":\"archive\"}"}`).Read(t.Context())
	if err != nil || string(text) != `{"username":"archive"}` {
		t.Errorf("secret %s, error %v", text, err)
	}
}

// Each error names the secret and the next step.
func TestErrors(t *testing.T) {
	t.Parallel()
	for want, answer := range map[string]struct {
		status int
		body   string
	}{
		"allow secretsmanager:GetSecretValue": {http.StatusBadRequest, `{"__type":"AccessDeniedException","message":"no"}`},
		"give the whole ARN":                  {http.StatusBadRequest, `{"__type":"ResourceNotFoundException","message":"no"}`},
		"store it as text":                    {http.StatusOK, `{"SecretBinary":"aHVudGVyMg=="}`},
	} {
		_, err := answering(t, answer.status, answer.body).Read(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), arn) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
	nobody := New(aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String("http://127.0.0.1:1"), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
	}, arn)
	if _, err := nobody.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "infra/network.yaml") {
		t.Errorf("error %v, want the missing endpoint in it", err)
	}
}
