//go:build real || soak

package main

import (
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
	said := e.log("DiscoverFunction") + e.log("ArchiveFunction")
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
