package job

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/replay"
)

// An item of a replay may take hours, and what it has done is known in Kafka alone, where
// whoever looks at the job may not get in. So a worker says once a minute how far it is,
// by the name of a file below that minute: who asks lists the last minutes and reads
// nothing. Nothing else depends on it.

// notedEvery is the time between two notes of a worker. It is a variable because tests make
// it tiny.
var notedEvery = time.Minute

// notesCount is for how long a note says something of a worker.
const notesCount = 2 * time.Minute

func minuteFiles(at time.Time) string {
	return fmt.Sprintf("%s%d/", progressFiles, at.Unix()/60)
}

// note is how far the worker of an item is.
type note struct {
	*Runner
	id      string
	item    int
	records int64 // in the target, by all runs
	last    time.Time
}

// begun adds what was there before.
func (n *note) begun(o *replay.Outlook) {
	records, _ := o.Written()
	n.records += records
}

// committed adds records, and tells the bucket now and then. That it could not be told
// harms nobody.
func (n *note) committed(ctx context.Context, records int64) {
	n.records += records
	now := n.Now()
	if now.Sub(n.last) < notedEvery {
		return
	}
	n.last = now
	name := fmt.Sprintf("%s%06d-%d.json", minuteFiles(now), n.item, n.records)
	_, _ = create(ctx, n.Files, n.id, name, Done{Item: n.item, Records: n.records, At: now.UTC()})
}

// readNotes says of items how many records their workers have written, as far as these
// have said so in the last minutes.
func (f Files) readNotes(ctx context.Context, id string, now time.Time) (records map[int]int64, err error) {
	records = map[int]int64{}
	for at := now.Add(-notesCount); ; at = at.Add(time.Minute) {
		names, err := f.listNames(ctx, id, minuteFiles(at))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			item, count, _ := strings.Cut(strings.TrimSuffix(name, ".json"), "-")
			number, err := strconv.Atoi(item)
			n, countErr := strconv.ParseInt(count, 10, 64)
			if err == nil && countErr == nil {
				records[number] = max(records[number], n)
			}
		}
		if !at.Before(now) {
			return records, nil
		}
	}
}
