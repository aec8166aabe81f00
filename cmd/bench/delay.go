// Connections that are further away than they are.

package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// A farAway is a connection whose other end is further away than it is: what
// arrives is handed over a while later, in order and at any speed. A request and
// its answer take that long more, and requests that do not wait for each other
// take it together.
type farAway struct {
	net.Conn
	delay   time.Duration
	arrived chan arrival
	left    []byte
	err     error
	closed  chan struct{}
	once    sync.Once
}

type arrival struct {
	bytes []byte
	at    time.Time
	err   error
}

// farAwayChunks bounds what is under way to 16 MiB: more than two cores read in
// the delay.
const (
	farAwayChunk  = 256 << 10
	farAwayChunks = 64
)

// dialer connects to what is that far away.
func dialer(delay time.Duration) func(ctx context.Context, network, address string) (net.Conn, error) {
	var near net.Dialer
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := near.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		f := &farAway{
			Conn:    connection,
			delay:   delay,
			arrived: make(chan arrival, farAwayChunks),
			closed:  make(chan struct{}),
		}
		go f.receiveLate()
		return f, nil
	}
}

func (f *farAway) receiveLate() {
	for {
		chunk := make([]byte, farAwayChunk)
		n, err := f.Conn.Read(chunk)
		select {
		case f.arrived <- arrival{chunk[:n], time.Now(), err}:
		case <-f.closed:
			return
		}
		if err != nil {
			return
		}
	}
}

// Read implements net.Conn.
func (f *farAway) Read(into []byte) (int, error) {
	for len(f.left) == 0 {
		if f.err != nil {
			return 0, f.err
		}
		select {
		case a := <-f.arrived:
			time.Sleep(time.Until(a.at.Add(f.delay)))
			f.left, f.err = a.bytes, a.err
		case <-f.closed:
			return 0, io.ErrClosedPipe
		}
	}
	n := copy(into, f.left)
	f.left = f.left[n:]
	return n, nil
}

// Close implements net.Conn.
func (f *farAway) Close() error {
	f.once.Do(func() { close(f.closed) })
	return f.Conn.Close()
}

// farFrom is the configuration of a service that is that far away.
func farFrom(cfg aws.Config, delay time.Duration) aws.Config {
	cfg.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DialContext = dialer(delay)
		t.MaxIdleConnsPerHost = 64
	})
	return cfg
}
