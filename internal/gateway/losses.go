// What the operator is told of gaps that clients come to: what each is follows from its reason alone.

package gateway

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// lossLog tells the operator what clients cannot be told: their protocol has numbers
// and no sentences. The same is said once in sayAgain, however often clients ask.
type lossLog struct {
	log   *slog.Logger
	mutex sync.Mutex
	said  map[string]time.Time
}

const (
	sayAgain = time.Minute
	mostSaid = 10_000 // beyond it, things are said again
)

func newLossLog(log *slog.Logger) *lossLog { return &lossLog{log: log, said: map[string]time.Time{}} }

// first reports whether this was not said for a while.
func (l *lossLog) first(what string, p bifrost.Partition, detail string) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	key := what + " " + p.String() + " " + detail
	if time.Since(l.said[key]) < sayAgain {
		return false
	}
	if len(l.said) >= mostSaid {
		clear(l.said)
	}
	l.said[key] = time.Now()
	return true
}

// refused tells of a client that came to a recorded gap.
func (l *lossLog) refused(row bifrost.Row) {
	if l.first("refused", row.Partition, row.Range.String()) {
		l.log.Error("a client has come to a recorded gap, and is told TOPIC_AUTHORIZATION_FAILED, "+
			"which has nothing to do with its rights",
			"partition", row.Partition.String(), "offsets", row.Range.String(), "reason", row.GapReason,
			"gap", bifrost.DescribeGap(row.GapReason),
			"next", "let the client seek to offset "+strconv.FormatInt(row.End, 10)+
				", or start the gateway with --skip-lost")
	}
}

// skipped tells of a gap that is passed over.
func (l *lossLog) skipped(row bifrost.Row) {
	if l.first("skipped", row.Partition, row.Range.String()) {
		l.log.Warn("a recorded gap is passed over (--skip-lost)",
			"partition", row.Partition.String(), "offsets", row.Range.String(), "reason", row.GapReason,
			"gap", bifrost.DescribeGap(row.GapReason))
	}
}

// broken tells of what is archived and cannot be served, now or later.
func (l *lossLog) broken(p bifrost.Partition, offset int64, err error) {
	if l.first("broken", p, err.Error()) {
		l.log.Error("what is archived cannot be served; clients are told TOPIC_AUTHORIZATION_FAILED, "+
			"which has nothing to do with their rights",
			"partition", p.String(), "offset", offset, "error", err)
	}
}

// unreachable tells of a request about a group that the live cluster has not answered,
// unless that is because the gateway ends.
func (l *lossLog) unreachable(group string, err error) {
	if !errors.Is(err, context.Canceled) && l.first("unreachable "+group, bifrost.Partition{}, err.Error()) {
		l.log.Error("the live cluster does not answer for a group; clients ask again", "group", group, "error", err)
	}
}

// inUse tells of a group that belongs to somebody else.
func (l *lossLog) inUse(group string, members []member) {
	if l.first("in use "+group, bifrost.Partition{}, "") {
		l.log.Error("a group has live members that came through no gateway, and is refused:"+
			" it would take partitions from them",
			"group", group, "members", len(members), "client_id", members[0].clientID, "host", members[0].host,
			"next", "use a group of the backfill's own, or start the gateway with --groups "+group)
	}
}

// uncommittable tells of a topic whose positions cannot be kept.
func (l *lossLog) uncommittable(topic string) {
	if l.first("uncommittable "+topic, bifrost.Partition{}, "") {
		l.log.Error("no position can be committed in a topic that the live cluster does not have, or has made again;"+
			" clients are told TOPIC_AUTHORIZATION_FAILED", "topic", topic, "next", "read it with assign")
	}
}

// awaited tells of offsets that the live log has deleted, and of which no tick knows yet.
func (l *lossLog) awaited(p bifrost.Partition, offset, start int64) {
	if l.first("awaited", p, strconv.FormatInt(start, 10)) {
		l.log.Warn("the live log begins above where the archive ends;"+
			" the client waits until a tick has recorded the gap",
			"partition", p.String(), "offset", offset, "live_log_start", start)
	}
}

// failed tells of a read that may go well the next time.
func (l *lossLog) failed(p bifrost.Partition, offset int64, err error) {
	if l.first("failed", p, "") {
		l.log.Error("a read failed; clients ask again", "partition", p.String(), "offset", offset, "error", err)
	}
}
