// The way of a client to the live cluster.

package gateway

import (
	"context"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// What brokers know gateways as. A member of a group that came through one has a client
// ID that begins so, by which each gateway knows the members of all.
const (
	ownClientID    = "bifrost-serve"
	memberClientID = ownClientID + "."
	mostClientID   = 200 // characters of a client's own
)

// upstreamClient is this client's own way to the live cluster. Brokers answer a
// connection's requests one after another, and a JoinGroup waits for the other members:
// two members behind one connection would wait for each other. franz-go has a
// connection for joins, one for fetches and one for the rest.
func (c *connection) upstreamClient() (*kgo.Client, error) {
	if c.upstream != nil {
		return c.upstream, nil
	}
	name := strings.ToValidUTF8(c.client, "?")
	if len(name) > mostClientID {
		name = strings.ToValidUTF8(name[:mostClientID], "?")
	}
	client, err := c.options.Live.connect(memberClientID + name)
	if err != nil {
		return nil, err
	}
	c.upstream = client
	return client, nil
}

func (c *connection) leaveUpstream() {
	if c.upstream != nil {
		c.upstream.Close()
	}
}

// pinned is a request that is passed on in the version in which it came: what a client
// understands of the answer depends on it.
type pinned struct {
	kmsg.Request
	version int16
	waits   int32 // milliseconds that the answer may take by itself
}

// MaxVersion implements kmsg.Request.
func (p pinned) MaxVersion() int16 { return p.version }

// Timeout implements kmsg.TimeoutRequest.
func (p pinned) Timeout() int32 { return p.waits }

// ask passes a request about a group on to its coordinator.
func (c *connection) ask(ctx context.Context, group string, request kmsg.Request, waits int32) (kmsg.Response, error) {
	client, err := c.upstreamClient()
	if err != nil {
		return nil, err
	}
	ctx, stop := c.untilDrained(ctx)
	defer stop()
	node, err := c.live.coordinator(ctx, group)
	if err != nil {
		return nil, err
	}
	version := request.GetVersion()
	response, err := client.Broker(int(node)).Request(ctx, pinned{request, version, waits})
	if err != nil {
		c.live.coordinatorMoved(group)
		return nil, err
	}
	response.SetVersion(version)
	return response, nil
}
