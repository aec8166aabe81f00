// The gateway as a whole.

package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// DefaultMemory is how many bytes a gateway keeps to unless told otherwise.
const DefaultMemory = 512_000_000

// LeastMemory is the least that a gateway can work with.
const LeastMemory = 64_000_000

// Options are what a gateway is made of.
type Options struct {
	Catalogue readback.Catalogue
	Objects   readback.Objects
	Topics    bifrost.TopicFilter // what is there at all, by Kafka's name; the zero value is everything
	Advertise string              // host:port that clients are told; empty: the address that it listens on
	Live      *Live               // nil: the archive alone
	Users     *Users              // nil: nobody has to say who they are
	TLS       *tls.Config         // nil: connections are not encrypted
	SkipLost  bool                // a recorded gap is passed over as if it had been compacted
	Codec     recordbatch.Codec   // of the batches
	Memory    int64               // bytes; 0 is DefaultMemory
	Log       *slog.Logger
	Now       func() time.Time // nil is time.Now

	errorPause time.Duration // 0 is the usual one
}

// Gateway serves an archive to Kafka's clients.
type Gateway struct {
	options Options
	log     *slog.Logger
	now     func() time.Time
	reader  readback.Reader
	host    string
	port    int32
	memory  *memory
	spare   *spare
	cache   *cache
	topics  *topics
	metrics *metrics
	losses  *lossLog
	live    *live // nil: the archive alone
	offers  map[int16]offer
	moves   moves

	// Reads of the store last until the gateway ends, whoever asked for them first.
	ctx      context.Context
	end      context.CancelFunc
	draining chan struct{} // closed when no request is begun any more
	drain    func()
	open     connections
	active   sync.WaitGroup // their goroutines
	reading  atomic.Int64   // partitions that are fetched, by all connections
	indexed  indexed
}

// New reads which topics there are, and makes a gateway that serves them. ErrOtherCluster: the
// live cluster is not theirs.
func New(ctx context.Context, o Options) (*Gateway, error) {
	o.Memory, o.errorPause = cmp.Or(o.Memory, DefaultMemory), cmp.Or(o.errorPause, errorPause)
	if o.Memory < LeastMemory {
		return nil, fmt.Errorf("%d bytes of memory are too few: a gateway needs %d", o.Memory, int64(LeastMemory))
	}
	g := &Gateway{
		options: o, log: o.Log, now: o.Now, draining: make(chan struct{}),
		reader: readback.Reader{Catalogue: o.Catalogue, Objects: o.Objects},
		memory: newMemory(o.Memory), spare: &spare{}, losses: newLossLog(o.Log), offers: offers,
	}
	if g.now == nil {
		g.now = time.Now
	}
	g.drain = sync.OnceFunc(func() {
		close(g.draining)
		g.open.stopReading()
	})
	g.ctx, g.end = context.WithCancel(context.WithoutCancel(ctx))
	g.metrics = newMetrics(g)
	g.cache = newCache(g)
	g.topics = &topics{gateway: g}
	if err := g.connectAndReadTopics(ctx); err != nil {
		g.end()
		return nil, err
	}
	return g, nil
}

// connectAndReadTopics connects to the live cluster, if there is to be one, before it reads which topics there
// are: the cluster decides which life of a topic is the present one.
func (g *Gateway) connectAndReadTopics(ctx context.Context) (err error) {
	if g.options.Live != nil {
		if g.live, err = newLive(ctx, g.options, g.now); err != nil {
			return err
		}
		g.offers, err = g.live.offers(ctx)
	}
	if err == nil {
		err = g.topics.refresh(ctx)
	}
	if err == nil {
		err = g.topics.checkCluster()
	}
	if err != nil && g.live != nil {
		g.live.shared.Close()
	}
	return err
}

// Partitions are the numbers of topics and partitions that are served.
func (g *Gateway) Partitions() (topics, partitions int) {
	all := g.topics.current()
	for _, t := range all.byName {
		partitions += len(t.partitions)
	}
	return len(all.byName), partitions
}

// drainTime is how long what is on its way when the gateway ends has to end. It is a
// variable because in tests all of it has to end by itself.
var drainTime = 10 * time.Second

// Serve answers the clients that connect to the listener until ctx ends. What is on
// its way then is answered, and the connections are closed.
func (g *Gateway) Serve(ctx context.Context, listener net.Listener) error {
	if err := g.advertise(listener.Addr()); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() {
		g.drain()
		listener.Close()
	})
	defer stop()
	if g.live != nil {
		defer g.live.shared.Close()
		g.active.Go(g.watchGroups)
	}
	err := g.accept(ctx, listener)
	g.drain()
	kill := time.AfterFunc(drainTime, g.end)
	g.active.Wait()
	kill.Stop()
	g.end()
	return err
}

func (g *Gateway) accept(ctx context.Context, listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("listen on %s: %w", listener.Addr(), err)
		case err != nil:
			// No more file descriptors, most often: those that are there go on.
			g.log.Error("a connection could not be accepted", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		if g.options.TLS != nil {
			conn = tls.Server(conn, g.options.TLS)
		}
		g.active.Go(func() { newConnection(g, conn).serve() })
	}
}

// advertise settles the address that clients are told.
func (g *Gateway) advertise(listening net.Addr) error {
	address := cmp.Or(g.options.Advertise, listening.String())
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("address for clients %q: %w", address, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("address for clients %q: want host:port with a port of 1 to 65535", address)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("address for clients %q: nobody can connect to it; "+
			"say with --advertise which one clients can", address)
	}
	g.host, g.port = host, int32(n)
	return nil
}
