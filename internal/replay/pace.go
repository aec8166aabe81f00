// The rate that a replay is held to.

package replay

import (
	"sync"
	"time"
)

// pace holds all partitions together to a rate.
type pace struct {
	rate  int64 // bytes a second, 0 for none
	mutex sync.Mutex
	next  time.Time // when the next byte may go
}

func newPace(rate int64) *pace { return &pace{rate: rate, next: time.Now()} }

// reserveBytes reserves so many bytes and says how long to wait before they may go. What
// is less than a timer can measure well is saved up.
func (p *pace) reserveBytes(bytes int) time.Duration {
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
