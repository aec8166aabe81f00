// Objects that a delete marker hides, in a bucket that keeps versions.

package s3store

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Hidden implements repair.Versions. What it does not find may be in versions behind the
// first page of a thousand: then nothing is answered.
func (s *Store) Hidden(ctx context.Context, key string) (markers []string, below []bifrost.Stored, err error) {
	page, err := s.client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &s.bucket, Prefix: &key})
	if err != nil {
		return nil, nil, s.failureOf("list the versions of", key, err)
	}
	if aws.ToBool(page.IsTruncated) {
		return nil, nil, nil
	}
	hidden := false
	for _, m := range page.DeleteMarkers {
		if aws.ToString(m.Key) == key {
			markers, hidden = append(markers, aws.ToString(m.VersionId)), hidden || aws.ToBool(m.IsLatest)
		}
	}
	if !hidden {
		return nil, nil, nil
	}
	for _, v := range page.Versions {
		if aws.ToString(v.Key) != key {
			continue
		}
		head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{
			Bucket: &s.bucket, Key: &key, VersionId: v.VersionId, ChecksumMode: types.ChecksumModeEnabled,
		})
		if err != nil {
			return nil, nil, fmt.Errorf("ask for the checksum of version %s of s3://%s/%s: %w",
				aws.ToString(v.VersionId),
				s.bucket, key, s.translateError(err))
		}
		below = append(below, bifrost.Stored{Size: aws.ToInt64(head.ContentLength),
			Checksum: ofWhole(head.ChecksumCRC64NVME)})
	}
	return markers, below, nil
}

// Unhide implements repair.Versions.
func (s *Store) Unhide(ctx context.Context, key string, markers []string) error {
	for _, marker := range markers {
		_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key, VersionId: &marker})
		if err != nil {
			return s.failureOf("remove the delete marker "+marker+" of", key, err)
		}
	}
	return nil
}
