package s3store

import (
	"fmt"
	"io"
	"testing"
)

// TestCutAnswersAreAskedForAgain: an answer that ends too early is no answer, whatever
// of the SDK wraps it. One that was refused is.
func TestCutAnswersAreAskedForAgain(t *testing.T) {
	t.Parallel()
	r := newRetryer()
	if !r.IsErrorRetryable(fmt.Errorf("deserialization failed, %w", io.ErrUnexpectedEOF)) {
		t.Error("an answer that was cut is taken for one")
	}
	if r.IsErrorRetryable(fmt.Errorf("api error AccessDenied: %s", io.ErrUnexpectedEOF)) {
		t.Error("a refusal is asked for again")
	}
	if r.MaxAttempts() != maxAttempts {
		t.Errorf("%d attempts, want %d", r.MaxAttempts(), maxAttempts)
	}
}
