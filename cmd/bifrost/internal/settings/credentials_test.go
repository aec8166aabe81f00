package settings

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
)

// Who has no credentials, outdated ones or a wrong profile is told what to do; an error of another
// kind stays as it is.
func TestCredentialsAreExplained(t *testing.T) {
	t.Parallel()
	nothing := filepath.Join(t.TempDir(), "none")
	_, noProfile := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithSharedConfigProfile("typo"),
		awsconfig.WithSharedConfigFiles([]string{nothing}), awsconfig.WithSharedCredentialsFiles([]string{nothing}))
	_, nobody := s3.New(s3.Options{Region: "eu-west-1", Credentials: aws.CredentialsProviderFunc(noneFound)}).
		ListBuckets(t.Context(), &s3.ListBucketsInput{})
	for name, c := range map[string]struct {
		err     error
		words   string
		isUsage bool
	}{
		"no profile":     {fmt.Errorf("load: %w", noProfile), `profile "typo" (AWS_PROFILE, --profile) does not exist`, true},
		"no credentials": {nobody, "log in as for the AWS CLI", false},
		"outdated":       {fmt.Errorf("x: %w", &smithy.GenericAPIError{Code: "ExpiredToken"}), "log in again", false},
		"denied":         {&smithy.GenericAPIError{Code: "AccessDenied"}, "", false},
	} {
		got := ExplainCredentials(c.err)
		if got == nil || usage.Is(got) != c.isUsage || !strings.Contains(got.Error(), c.words) ||
			c.words == "" && !errors.Is(c.err, got) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if ExplainCredentials(nil) != nil {
		t.Error("nothing is explained")
	}
}

// Where the service that has a machine's credentials does not answer, the address of AWS is not to blame.
func TestSilenceWithoutCredentials(t *testing.T) {
	t.Parallel()
	silent := &smithyhttp.RequestSendError{Err: errors.New("connection refused")}
	for words, blamed := range map[string]bool{"": true, "get identity: get credentials: ": false} {
		got := explainSilence(fmt.Errorf("%s%w", words, silent))
		if strings.Contains(got.Error(), "nothing answers for AWS there") != blamed {
			t.Errorf("%q: %v", words, got)
		}
	}
}

// What answers with a certificate that is not known is not silent.
func TestACertificateThatIsNotKnown(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, err := http.Get(server.URL)
	got := explainSilence(fmt.Errorf("read: %w", &smithyhttp.RequestSendError{Err: err})).Error()
	if !strings.Contains(got, "AWS_CA_BUNDLE") || strings.Contains(got, "nothing answers") {
		t.Error(got)
	}
}

func noneFound(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, errors.New("none found")
}
