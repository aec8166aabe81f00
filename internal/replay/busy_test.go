package replay

import (
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAnotherRunIsSeenWhileItWrites: a position in a transaction that has not ended is
// one of a run at work. Once it has ended, nobody is.
func TestAnotherRunIsSeenWhileItWrites(t *testing.T) {
	t.Parallel()
	cluster := startCluster(t, 1)
	options := optionsOf(cluster)
	look := func(when string, want bool) {
		t.Helper()
		outlook, err := Look(t.Context(), requestOf(100, 1), archived(100, 10), options)
		if err != nil {
			t.Errorf("%s: %v", when, err)
			return
		}
		if p := outlook.Parts[0]; p.Busy != want {
			t.Errorf("%s: busy %v, want %v", when, p.Busy, want)
		}
	}
	look("nobody has written", false)
	var looked atomic.Bool
	duringEnd(cluster, func() {
		looked.Store(true)
		look("at the end of a transaction", true)
	})
	replayAll(t, requestOf(50, 1), archived(50, 10), options)
	look("one run has ended", false)
	replayAll(t, requestOf(100, 1), archived(100, 10), options)
	look("another has ended", false)
	if !looked.Load() {
		t.Error("no transaction has ended")
	}
}

// duringEnd does something once while a transaction is about to be ended.
func duringEnd(cluster *kfake.Cluster, do func()) {
	cluster.ControlKey(int16(kmsg.EndTxn), func(kmsg.Request) (kmsg.Response, error, bool) {
		cluster.SleepControl(do)
		return nil, nil, false
	})
}
