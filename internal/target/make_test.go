package target

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TestLeadersThatTakeLong: a cluster that makes many partitions, or is busy, is waited for
// longer than for the answer to a request; one that has no leaders at all is given up.
func TestLeadersThatTakeLong(t *testing.T) {
	t.Parallel()
	for took, ends := range map[time.Duration]bool{0: true, 2 * patience: true, 4 * time.Minute: true, time.Hour: false} {
		t.Run(took.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				err := awaitLeaders(t.Context(), func(ctx context.Context) error {
					if time.Since(begun) >= took {
						return nil
					}
					select { // a request that is not answered
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(patience / 2):
						return kerr.LeaderNotAvailable
					}
				})
				if waited := time.Since(begun); ends != (err == nil) || ends && waited < took || !ends && waited > leadersPatience+patience {
					t.Errorf("error %v after %s", err, waited)
				}
			})
		})
	}
}
