package main

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
)

// elsewhere is the sandbox with another bucket and other tables, which are not there.
func (s *sandbox) elsewhere(name string) *sandbox {
	other := *s
	other.bucket = name
	other.tables = dynamoledger.Tables{Progress: name + "-progress", Objects: name + "-objects"}
	other.env = append(append([]string{}, s.env...), "BIFROST_BUCKET="+name,
		"BIFROST_PROGRESS_TABLE="+other.tables.Progress, "BIFROST_OBJECTS_TABLE="+other.tables.Objects)
	return &other
}

// What init makes is enough to archive, it may be run again, and it touches neither
// rows nor the settings of a bucket that holds something.
func TestInitMakesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	must(t, s.topic(t.Context(), s.topics+"-a", 1))
	must(t, s.produce(t.Context(), numbered(s.topics+"-a", 0, 0, 5)...))
	other := s.elsewhere(s.bucket + "-made")
	if printed := other.bifrost(t, "init", "--print"); strings.Count(printed, "\n") < 10 || !strings.Contains(printed, "aws s3api create-bucket") {
		t.Errorf("init --print: %s", printed)
	}
	if _, err := other.store.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &other.bucket}); err == nil {
		t.Fatal("init --print has made the bucket")
	}
	other.run(t, "init").must(t, 0, "Made the bucket "+other.bucket, "Made the table "+other.tables.Objects)
	other.run(t, "init").must(t, 0, "is there and empty: it got its settings", "The table "+other.tables.Progress+" is there")
	other.bifrost(t, "flush")
	other.run(t, "init").must(t, 0, "holds something: its settings were left as they are")
	if got := other.bifrost(t, "cat", s.topics+"-a"); strings.Count(got, "\n") != 5 {
		t.Errorf("archived behind init: %q", got)
	}
	stranger := httptest.NewTLSServer(http.NotFoundHandler())
	defer stranger.Close()
	unknown := *other
	unknown.env = append(slices.Clip(other.env), "AWS_ENDPOINT_URL_DYNAMODB="+stranger.URL)
	unknown.run(t, "init").must(t, 1, "what answers there is not known to be AWS: look at AWS_ENDPOINT_URL")
	other.run(t, "init", "--transition-class", "TAPE").must(t, 2, "want STANDARD_IA")
	other.run(t, "init", "--lock-mode", "none", "--expiration-days", "-1").must(t, 2, "want 0 or more")
	other.run(t, "init", "--progress-table", other.tables.Objects).must(t, 1, "is none of Bifrost's")
}
