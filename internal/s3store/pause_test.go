package s3store

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// The pauses of a request that is repeated are as long as S3 needs to make room,
// and end long before a function does.
func TestPauses(t *testing.T) {
	t.Parallel()
	all := time.Duration(0)
	for attempt := 1; attempt < maxAttempts; attempt++ {
		longest := time.Duration(0)
		for range 500 {
			d, err := pause(attempt, nil)
			if err != nil || d < 0 {
				t.Fatalf("pause %v, error %v", d, err)
			}
			longest = max(longest, d)
		}
		want := 200 * time.Millisecond << (attempt - 1)
		if longest > want || longest < want/2 {
			t.Errorf("after attempt %d: up to %v, want up to %v", attempt, longest, want)
		}
		all += longest
	}
	if all < 15*time.Second || all > 40*time.Second {
		t.Errorf("all pauses take up to %v, want about half a minute", all)
	}
}

// An upload that would need more parts than S3 takes says so instead of losing what
// is beyond.
func TestMoreThanAllParts(t *testing.T) {
	t.Parallel()
	u := &upload{store: &Store{bucket: "bucket"}, key: "key", ctx: t.Context(), slots: make(chan struct{}, 1)}
	u.parts = append(u.parts, make([]*types.CompletedPart, maxParts)...)
	if err := u.sendGathered(); err == nil {
		t.Error("no error")
	}
}
