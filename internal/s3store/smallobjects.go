// Small objects that are written once: markers of paths, marks, captures, files of jobs.

package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/crc64nvme"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// CreateOnce implements bifrost.Bucket. If an answer is lost, the repetition finds
// the object of the first request and answers its content, which is the same.
func (s *Store) CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error) {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(content), IfNoneMatch: aws.String("*"),
		ChecksumCRC64NVME: aws.String(checksum(crc64nvme.Checksum(content))),
	}, repeatConflict)
	if err == nil {
		return content, nil
	}
	if err = s.failureOf("create", key, err); !errors.Is(err, bifrost.ErrExists) {
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
