// Package s3store keeps the archive in a bucket of Amazon S3, or of a service that
// speaks its protocol. It implements bifrost.Store and bifrost.Bucket.
//
// Beyond the usual it requires conditional writes from the service (If-None-Match: * on
// PutObject and on CompleteMultipartUpload) and, if objects are to be checked without a
// download, CRC64NVME checksums of whole objects.
//
// Every object that contains a range is sent as a multipart upload, small ones too: an
// unfinished upload can be aborted by whoever must be sure that it will not complete; an
// unfinished PutObject cannot.
package s3store

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Store is the bucket. It is safe for concurrent use.
type Store struct {
	client  *s3.Client
	bucket  string
	setting string    // which names the bucket, for errors; empty for another than the archive's
	buffers sync.Pool // of *[]byte, each partSize long
}

var (
	_ bifrost.Store  = (*Store)(nil)
	_ bifrost.Bucket = (*Store)(nil)
)

// New returns the bucket. It touches no network: a bucket that does not exist
// shows with the first call.
func New(cfg aws.Config, bucket string) *Store {
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		// A custom endpoint seldom has a DNS name for every bucket.
		o.UsePathStyle = o.BaseEndpoint != nil
		o.Retryer = newRetryer()
		// The checksums that count are computed here, once, and sent along with
		// each part. Those of a ranged answer would be those of the whole object.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	newBuffer := func() any { b := make([]byte, partSize); return &b }
	return &Store{client: client, bucket: bucket, setting: " (BIFROST_BUCKET)", buffers: sync.Pool{New: newBuffer}}
}

// NewOther is New for a bucket that is not the archive's: its errors blame no setting.
func NewOther(cfg aws.Config, bucket string) *Store {
	s := New(cfg, bucket)
	s.setting = ""
	return s
}

// maxAttempts bounds the repetitions of one request. Together with their pauses
// they span about half a minute, in which S3 has made room for a prefix that it
// answered with 503 SlowDown.
const maxAttempts = 8

func newRetryer() aws.RetryerV2 {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.Backoff = retry.BackoffDelayerFunc(pause)
		o.Retryables = append([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(isCut)}, o.Retryables...)
	})
}

// isCut reports an answer that was cut off; the SDK does not retry those by itself.
func isCut(err error) aws.Ternary {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}

// pause is a random time before the next attempt, up to 200 ms, 400 ms ... 12.8 s.
func pause(attempt int, _ error) (time.Duration, error) {
	longest := 200 * time.Millisecond << min(max(attempt-1, 0), 6)
	return rand.N(longest), nil
}

// ErrNoBucket says that there is no bucket of that name where these credentials and this
// region lead.
var ErrNoBucket = errors.New("does not exist")

// The error codes of S3 that mean something here (API reference, Error responses).
const (
	codeNoSuchKey           = "NoSuchKey"
	codeNoSuchBucket        = "NoSuchBucket"
	codeRedirect            = "PermanentRedirect"
	codeOtherRegion         = "AuthorizationHeaderMalformed"
	codeNoSuchUpload        = "NoSuchUpload"
	codePreconditionFailed  = "PreconditionFailed"
	codeConditionalConflict = "ConditionalRequestConflict"
)

// hasCode reports whether S3 answered with the code.
func hasCode(err error, code string) bool {
	answer, ok := errors.AsType[smithy.APIError](err)
	return ok && answer.ErrorCode() == code
}

// status is that of S3's answer, 0 if there was none.
func status(err error) int {
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		return answer.HTTPStatusCode()
	}
	return 0
}

// isAnotherUpload recognizes the answer that an upload was created with another
// checksum mode than ours always are. versitygw gives it for an upload that was
// aborted while a part of it was on its way.
func isAnotherUpload(err error) bool {
	answer, ok := errors.AsType[smithy.APIError](err)
	return ok && answer.ErrorCode() == "InvalidRequest" && strings.Contains(answer.ErrorMessage(), "checksum mode")
}

// failureOf names the key, and says what the service's error means for the caller.
func (s *Store) failureOf(doing, key string, err error) error {
	return fmt.Errorf("%s s3://%s/%s: %w", doing, s.bucket, key, s.translateError(err))
}

func (s *Store) translateError(err error) error {
	switch {
	case hasCode(err, codeNoSuchKey):
		return fmt.Errorf("%w: %w", bifrost.ErrNotFound, err)
	case hasCode(err, codeNoSuchUpload), isAnotherUpload(err):
		return fmt.Errorf("%w: %w", bifrost.ErrUploadGone, err)
	case hasCode(err, codePreconditionFailed):
		return fmt.Errorf("%w: %w", bifrost.ErrExists, err)
	case hasCode(err, codeConditionalConflict):
		return fmt.Errorf("two conditional writes met at the key and S3 refused this one; begin a new upload: %w", err)
	case hasCode(err, codeNoSuchBucket):
		return fmt.Errorf("the bucket %s%s %w: %w", s.bucket, s.setting, ErrNoBucket, err)
	case hasCode(err, codeRedirect), hasCode(err, codeOtherRegion):
		return fmt.Errorf("the bucket %s%s %w in region %s (AWS_REGION): %w", s.bucket, s.setting, ErrNoBucket,
			s.client.Options().Region, err)
	}
	return err
}
