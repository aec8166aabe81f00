// Connections on which an answer may take long while data arrives.

package kafka

import (
	"net"
	"sync"
	"time"
)

// slowConn lets an answer take as long as it needs while data keeps arriving. franz-go
// has one timeout for a complete answer, which is right for a broker that says nothing;
// but a batch of many megabytes, which arrives whole or not at all, can take longer.
type slowConn struct {
	net.Conn
	mu      sync.Mutex
	silence time.Duration // the longest that is borne; 0: any, or reading is to end
}

// SetReadDeadline implements net.Conn.
func (c *slowConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silence = 0
	if !t.IsZero() {
		c.silence = max(0, time.Until(t))
	}
	return c.Conn.SetReadDeadline(t)
}

// Read implements net.Conn.
func (c *slowConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 && c.silence > 0 {
		_ = c.Conn.SetReadDeadline(time.Now().Add(c.silence)) // of a closed connection, which the next Read says
	}
	return n, err
}
