package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/crc64nvme"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// CreateOnce implements bifrost.Shelf. If an answer is lost, the repetition finds
// the object of the first request and answers its content, which is the same.
func (s *Store) CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error) {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(content), IfNoneMatch: aws.String("*"),
		ChecksumCRC64NVME: aws.String(checksum(crc64nvme.Checksum(content))),
	}, repeatConflict)
	if err == nil {
		return content, nil
	}
	if err = s.failed("create", key, err); !errors.Is(err, bifrost.ErrExists) {
		return nil, err
	}
	return s.readAll(ctx, key)
}

// repeatConflict repeats a PutObject that met another one at the key: when it is
// sent again, either one has been decided.
func repeatConflict(o *s3.Options) {
	o.Retryer = retry.AddWithErrorCodes(o.Retryer, codeConditionalConflict)
}

// readAll reads a small object.
func (s *Store) readAll(ctx context.Context, key string) ([]byte, error) {
	object, err := s.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.NewSectionReader(object, 0, object.Stored().Size))
	if err != nil {
		return nil, fmt.Errorf("read s3://%s/%s: %w", s.bucket, key, err)
	}
	return content, nil
}

// List implements bifrost.Shelf.
func (s *Store) List(ctx context.Context, prefix, after string, limit int) ([]string, error) {
	input := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix, MaxKeys: aws.Int32(int32(min(limit, 1000)))}
	if after != "" {
		input.StartAfter = &after
	}
	var keys []string
	for pages := s3.NewListObjectsV2Paginator(s.client, input); pages.HasMorePages() && len(keys) < limit; {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.failed("list", prefix, err)
		}
		for _, object := range page.Contents {
			keys = append(keys, aws.ToString(object.Key))
		}
		if aws.ToBool(page.IsTruncated) && aws.ToString(page.NextContinuationToken) == "" {
			return nil, fmt.Errorf("list s3://%s/%s: the service says that there is more and not where", s.bucket, prefix)
		}
	}
	return keys[:min(limit, len(keys))], nil
}

// maxAbortRounds limits AbortUploads: a thousand uploads per round.
const maxAbortRounds = 100

// AbortUploads implements bifrost.Shelf. The listing of S3 is strongly consistent, so it
// has every upload that was begun before it. After a full page the listing starts again
// instead of continuing after it: those uploads are aborted by then, and versitygw does
// not know a marker whose upload is gone.
func (s *Store) AbortUploads(ctx context.Context, prefix string) error {
	for range maxAbortRounds {
		page, err := s.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &prefix})
		if err != nil {
			return s.failed("list the unfinished uploads under", prefix, err)
		}
		if err := s.abortAll(ctx, prefix, page.Uploads); err != nil {
			return err
		}
		if !aws.ToBool(page.IsTruncated) {
			return nil
		}
	}
	return fmt.Errorf("abort the unfinished uploads under s3://%s/%s: there are more after %d rounds of listing and aborting",
		s.bucket, prefix, maxAbortRounds)
}

func (s *Store) abortAll(ctx context.Context, prefix string, uploads []types.MultipartUpload) error {
	for _, upload := range uploads {
		key := aws.ToString(upload.Key)
		if !strings.HasPrefix(key, prefix) {
			continue // some services take the prefix for a hint
		}
		if err := s.abort(ctx, key, aws.ToString(upload.UploadId)); err != nil {
			return err
		}
	}
	return nil
}
