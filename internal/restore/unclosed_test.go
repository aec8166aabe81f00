package restore

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// counted is a connection that counts its end.
type counted struct {
	net.Conn
	closed atomic.Bool
	open   *atomic.Int64
}

func (c *counted) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// A step leaves no connection to the target open, whichever way it goes: a job's function
// lives on after it.
func TestStepsCloseTheirConnections(t *testing.T) {
	t.Parallel()
	w := newWhole(t)
	var open, dialed atomic.Int64
	w.Client = append(w.Client, kgo.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		open.Add(1)
		dialed.Add(1)
		return &counted{Conn: connection, open: &open}, nil
	}))
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"plan", func() error { _, err := w.Planned(t.Context(), w.look()); return err }},
		{"drill", func() error { _, err := w.Drill(t.Context(), 1<<20); return err }},
		{"look again", func() error { w.look(); return nil }}, // now topics are there
		{"restore", func() error {
			w.Groups, w.ACLs, w.Topics.Include = true, true, nil
			_, err := w.Restorer.Run(t.Context(), w.look())
			return err
		}},
		{"finish", func() error { _, err := w.Finish(t.Context(), w.look()); return err }},
	} {
		before := dialed.Load()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for deadline := time.Now().Add(10 * time.Second); open.Load() > 0 && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond)
		}
		if n := open.Load(); n > 0 || dialed.Load() == before {
			t.Errorf("%s: %d of %d connections are open", step.name, n, dialed.Load()-before)
		}
	}
}
