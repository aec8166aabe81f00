//go:build real

package killtest

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// versions lists the IDs of every version of every key, delete markers among
// them, in pages of at most pageSize. versitygw 1.8.0 begins a page with the last
// version of the page before, where S3 begins it with the next one; so a version
// counts once, however often it is listed.
func versions(t *testing.T, client *s3.Client, bucket string, pageSize int32) (all, deletions map[string][]string) {
	t.Helper()
	all, deletions = map[string][]string{}, map[string][]string{}
	pages := s3.NewListObjectVersionsPaginator(client, &s3.ListObjectVersionsInput{Bucket: &bucket, MaxKeys: &pageSize})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		must(t, err)
		for _, version := range page.Versions {
			addOnce(all, *version.Key, *version.VersionId)
		}
		for _, marker := range page.DeleteMarkers {
			addOnce(deletions, *marker.Key, *marker.VersionId)
		}
	}
	return all, deletions
}

func addOnce(ids map[string][]string, key, id string) {
	if !slices.Contains(ids[key], id) {
		ids[key] = append(ids[key], id)
	}
}

// The judge has to see an object that was overwritten, wherever the pages of the
// listing end, and none that was not.
func TestVersions(t *testing.T) {
	t.Parallel()
	client := s3.NewFromConfig(localservices.S3(t).Config())
	bucket := newBucket(t, client)
	put := func(key string) string {
		answer, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(key)})
		must(t, err)
		return aws.ToString(answer.VersionId)
	}
	want := map[string][]string{}
	for i := range 12 {
		key := fmt.Sprintf("kill/clicks/partition=%d/%020d.baldr.gz", i/6, i)
		for range 1 + i%3 {
			want[key] = append(want[key], put(key))
		}
	}
	for pageSize := int32(2); pageSize < 30; pageSize++ {
		got, deletions := versions(t, client, bucket, pageSize)
		if len(got) != len(want) || len(deletions) != 0 {
			t.Errorf("pages of %d: %d keys and %d deleted, want %d and none", pageSize, len(got), len(deletions), len(want))
		}
		for key, ids := range want {
			slices.Sort(got[key])
			slices.Sort(ids)
			if !slices.Equal(got[key], ids) {
				t.Errorf("pages of %d: %s has versions %v, want %v", pageSize, key, got[key], ids)
			}
		}
	}
}

// newBucket makes a bucket that keeps every version.
func newBucket(t *testing.T, client *s3.Client) string {
	t.Helper()
	name := "kill-" + strings.ToLower(rand.Text()[:12])
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
	must(t, err)
	_, err = client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: &name, VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled},
	})
	must(t, err)
	return name
}
