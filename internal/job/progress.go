// How far a worker has come with its item, as others see it.

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
	item    Item
	records float64 // of the item, in the target by all runs
	last    time.Time
}

// begun adds what is there of parts already, by how many of their offsets are not left to
// do: what other replays have put there before may be more than was asked for.
func (n *note) begun(o *replay.Outlook) {
	all := int64(0)
	for _, p := range n.item.Parts {
		all += p.Span.End - p.Span.Start
	}
	for _, p := range o.Parts {
		done := p.Ask.End - p.Ask.Start
		for _, s := range p.Todo {
			done -= s.End - s.Start
		}
		if done > 0 {
			n.records += float64(n.item.Records) * float64(done) / float64(all)
		}
	}
}

// committed adds records, and tells the bucket now and then. That it could not be told
// harms nobody.
func (n *note) committed(ctx context.Context, records int64) {
	n.records += float64(records)
	now := n.Now()
	if now.Sub(n.last) < notedEvery {
		return
	}
	n.last = now
	records = min(int64(n.records+0.5), n.item.Records)
	name := fmt.Sprintf("%s%06d-%d.json", minuteFiles(now), n.item.Number, records)
	_, _ = create(ctx, n.Files, n.id, name, Done{Item: n.item.Number, Records: records, At: now.UTC()})
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
