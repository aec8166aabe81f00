//go:build real

package s3store_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// Uploads that meet at a key, in every second round with answers that get lost: one
// of them makes the object, nobody else is told success, and nothing is overwritten.
func TestUploadsMeetAtAKey(t *testing.T) {
	t.Parallel()
	cfg := localservices.S3(t).Config()
	bucket := newBucket(t, cfg)
	client := s3.NewFromConfig(cfg)
	_, err := client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	faults := httpfault.New(http.DefaultTransport)
	cfg.HTTPClient = &http.Client{Transport: faults}
	f := faulty{s3store.New(cfg, bucket), t, faults}
	f.must(err)
	const rounds, uploads = 25, 6
	for round := range rounds {
		key := fmt.Sprintf("archive/orders/partition=0/%020d.baldr.gz", round)
		if round%2 == 1 {
			f.faults.Next(isComplete, httpfault.LoseAnswer, appliedBut500, httpfault.Pass, httpfault.LoseAnswer, httpfault.Pass, httpfault.LoseAnswer)
		}
		f.meet(key, uploads, round%2 == 1)
	}
	listed, err := client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket})
	f.must(err)
	if len(listed.Versions) != rounds || len(listed.DeleteMarkers) > 0 {
		t.Errorf("%d versions and %d delete markers of %d objects", len(listed.Versions), len(listed.DeleteMarkers), rounds)
	}
}

// meet lets uploads of different contents and a PutObject reach a key at once. When
// answers get lost, nobody sends the request again, and whoever has won may not
// have heard of it.
func (f faulty) meet(key string, uploads int, lost bool) {
	f.Helper()
	var group sync.WaitGroup
	results := make([]error, uploads)
	for i := range uploads {
		upload, err := f.Create(f.Context(), key)
		f.must(err)
		_, err = upload.Write([]byte{'0' + byte(i)})
		f.must(err)
		group.Go(func() { _, results[i] = upload.Complete(f.Context()) })
	}
	group.Go(func() {
		// versitygw 1.8.0 with metadata in files, as localservices starts it, writes the
		// ETag that the condition looks at before it puts the object in its place:
		// for a moment it refuses because an object is there, and shows none. A
		// worker or a tick that meets that fails and is repeated; what counts here is
		// who has won.
		_, err := f.CreateOnce(f.Context(), key, []byte("put"))
		if errors.Is(err, bifrost.ErrNotFound) {
			f.Logf("%s: refused because it is there, and then not found: %v", key, err)
		} else if err != nil {
			f.Errorf("%s: create once: %v", key, err)
		}
	})
	group.Wait()
	content, err := f.CreateOnce(f.Context(), key, []byte("too late"))
	f.must(err)
	for i, err := range results {
		mine := string(content) == string([]byte{'0' + byte(i)})
		told := err == nil || errors.Is(err, bifrost.ErrExists)
		if (err == nil && !mine) || (!lost && (mine != (err == nil) || !told)) {
			f.Errorf("%s holds %q, upload %d was told: %v", key, content, i, err)
		}
	}
}

// An upload that was aborted while another one won is not told that it has won.
// versitygw says 200 to it, S3 that there is no such upload.
func TestAbortedUploadIsNotTheWinner(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	f.faults.Next(isComplete, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		ctx := context.WithoutCancel(f.Context())
		f.must(f.AbortUploads(ctx, "archive/"))
		if _, err := f.CreateOnce(ctx, key, []byte("winner")); err != nil {
			f.Error(err)
		}
		return next.RoundTrip(r)
	})
	_, err := f.put([]byte("late"))
	if !errors.Is(err, bifrost.ErrExists) && !errors.Is(err, bifrost.ErrUploadGone) {
		t.Errorf("the loser was told: %v; want ErrExists or ErrUploadGone", err)
	}
	f.holds([]byte("winner"))
}

// A success that names no checksum and shows no object is no success.
func TestCompletionWithoutProof(t *testing.T) {
	t.Parallel()
	answer := `<CompleteMultipartUploadResult><Key>` + key + `</Key><ETag>&quot;0-1&quot;</ETag></CompleteMultipartUploadResult>`
	f := newFaulty(t)
	f.faults.Next(isComplete, httpfault.Answer(200, nil, answer))
	if _, err := f.put([]byte("early")); !errors.Is(err, bifrost.ErrUploadGone) {
		t.Errorf("with nothing at the key: %v, want ErrUploadGone", err)
	}
	_, err := f.put([]byte("winner"))
	f.must(err)
	f.faults.Next(isComplete, httpfault.Answer(200, nil, answer))
	if _, err := f.put([]byte("late")); !errors.Is(err, bifrost.ErrExists) {
		t.Errorf("with another object at the key: %v, want ErrExists", err)
	}
	f.holds([]byte("winner"))
}
