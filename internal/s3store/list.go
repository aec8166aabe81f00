// Listings of keys, page by page.

package s3store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// List implements bifrost.Bucket.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	input := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix, MaxKeys: aws.Int32(int32(min(limit, 1000)))}
	if after != "" {
		input.StartAfter = &after
	}
	var keys []string
	for pages := s3.NewListObjectsV2Paginator(s.client, input); pages.HasMorePages() && len(keys) < limit; {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.failureOf("list", prefix, err)
		}
		for _, object := range page.Contents {
			keys = append(keys, aws.ToString(object.Key))
		}
		if aws.ToBool(page.IsTruncated) && aws.ToString(page.NextContinuationToken) == "" {
			return nil, fmt.Errorf("list s3://%s/%s: the service says that there is more and not where", s.bucket,
				prefix)
		}
	}
	return keys[:min(limit, len(keys))], nil
}
