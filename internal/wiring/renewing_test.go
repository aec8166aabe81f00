package wiring

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// A function at work renews until it ends, and not once after that.
func TestRenewing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var begun, ended atomic.Int64
		stop := renewing(func() {
			begun.Add(1)
			time.Sleep(5 * time.Second) // DynamoDB is slow
			ended.Add(1)
		})
		time.Sleep(2*bifrost.RenewEvery + time.Second)
		synctest.Wait()
		if begun.Load() != 2 || ended.Load() != 1 {
			t.Errorf("after two times %v: %d renewals, %d of them through", bifrost.RenewEvery, begun.Load(), ended.Load())
		}
		stop()
		if ended.Load() != 2 {
			t.Error("a renewal is still on its way when the function says that it ends")
		}
		time.Sleep(time.Hour)
		if begun.Load() != 2 {
			t.Errorf("%d renewals after the end", begun.Load()-2)
		}
	})
}
