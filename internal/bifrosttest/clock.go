// Virtual time.

package bifrosttest

import "time"

// Clock is virtual time: it moves when it is told to.
type Clock struct{ now time.Time }

// NewClock returns a clock that stands at the time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now returns the time.
func (c *Clock) Now() time.Time { return c.now }

// Advance moves the time forward.
func (c *Clock) Advance(d time.Duration) { c.now = c.now.Add(d) }
