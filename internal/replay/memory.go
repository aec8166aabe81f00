package replay

import (
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/baldr"
)

// memory holds copies of the keys, values and headers of one transaction: the
// archive lends a record for a moment, Kafka wants it until it has answered.
type memory struct {
	blocks [][]byte // in use, the last one not full
	free   [][]byte
	names  map[string]string // header keys, which repeat
}

const blockBytes = 1 << 20

// copy returns a copy of b; nil of nil.
func (m *memory) copy(b []byte) []byte {
	if b == nil {
		return nil
	}
	last := len(m.blocks) - 1
	if last < 0 || cap(m.blocks[last])-len(m.blocks[last]) < len(b) {
		m.blocks = append(m.blocks, m.block(len(b)))
		last++
	}
	block := m.blocks[last]
	begin := len(block)
	m.blocks[last] = append(block, b...)
	return m.blocks[last][begin : begin+len(b) : begin+len(b)]
}

func (m *memory) block(size int) []byte {
	if n := len(m.free); n > 0 && size <= blockBytes {
		block := m.free[n-1]
		m.free = m.free[:n-1]
		return block
	}
	return make([]byte, 0, max(size, blockBytes))
}

// mostNames bounds the header keys that are remembered.
const mostNames = 1000

func (m *memory) headers(from []baldr.Header) []kgo.RecordHeader {
	if len(from) == 0 {
		return nil
	}
	headers := make([]kgo.RecordHeader, len(from))
	for i, h := range from {
		name, known := m.names[string(h.Key)]
		if !known {
			name = string(h.Key)
			if m.names == nil || len(m.names) == mostNames {
				m.names = map[string]string{}
			}
			m.names[name] = name
		}
		headers[i] = kgo.RecordHeader{Key: name, Value: m.copy(h.Value)}
	}
	return headers
}

// reuse gives all copies up.
func (m *memory) reuse() {
	for _, block := range m.blocks {
		if cap(block) == blockBytes {
			m.free = append(m.free, block[:0])
		}
	}
	m.blocks = m.blocks[:0]
}

// pace holds all partitions together to a rate.
type pace struct {
	rate  int64 // bytes a second, 0 for none
	mutex sync.Mutex
	next  time.Time // when the next byte may go
}

func newPace(rate int64) *pace { return &pace{rate: rate, next: time.Now()} }

// take reserves so many bytes and says how long to wait before they may go. What
// is less than a timer can measure well is saved up.
func (p *pace) take(bytes int) time.Duration {
	if p.rate <= 0 {
		return 0
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	now := time.Now()
	if p.next.Before(now) {
		p.next = now
	}
	pause := p.next.Sub(now)
	p.next = p.next.Add(time.Duration(float64(bytes) / float64(p.rate) * float64(time.Second)))
	if pause < time.Millisecond {
		return 0
	}
	return pause
}
