// How objects are read.

package s3store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// tailSize is what Open reads of an object's end: its footer and its summary,
// the index of all but the largest, and the whole of a small object.
const tailSize = 64 << 10

// Open implements bifrost.Store. It costs one GET, of the object's tail, and one
// HEAD, because S3 says the checksum of an object in no answer to a ranged GET.
// The GET comes first: its answer has a body, and so tells an absent object from
// an absent bucket. Reads of the tail cost nothing more.
func (s *Store) Open(ctx context.Context, key string) (bifrost.Object, error) {
	o := &object{store: s, ctx: ctx, key: key}
	if err := o.readTail(); err != nil {
		return nil, s.unreadableError(key, err)
	}
	head, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &s.bucket, Key: &key, IfMatch: o.etag, ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil {
		return nil, fmt.Errorf("ask for the checksum of s3://%s/%s: %w", s.bucket, key, o.replacedError(err))
	}
	o.stored = bifrost.Stored{Size: aws.ToInt64(head.ContentLength), Checksum: ofWhole(head.ChecksumCRC64NVME)}
	if o.stored.Size != o.tailStart+int64(len(o.tail)) {
		return nil, fmt.Errorf("open s3://%s/%s: it has %d bytes by one answer and %d by another",
			s.bucket, key, o.tailStart+int64(len(o.tail)), o.stored.Size)
	}
	return o, nil
}

// unreadableError adds what to do when S3 does not say whether an object exists.
func (s *Store) unreadableError(key string, err error) error {
	if status(err) == http.StatusForbidden {
		return fmt.Errorf("open s3://%s/%s: access denied; S3 also answers this for an absent key unless the role has "+
			"s3:ListBucket on the bucket beside s3:GetObject on its objects: %w", s.bucket, key, err)
	}
	return s.failureOf("open", key, err)
}

// object is an object in the bucket.
type object struct {
	store  *Store
	ctx    context.Context
	key    string
	etag   *string
	stored bifrost.Stored

	tail      []byte
	tailStart int64 // byte position of tail in the object
}

// Stored implements bifrost.Object.
func (o *object) Stored() bifrost.Stored { return o.stored }

// ReadAt implements io.ReaderAt. What lies before the tail costs one ranged GET.
func (o *object) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read s3://%s/%s at byte %d: negative position", o.store.bucket, o.key, off)
	}
	if left := o.stored.Size - off; int64(len(p)) > left {
		n, err := o.readInside(p[:max(0, left)], off)
		if err == nil {
			err = io.EOF
		}
		return n, err
	}
	return o.readInside(p, off)
}

// readInside reads a range that lies in the object.
func (o *object) readInside(p []byte, off int64) (int, error) {
	before := min(max(0, o.tailStart-off), int64(len(p)))
	n, err := o.readBefore(p[:before], off)
	if err != nil || int64(len(p)) == before {
		return n, err
	}
	return n + copy(p[n:], o.tail[off+before-o.tailStart:]), nil
}

// readBefore reads a range by GET. The SDK repeats a request that fails, but not
// one whose answer breaks off in its body: that is done here, from where it broke.
func (o *object) readBefore(p []byte, off int64) (int, error) {
	n := 0
	for attempt := 1; n < len(p); attempt++ {
		first, last := off+int64(n), off+int64(len(p))-1
		got, err := o.getRange(p[n:], first, last)
		n += got
		if err != nil && (attempt == maxAttempts || !errors.Is(err, io.ErrUnexpectedEOF)) {
			return n, fmt.Errorf("read bytes %d to %d of s3://%s/%s: %w", first, last, o.store.bucket, o.key,
				o.replacedError(err))
		}
	}
	return n, nil
}

// replacedError says what it means that the object is not the one that was opened.
func (o *object) replacedError(err error) error {
	if status(err) == http.StatusPreconditionFailed {
		return fmt.Errorf("somebody replaced the object while it was read: %w", err)
	}
	return err
}

// getRange fills p from a range, both ends of which are in it. io.ErrUnexpectedEOF says
// that the body broke off.
func (o *object) getRange(p []byte, first, last int64) (int, error) {
	answer, err := o.store.client.GetObject(o.ctx, &s3.GetObjectInput{
		Bucket: &o.store.bucket, Key: &o.key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", first, last)),
		IfMatch: o.etag,
	})
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	// A service or a proxy that knows no ranges answers with another stretch.
	if told := aws.ToString(answer.ContentRange); !strings.HasPrefix(told, fmt.Sprintf("bytes %d-", first)) {
		return 0, fmt.Errorf("the answer is of another stretch: Content-Range %q", told)
	}
	n, err := io.ReadFull(answer.Body, p)
	if err != nil && o.ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	return n, err
}

// readTail reads the last tailSize bytes, or all there are.
func (o *object) readTail() error {
	for attempt := 1; ; attempt++ {
		err := o.tryReadTail()
		if err == nil || attempt == maxAttempts || !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
	}
}

func (o *object) tryReadTail() error {
	answer, err := o.store.client.GetObject(o.ctx, &s3.GetObjectInput{
		Bucket: &o.store.bucket, Key: &o.key, Range: aws.String(fmt.Sprintf("bytes=-%d", tailSize)),
	})
	if status(err) == http.StatusRequestedRangeNotSatisfiable {
		return nil // an empty object has no last byte
	}
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if o.tail, err = io.ReadAll(io.LimitReader(answer.Body, tailSize+1)); err != nil {
		return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	o.etag = answer.ETag
	o.tailStart, err = tailStart(aws.ToString(answer.ContentRange), int64(len(o.tail)))
	return err
}

// tailStart reads "bytes 100-199/200" (RFC 9110, Content-Range). A service that
// answers with the whole object leaves the header out.
func tailStart(contentRange string, length int64) (int64, error) {
	if contentRange == "" && length <= tailSize {
		return 0, nil
	}
	span, size, _ := strings.Cut(strings.TrimPrefix(contentRange, "bytes "), "/")
	first, _, _ := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	if err != nil || strconv.FormatInt(start+length, 10) != size {
		return 0, fmt.Errorf("asked for the last %d bytes, got %d with Content-Range %q", tailSize, length,
			contentRange)
	}
	return start, nil
}
