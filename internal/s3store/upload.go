// How objects are written.

package s3store

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/minio/crc64nvme"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

const (
	// partSize is what is gathered before it is sent. S3 takes parts of 5 MiB and
	// more, but for the last; an upload holds (partsInFlight + 1) of them in memory.
	partSize = 8 << 20
	// partsInFlight keeps the network busy while the next part is compressed.
	// One connection carries more than one core compresses; the second covers
	// the time between the end of one request and the begin of the next.
	partsInFlight = 2
	// maxParts is S3's limit. At partSize it allows 80 GB, which no range of
	// records that fits into one function run comes near to.
	maxParts = 10_000
)

// Create implements bifrost.Store. The parts that Write sends in the background live as
// long as ctx. If S3's answer is lost, the retry begins a second upload, and the first
// remains without parts until somebody aborts it.
func (s *Store) Create(ctx context.Context, key string) (bifrost.Upload, error) {
	created, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: &key, ContentType: aws.String("application/gzip"),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme, ChecksumType: types.ChecksumTypeFullObject,
	})
	if err != nil {
		return nil, s.failureOf("begin an upload to", key, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	return &upload{
		store: s, key: key, id: aws.ToString(created.UploadId),
		ctx: ctx, cancel: cancel, slots: make(chan struct{}, partsInFlight),
	}, nil
}

// upload is a multipart upload. Its methods are for one goroutine; the parts go
// up in others.
type upload struct {
	store *Store
	key   string
	id    string

	ctx    context.Context // of the parts; its cause is the first error of one
	cancel context.CancelCauseFunc
	slots  chan struct{} // one for each part in flight
	wait   sync.WaitGroup

	part     *[]byte // borrowed; nil when nothing is gathered
	gathered int     // bytes of part that are filled
	size     int64
	crc      uint64
	parts    []*types.CompletedPart // each is filled in by the goroutine that sends it
}

// Write implements io.Writer. It waits when partsInFlight parts are on their way
// already. An error of a part that was sent before shows in a later Write, at the
// latest in Complete.
func (u *upload) Write(p []byte) (int, error) {
	written := 0
	for len(p) > 0 {
		if u.part == nil {
			u.part = u.store.buffers.Get().(*[]byte)
		}
		n := copy((*u.part)[u.gathered:], p)
		u.gathered += n
		written += n
		p = p[n:]
		if u.gathered == partSize {
			if err := u.sendGathered(); err != nil {
				return written, err
			}
		}
	}
	return written, nil
}

// sendGathered sends what is gathered as the next part, in the background.
func (u *upload) sendGathered() error {
	if len(u.parts) == maxParts {
		return fmt.Errorf("upload s3://%s/%s: more than %d parts of %d bytes", u.store.bucket, u.key, maxParts,
			partSize)
	}
	select {
	case u.slots <- struct{}{}:
	case <-u.ctx.Done():
		return context.Cause(u.ctx)
	}
	if u.part == nil { // an upload without a byte has one part without a byte
		u.part = u.store.buffers.Get().(*[]byte)
	}
	buffer, content := u.part, (*u.part)[:u.gathered]
	u.part, u.gathered = nil, 0
	u.size += int64(len(content))
	u.crc = crc64nvme.Update(u.crc, content)
	part := &types.CompletedPart{PartNumber: aws.Int32(int32(len(u.parts) + 1))}
	u.parts = append(u.parts, part)
	u.wait.Go(func() {
		defer func() { <-u.slots }()
		if err := u.sendPart(part, content); err != nil {
			u.cancel(err)
		}
		// The SDK lets go of a request's body before it returns, also when the
		// connection is still writing it.
		u.store.buffers.Put(buffer)
	})
	return nil
}

func (u *upload) sendPart(part *types.CompletedPart, content []byte) error {
	sum := checksum(crc64nvme.Checksum(content))
	sent, err := u.store.client.UploadPart(u.ctx, &s3.UploadPartInput{
		Bucket: &u.store.bucket, Key: &u.key, UploadId: &u.id, PartNumber: part.PartNumber,
		Body: bytes.NewReader(content), ContentLength: aws.Int64(int64(len(content))),
		ChecksumCRC64NVME: &sum,
	}, s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
	if err != nil {
		return u.store.failureOf(fmt.Sprintf("upload part %d of", *part.PartNumber), u.key, err)
	}
	part.ETag, part.ChecksumCRC64NVME = sent.ETag, &sum
	return nil
}

// checksum is a CRC64NVME as S3 writes it.
func checksum(crc uint64) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc))
}

// Complete implements bifrost.Upload. S3 has compared each part with its checksum
// by then, and compares the size of the whole; the checksum of the whole, which it
// answers with, is compared here.
//
// The request is sent once. A completion that failed may have reopened the upload after
// whoever fences the partition off has aborted it, so a second one could still create an
// object; and a second one may be reported as successful while the first is undecided.
// The caller checks the key instead, and begins a new upload.
func (u *upload) Complete(ctx context.Context) (bifrost.Stored, error) {
	if u.gathered > 0 || len(u.parts) == 0 {
		if err := u.sendGathered(); err != nil {
			return bifrost.Stored{}, err
		}
	}
	u.wait.Wait()
	if err := context.Cause(u.ctx); err != nil {
		return bifrost.Stored{}, err
	}
	done, err := u.store.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.store.bucket, Key: &u.key, UploadId: &u.id, IfNoneMatch: aws.String("*"),
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.completedParts()},
		MpuObjectSize:   &u.size, ChecksumType: types.ChecksumTypeFullObject,
	}, sentOnce)
	if err != nil {
		return bifrost.Stored{}, u.store.failureOf("complete the upload to", u.key, err)
	}
	u.cancel(u.goneError())
	sum := ofWhole(done.ChecksumCRC64NVME)
	if sum == "" {
		if sum, err = u.confirmObject(ctx, aws.ToString(done.ETag)); err != nil {
			return bifrost.Stored{}, err
		}
	}
	if sent := checksum(u.crc); sum != "" && sum != sent {
		return bifrost.Stored{}, fmt.Errorf("s3://%s/%s was sent with checksum %s and is stored with %s: it is "+
			"damaged; run bifrost verify",
			u.store.bucket, u.key, sent, sum)
	}
	return bifrost.Stored{Size: u.size, Checksum: sum}, nil
}

// sentOnce turns the SDK's repetitions off. Those of Go's own transport are of
// requests of which no byte was written.
func sentOnce(o *s3.Options) { o.Retryer = aws.NopRetryer{} }

// confirmObject asks the object itself whose it is, when a completion was reported as
// successful without the checksum of the whole object. S3 always returns it. versitygw
// does not when it no longer knows the upload: it then reports success as soon as any
// object is at the key, also to an upload that was aborted while another one won, and to
// the retry of a completion that is still running and may yet be refused. The ETag that
// it returns is that of the parts in the request, so it is the object's only if the
// object has these parts.
func (u *upload) confirmObject(ctx context.Context, etag string) (string, error) {
	head, err := u.store.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.store.bucket, Key: &u.key,
		ChecksumMode: types.ChecksumModeEnabled})
	if status(err) == http.StatusNotFound {
		return "", fmt.Errorf("the upload to s3://%s/%s was said to be complete, and no object is there: %w",
			u.store.bucket, u.key, bifrost.ErrUploadGone)
	}
	if err != nil {
		return "", u.store.failureOf("ask for the completed", u.key, err)
	}
	if etag == "" || strings.Trim(aws.ToString(head.ETag), `"`) != strings.Trim(etag, `"`) {
		return "", fmt.Errorf("the upload to s3://%s/%s was said to be complete, and the object there is another "+
			"one: %w", u.store.bucket, u.key, bifrost.ErrExists)
	}
	return ofWhole(head.ChecksumCRC64NVME), nil
}

// ofWhole is a checksum of an object's bytes. A service that does not know such
// checksums for multipart uploads answers with one of the parts' checksums, which
// ends in a hyphen and their number, and tells nothing about the bytes.
func ofWhole(sum *string) string {
	if sum == nil || strings.Contains(*sum, "-") {
		return ""
	}
	return *sum
}

func (u *upload) completedParts() []types.CompletedPart {
	parts := make([]types.CompletedPart, len(u.parts))
	for i, part := range u.parts {
		parts[i] = *part
	}
	return parts
}

// Abort implements bifrost.Upload. It lets the parts arrive that are on their way,
// as long as ctx allows: one that S3 still takes in when the upload is aborted
// may be kept and paid for (API reference, AbortMultipartUpload).
func (u *upload) Abort(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { u.cancel(u.goneError()) })
	u.wait.Wait()
	stop()
	u.cancel(u.goneError())
	if u.part != nil {
		u.store.buffers.Put(u.part)
		u.part, u.gathered = nil, 0
	}
	return u.store.abortUpload(ctx, u.key, u.id)
}

// goneError is what every use of an upload meets that is complete or aborted.
func (u *upload) goneError() error {
	return fmt.Errorf("upload to s3://%s/%s: %w", u.store.bucket, u.key, bifrost.ErrUploadGone)
}

// abortUpload aborts an upload. One that is gone is as good as aborted.
func (s *Store) abortUpload(ctx context.Context, key, id string) error {
	_, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &key,
		UploadId: &id})
	if err != nil && !hasCode(err, codeNoSuchUpload) {
		return s.failureOf("abort the upload to", key, err)
	}
	return nil
}
