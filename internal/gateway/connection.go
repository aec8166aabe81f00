// The connection of one client.

package gateway

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// mostRequest is the largest request that is read, in bytes: a fetch of ten thousand
	// partitions, or what a producer sends at its defaults, which is refused.
	mostRequest = 1<<20 + 64<<10
	// smallRequest is what every connection may send at any time. Before a client has said
	// who it is it may not send more.
	smallRequest = 8 << 10
	// decodedBytes is how many bytes of memory one byte of a request can become: the length
	// of an array is believed as long as there may be as many bytes, and its elements are
	// much larger than those.
	decodedBytes = 128
)

// How long a client may take. They are variables because tests have no such patience.
var (
	greetTime = 30 * time.Second // to say who it is
	frameTime = 30 * time.Second // to send a request that it has begun
	writeTime = 30 * time.Second // to take an answer, and a second for each writeRate bytes of it
)

const writeRate = 64 << 10

// connection is one client. Its requests are answered one after another, as brokers do.
type connection struct {
	*Gateway
	conn   net.Conn
	client string // as it calls itself, for the log
	login  login
	turn   int   // of the partitions that are fetched
	reads  int64 // from how many it fetches

	upstream  *kgo.Client // to the live cluster; nil until it is needed
	passed    map[*partition]*passed
	ahead     map[*partition]*readAhead
	rebalance int32 // milliseconds that the other members of its group may take
}

func newConnection(g *Gateway, conn net.Conn) *connection {
	return &connection{
		Gateway: g, conn: conn, login: login{done: g.options.Users == nil}, ahead: map[*partition]*readAhead{},
	}
}

// readAheadOf is what reads ahead of this client in a partition.
func (c *connection) readAheadOf(p *partition) *readAhead {
	a := c.ahead[p]
	if a == nil {
		a = &readAhead{partition: p}
		c.ahead[p] = a
	}
	return a
}

// readsFrom notes from how many partitions the connection fetches; 0 when it is over.
func (c *connection) readsFrom(partitions int64) {
	c.reading.Add(partitions - c.reads)
	c.reads = partitions
}

// errBye closes a connection without a word in the log: the client knows why.
var errBye = errors.New("the connection is over")

func (c *connection) serve() {
	defer c.conn.Close()
	defer c.readsFrom(0)
	defer c.leaveUpstream()
	defer func() {
		if fault := recover(); fault != nil {
			c.log.Error("a request ended in a fault of the gateway", "client", c.conn.RemoteAddr(),
				"fault", fault, "stack", string(debug.Stack()))
		}
	}()
	c.metrics.connections.Inc()
	defer c.metrics.connections.Dec()
	c.open.add(c.conn)
	defer c.open.remove(c.conn)
	began := time.Now()
	for {
		err := c.next(began)
		if err == nil {
			continue
		}
		if !expected(err) {
			c.log.Info("a connection ends", "client", c.conn.RemoteAddr(), "client_id", c.client,
				"user", c.login.name, "error", err)
		}
		return
	}
}

// expected reports whether connections end so every day.
func expected(err error) bool {
	for _, usual := range []error{errBye, io.EOF, net.ErrClosed, os.ErrDeadlineExceeded, syscall.ECONNRESET,
		syscall.EPIPE} {
		if errors.Is(err, usual) {
			return true
		}
	}
	return false
}

// next answers one request.
func (c *connection) next(began time.Time) error {
	deadline := time.Time{}
	if !c.login.done {
		deadline = began.Add(greetTime)
	}
	if err := c.conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	if c.drained() {
		return errBye
	}
	var length [4]byte
	if _, err := io.ReadFull(c.conn, length[:]); err != nil {
		return err
	}
	answer, err := c.receive(int64(int32(binary.BigEndian.Uint32(length[:]))))
	if err != nil {
		return err
	}
	defer answer.release()
	patience := writeTime + time.Duration(answer.size()/writeRate)*time.Second
	if err := c.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	sent, err := answer.parts.WriteTo(c.conn)
	c.metrics.sent.Add(float64(sent))
	return err
}

// answer is what is sent, and the memory that it has until it is.
type answer struct {
	parts   net.Buffers
	release func()
}

func (a answer) size() (bytes int) {
	for _, part := range a.parts {
		bytes += len(part)
	}
	return bytes
}

// receive reads a request of so many bytes, and answers it.
func (c *connection) receive(length int64) (answer, error) {
	most := int64(mostRequest)
	if !c.login.done {
		most = smallRequest
	}
	if length < 10 || length > most {
		return answer{}, fmt.Errorf("a request of %d bytes: at least 10 and at most %d are read", length, most)
	}
	body, err := c.read(length)
	if err != nil {
		return answer{}, err
	}
	request, correlation, err := c.decode(body)
	if err != nil {
		return answer{}, err
	}
	return c.answer(request, correlation)
}

func (c *connection) read(length int64) ([]byte, error) {
	if length > smallRequest {
		release, err := c.memory.frames.take(c.ctx, length)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	if c.login.done {
		if err := c.conn.SetReadDeadline(time.Now().Add(frameTime)); err != nil {
			return nil, err
		}
	}
	body := make([]byte, length)
	_, err := io.ReadFull(c.conn, body)
	return body, err
}

// decode reads a request within the memory that all requests may take.
func (c *connection) decode(body []byte) (kmsg.Request, int32, error) {
	release, err := c.memory.requests.take(c.ctx, int64(len(body))*decodedBytes)
	if err != nil {
		return nil, 0, err
	}
	defer release()
	request, correlation, client, err := decode(body)
	if err == nil {
		c.client = client
	}
	return request, correlation, err
}

// errVersion says that a client asks in a version that was not offered to it.
type errVersion struct{ request kmsg.Request }

// Error implements error.
func (e errVersion) Error() string {
	name := kmsg.NameForKey(e.request.Key())
	return fmt.Sprintf("request %s in version %d, which is not offered", name, e.request.GetVersion())
}

// decode reads a request with its header.
func decode(body []byte) (request kmsg.Request, correlation int32, client string, err error) {
	reader := kbin.Reader{Src: body}
	key, version := reader.Int16(), reader.Int16()
	correlation = reader.Int32()
	if id := reader.NullableString(); id != nil {
		client = string([]byte(*id))
	}
	offered, ok := offers[key]
	if !ok || !reader.Ok() {
		return nil, 0, "", fmt.Errorf("request %d in version %d is not offered", key, version)
	}
	request = kmsg.RequestForKey(key)
	request.SetVersion(version)
	if key == int16(kmsg.ApiVersions) {
		// What else it says is not read: it may come from anybody, and has nothing that
		// is needed. In a version of the future it is answered as well (KIP-511).
		return request, correlation, client, nil
	}
	if version < offered.least || version > offered.most {
		return nil, 0, "", errVersion{request}
	}
	if request.IsFlexible() {
		skipTags(&reader)
	}
	if !reader.Ok() {
		return nil, 0, "", fmt.Errorf("the header of request %s is cut", kmsg.NameForKey(key))
	}
	if request.IsFlexible() {
		if err := checkShape(key, version, reader.Src); err != nil {
			return nil, 0, "", fmt.Errorf("request %s in version %d: %w", kmsg.NameForKey(key), version, err)
		}
	}
	if err := request.ReadFrom(reader.Src); err != nil {
		return nil, 0, "", fmt.Errorf("request %s in version %d: %w", kmsg.NameForKey(key), version, err)
	}
	return request, correlation, client, nil
}

// skipTags passes over the tags of a header. kmsg's own believes any number of them, and
// counts to it.
func skipTags(reader *kbin.Reader) {
	tags := reader.Uvarint()
	for ; tags > 0 && reader.Ok(); tags-- {
		reader.Uvarint()
		reader.Span(int(reader.Uvarint()))
	}
}

// answer finds the answer to a request.
func (c *connection) answer(request kmsg.Request, correlation int32) (answer, error) {
	offered := c.offers[request.Key()]
	version, always := request.GetVersion(), request.Key() == int16(kmsg.ApiVersions)
	if !always && (version < offered.least || version > offered.most) {
		return answer{}, errVersion{request}
	}
	if !c.login.done && !offered.beforeLogin {
		name := kmsg.NameForKey(request.Key())
		return answer{}, fmt.Errorf("request %s before the client has said who it is (SASL)", name)
	}
	c.metrics.requests.WithLabelValues(kmsg.NameForKey(request.Key())).Inc()
	var held hold
	response, err := offered.answer(c, c.ctx, request, &held)
	if err != nil {
		held.release()
		return answer{}, err
	}
	header := make([]byte, 8, 512)
	if response.IsFlexible() && response.Key() != int16(kmsg.ApiVersions) {
		header = append(header, 0) // no tags in the header
	}
	made := answer{release: held.release}
	if fetched, ok := response.(*kmsg.FetchResponse); ok {
		made.parts = fetchParts(header, fetched)
	} else {
		made.parts = net.Buffers{response.AppendTo(header)}
	}
	begin := made.parts[0]
	binary.BigEndian.PutUint32(begin, uint32(made.size()-4))
	binary.BigEndian.PutUint32(begin[4:], uint32(correlation))
	return made, nil
}

// hold is the memory of an answer.
type hold struct {
	bytes  int      // about how many it has
	memory func()   // releases them in their pool
	lent   []func() // give back what is sent from where it lies
}

// release is called once the answer is sent.
func (h *hold) release() {
	h.releaseMemory()
	for _, giveBack := range h.lent {
		giveBack()
	}
	h.lent = nil
}

func (h *hold) releaseMemory() {
	if h.memory != nil {
		h.memory()
		h.memory = nil
	}
}

// connections are those that are open.
type connections struct {
	mutex sync.Mutex
	all   map[net.Conn]bool
}

func (c *connections) add(conn net.Conn) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.all == nil {
		c.all = map[net.Conn]bool{}
	}
	c.all[conn] = true
}

func (c *connections) remove(conn net.Conn) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.all, conn)
}

// stopReading ends the wait for further requests. What was read is answered.
func (c *connections) stopReading() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for conn := range c.all {
		_ = conn.SetReadDeadline(time.Unix(1, 0)) // it is closed otherwise
	}
}

// wait waits for a time, or until the gateway ends.
func (g *Gateway) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.draining:
	case <-ctx.Done():
	}
}
