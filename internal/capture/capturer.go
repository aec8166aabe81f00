// When captures are made, into which objects.

package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Bucket is where captures are written.
type Bucket interface {
	// CreateOnce is bifrost.Bucket.CreateOnce.
	CreateOnce(ctx context.Context, key string, content []byte) ([]byte, error)
	// Open is bifrost.Store.Open.
	Open(ctx context.Context, key string) (bifrost.Object, error)
}

// Capturer makes captures of one cluster. A function keeps it from one tick to
// the next: what it remembers saves requests and decides nothing, because each key
// can be written once.
type Capturer struct {
	Group   string // first element of every key
	Cluster Cluster
	Bucket  Bucket
	Every   time.Duration // the time is cut into slots of this length, one capture each; 0: no capture is ever due
	Writer  string        // version of Bifrost
	Now     func() time.Time
	Log     *slog.Logger

	mutex         sync.Mutex
	done          time.Time           // slot whose capture is there
	failures      int                 // in a row
	again         time.Time           // when to try again after them
	configuration string              // key of the last one, known to be there
	told          map[missingKey]bool // what is missing and was logged
}

const (
	// leastTime is what has to be left of a tick for a capture.
	leastTime = 20 * time.Second
	// mostTime bounds a capture: a cluster that answers slowly must not make every
	// tick as long as its function may run.
	mostTime = 2 * time.Minute
	// longestPause bounds the time between a capture that failed and the next try,
	// which grows by a minute with each failure.
	longestPause = 15 * time.Minute
)

// CaptureDue makes the capture of the present time slot if there is none, in the
// time that is left until the deadline (zero: all there is). It fails no tick: what
// went wrong is in the result, and one of the next ticks tries again.
func (c *Capturer) CaptureDue(ctx context.Context, deadline time.Time) *bifrost.CaptureResult {
	if c.Every <= 0 {
		return nil
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	began := c.Now()
	slot := began.Truncate(c.Every)
	switch {
	case c.done.Equal(slot):
		return &bifrost.CaptureResult{Outcome: bifrost.CaptureThere}
	case began.Before(c.again):
		return &bifrost.CaptureResult{Outcome: bifrost.CapturePaused}
	case !deadline.IsZero() && deadline.Sub(began) < leastTime:
		return &bifrost.CaptureResult{Outcome: bifrost.CaptureNoTime}
	}
	limit := mostTime
	if !deadline.IsZero() {
		limit = min(limit, deadline.Sub(began))
	}
	tooSlow := fmt.Errorf("it was not done after %s", limit.Round(time.Second))
	ctx, cancel := context.WithTimeoutCause(ctx, limit, tooSlow)
	defer cancel()
	result, err := c.captureSlot(ctx, slot)
	result.Milliseconds = c.Now().Sub(began).Milliseconds()
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = errors.Join(err, cause)
		}
		c.failures++
		c.again = c.Now().Add(min(time.Duration(c.failures)*time.Minute, longestPause))
		result.Outcome, result.Error = bifrost.CaptureFailed, err.Error()
		return &result
	}
	c.done, c.failures = slot, 0
	return &result
}

// captureSlot asks the bucket first: another process may have made the capture.
func (c *Capturer) captureSlot(ctx context.Context, slot time.Time) (bifrost.CaptureResult, error) {
	id, err := c.Cluster.ClusterID(ctx)
	if err != nil {
		return bifrost.CaptureResult{}, err
	}
	key := PositionsKey(c.Group, id, slot)
	result := bifrost.CaptureResult{Outcome: bifrost.CaptureThere, Key: key}
	switch _, err := c.Bucket.Open(ctx, key); {
	case err == nil:
		return result, nil
	case !errors.Is(err, bifrost.ErrNotFound):
		return result, err
	}
	made, err := c.writeCapture(ctx, slot, false)
	if err != nil {
		return result, err
	}
	result.Outcome, result.Bytes, result.NotCaptured = bifrost.CaptureWritten, made.Bytes(), len(made.NotCaptured)
	return result, nil
}

// A Capture is one that was made.
type Capture struct {
	ClusterID        string
	Key              string // of the positions; empty until they are written
	ConfigurationKey string
	At               time.Time // when the reading began
	Counts           Counts
	NotCaptured      []NotCaptured // of both

	configuration, positions []byte // compressed
}

// Bytes is the size of both objects.
func (c Capture) Bytes() int64 { return int64(len(c.configuration) + len(c.positions)) }

// Read makes a capture without writing it anywhere.
func (c *Capturer) Read(ctx context.Context) (Capture, error) { return c.readCluster(ctx, true) }

// CaptureNow makes a capture, whatever there is already.
func (c *Capturer) CaptureNow(ctx context.Context) (Capture, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.writeCapture(ctx, c.Now(), true)
}

// writeCapture reads the cluster and writes both objects. The configuration comes
// first, so that no positions ever name one that is not there.
func (c *Capturer) writeCapture(ctx context.Context, at time.Time, byHand bool) (Capture, error) {
	made, err := c.readCluster(ctx, byHand)
	if err != nil {
		return made, err
	}
	if made.ConfigurationKey != c.configuration {
		if _, err := c.Bucket.CreateOnce(ctx, made.ConfigurationKey, made.configuration); err != nil {
			return made, fmt.Errorf("capture cluster %s: %w", made.ClusterID, err)
		}
		c.configuration = made.ConfigurationKey
	}
	if made.Key, err = c.createPositions(ctx, made, at, byHand); err != nil {
		return made, fmt.Errorf("capture cluster %s: %w", made.ClusterID, err)
	}
	c.logMissing(ctx, made.NotCaptured)
	return made, nil
}

// createPositions writes the positions for the time. In a slot one capture is as
// good as another, so whichever came first stays; one that is made by hand takes the
// next free millisecond.
func (c *Capturer) createPositions(ctx context.Context, made Capture, at time.Time, byHand bool) (string, error) {
	for {
		key := PositionsKey(c.Group, made.ClusterID, at)
		there, err := c.Bucket.CreateOnce(ctx, key, made.positions)
		if err != nil || !byHand || bytes.Equal(there, made.positions) {
			return key, err
		}
		at = at.Add(time.Millisecond)
	}
}

// readCluster reads the cluster. The configuration's key has the day of this moment, and
// not of the slot: objects that are written on one day expire on one day.
func (c *Capturer) readCluster(ctx context.Context, byHand bool) (Capture, error) {
	made := Capture{At: c.Now().UTC()}
	err := c.readInto(ctx, &made, byHand)
	if err != nil {
		return made, fmt.Errorf("capture the cluster: %w", err)
	}
	return made, nil
}

func (c *Capturer) readInto(ctx context.Context, made *Capture, byHand bool) error {
	configuration := newReading(c.Cluster)
	overview, err := configuration.readConfiguration(ctx)
	if err != nil {
		return err
	}
	var sum string
	var missing []NotCaptured
	if made.configuration, sum, missing, err = configuration.writeEnd(nil); err != nil {
		return err
	}
	made.ClusterID, made.NotCaptured = overview.ClusterID, missing
	made.ConfigurationKey = ConfigurationKey(c.Group, overview.ClusterID, c.Now(), sum)
	positions := newReading(c.Cluster)
	header := PositionsHeader{
		Version: Version, ClusterID: overview.ClusterID, At: made.At,
		Configuration: made.ConfigurationKey, ByHand: byHand, Writer: c.Writer,
	}
	if err := positions.out.writeLine(typePositions, header); err != nil {
		return err
	}
	if made.Counts, err = positions.readPositions(ctx, overview.Topics); err != nil {
		return err
	}
	ended := c.Now().UTC()
	made.positions, _, missing, err = positions.writeEnd(&ended)
	made.NotCaptured = append(made.NotCaptured, missing...)
	return err
}

// logMissing logs what is missing, once in the life of a process.
func (c *Capturer) logMissing(ctx context.Context, missing []NotCaptured) {
	if c.told == nil {
		c.told = map[missingKey]bool{}
	}
	for _, n := range missing {
		key := missingKey{n.Part, n.Reason, n.Needs}
		if c.told[key] {
			continue
		}
		c.told[key] = true
		c.Log.WarnContext(ctx, "not captured",
			"part", n.Part, "reason", n.Reason, "needs", n.Needs, "count", len(n.Names))
	}
}
