// What to do where AWS does not know who asks.

package settings

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
)

// outdated are the answers of AWS to credentials whose time is over.
var outdated = []string{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}

// noCredentials is how the SDK begins to say that it found none; it has no type for that.
const noCredentials = "get credentials: "

// AreOutdated reports whether AWS has answered that the time of the credentials is over.
func AreOutdated(err error) bool {
	answer, ok := errors.AsType[smithy.APIError](err)
	return ok && slices.Contains(outdated, answer.ErrorCode())
}

// areMissing reports whether no credentials were found to ask AWS with: the service that has them for a machine may
// be what does not answer.
func areMissing(err error) bool { return err != nil && strings.Contains(err.Error(), noCredentials) }

// ExplainCredentials says what to do about an error of AWS that is about who asks. A profile that does
// not exist is a wrong setting.
func ExplainCredentials(err error) error {
	if err == nil {
		return nil
	}
	if missing, ok := errors.AsType[awsconfig.SharedConfigProfileNotExistError](err); ok {
		return usage.Errorf("the AWS profile %q (AWS_PROFILE, --profile) does not exist: aws configure list-profiles lists "+
			"those that do", missing.Profile)
	}
	if AreOutdated(err) {
		return fmt.Errorf("%w; the AWS credentials are outdated: log in again as for the AWS CLI (aws sso login)", err)
	}
	if areMissing(err) {
		return fmt.Errorf("%w; there are no AWS credentials: log in as for the AWS CLI (aws sso login, aws configure), "+
			"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --profile", err)
	}
	return err
}
