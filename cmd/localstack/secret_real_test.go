//go:build real || soak

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Who the functions are in Kafka.
const (
	kafkaUser      = "archive"
	firstPassword  = "first-password-of-archive"
	secondPassword = "second-password-of-archive"
)

// secret is what is kept for the functions.
func (e *endToEnd) secret(password string) string {
	return string(encode(map[string]any{"username": kafkaUser, "password": password, "ca": e.kafka.Authority.Certificate}))
}

// rotate changes the password, at the broker and in the secret, while functions
// are warm. The broker makes everybody log in again every three seconds, so the
// old password is of no use soon; no tick may fail.
func (e *endToEnd) rotate() {
	e.Helper()
	e.check(e.kafka.SetPassword(e.Context(), kafkaUser, secondPassword))
	_, err := secretsmanager.NewFromConfig(e.stack.AWS.Config()).PutSecretValue(e.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String("bifrost-kafka"), SecretString: aws.String(e.secret(secondPassword)),
	})
	e.check(err)
	for sessions := time.Now().Add(4 * time.Second); time.Now().Before(sessions); { // longer than one lives
		_, err := tick(e.Context(), e.stack)
		e.check(err)
	}
	e.producePlain(e.topic("rotated"), 1000)
	e.archive()
	e.comparePartitions()
}

// checkSecret looks for passwords in all that the functions have said, and in
// their settings, which more people may see than the secret.
func (e *endToEnd) checkSecret() {
	e.Helper()
	said := e.logs("/aws/lambda/bifrost-discover") + e.logs("/aws/lambda/bifrost-archive")
	if !strings.Contains(said, `"tick"`) || !strings.Contains(said, `"range"`) {
		e.Fatalf("the logs of the functions are not there: %.500s", said)
	}
	for _, function := range []string{"DiscoverFunction", "ArchiveFunction"} {
		out, err := lambda.NewFromConfig(e.stack.AWS.Config()).GetFunctionConfiguration(e.Context(), &lambda.GetFunctionConfigurationInput{
			FunctionName: aws.String(e.stack.Outputs[function]),
		})
		e.check(err)
		for name, value := range out.Environment.Variables {
			said += name + "=" + value
		}
	}
	for _, password := range []string{firstPassword, secondPassword} {
		if strings.Contains(said, password) {
			e.Errorf("logs or settings of the functions hold %q", password)
		}
	}
}

// logs returns all lines of a log group.
func (e *endToEnd) logs(group string) string {
	e.Helper()
	var all strings.Builder
	for token := ""; ; {
		request := map[string]any{"logGroupName": group, "limit": 1000}
		if token != "" {
			request["nextToken"] = token
		}
		var page struct {
			Events    []struct{ Message string }
			NextToken string
		}
		answer := e.awsCall("logs", http.Header{"X-Amz-Target": {"Logs_20140328.FilterLogEvents"}, "Content-Type": {"application/x-amz-json-1.1"}}, encode(request))
		e.check(json.Unmarshal(answer, &page))
		for _, event := range page.Events {
			all.WriteString(event.Message)
		}
		if token = page.NextToken; token == "" {
			return all.String()
		}
	}
}

// awsCall signs and sends a request to a service of the local AWS for which there
// is no client here.
func (e *endToEnd) awsCall(service string, header http.Header, body []byte) []byte {
	e.Helper()
	cfg := e.stack.AWS.Config()
	request, err := http.NewRequestWithContext(e.Context(), http.MethodPost, e.stack.AWS.URL+"/", bytes.NewReader(body))
	e.check(err)
	request.Header = header
	credentials, err := cfg.Credentials.Retrieve(e.Context())
	e.check(err)
	hash := sha256.Sum256(body)
	e.check(v4.NewSigner().SignHTTP(e.Context(), credentials, request, hex.EncodeToString(hash[:]), service, cfg.Region, time.Now()))
	response, err := cfg.HTTPClient.Do(request)
	e.check(err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	e.check(err)
	if response.StatusCode != http.StatusOK {
		e.Fatalf("%s: %s: %s", service, response.Status, answer)
	}
	return answer
}
