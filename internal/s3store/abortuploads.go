// Aborting every unfinished upload under a prefix.

package s3store

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// maxAbortRounds limits AbortUploads: a thousand uploads per round.
const maxAbortRounds = 100

// AbortUploads implements bifrost.Bucket. The listing of S3 is strongly consistent, so it
// has every upload that was begun before it. After a full page the listing starts again
// instead of continuing after it: those uploads are aborted by then, and versitygw does
// not know a marker whose upload is gone.
func (s *Store) AbortUploads(ctx context.Context, prefix string) error {
	for range maxAbortRounds {
		page, err := s.client.ListMultipartUploads(ctx,
			&s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &prefix})
		if err != nil {
			return s.failureOf("list the unfinished uploads under", prefix, err)
		}
		if err := s.abortAll(ctx, prefix, page.Uploads); err != nil {
			return err
		}
		if !aws.ToBool(page.IsTruncated) {
			return nil
		}
	}
	return fmt.Errorf("abort the unfinished uploads under s3://%s/%s: there are more after %d rounds of listing and "+
		"aborting",
		s.bucket, prefix, maxAbortRounds)
}

func (s *Store) abortAll(ctx context.Context, prefix string, uploads []types.MultipartUpload) error {
	for _, upload := range uploads {
		key := aws.ToString(upload.Key)
		if !strings.HasPrefix(key, prefix) {
			continue // some services take the prefix for a hint
		}
		if err := s.abortUpload(ctx, key, aws.ToString(upload.UploadId)); err != nil {
			return err
		}
	}
	return nil
}
