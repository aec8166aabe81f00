// Whether the settings of a topic take what it needs.

package target

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

// lasting are the settings of a topic that is made: what is written into it stays, with
// the timestamps that it has.
var lasting = map[string]string{
	"retention.ms": "-1", "retention.bytes": "-1", "message.timestamp.type": "CreateTime", "cleanup.policy": "delete",
}

// Kafka's defaults, for brokers that do not tell theirs.
const (
	defaultBatchBytes = 1_048_588              // max.message.bytes
	defaultAheadBound = int64(time.Hour / 1e6) // message.timestamp.after.max.ms since 4.0, in milliseconds
)

func (t *Topic) addObstacle(format string, args ...any) {
	t.Obstacles = append(t.Obstacles, fmt.Sprintf(format, args...))
}

func (t *Topic) addProblem(format string, args ...any) {
	t.Problems = append(t.Problems, fmt.Sprintf(format, args...))
}

func (t *Topic) addNote(format string, args ...any) {
	t.Notes = append(t.Notes, fmt.Sprintf(format, args...))
}

// chooseBatches decides how batches are made.
func (t *Topic) chooseBatches(settings map[string]string, codec *recordbatch.Codec) {
	kept, keeps := recordbatch.KeptCodec(settings["compression.type"])
	t.Batches = recordbatch.Shape{Codec: kept, Bytes: number(settings, "max.message.bytes", defaultBatchBytes)}
	if codec != nil && *codec != kept {
		t.Batches.Codec, t.Batches.Recompressed = *codec, keeps
		if keeps {
			t.addNote("it keeps %s (compression.type), so that the broker compresses every batch of %s again", kept,
				*codec)
		}
	}
	t.kept, t.settings = kept, settings
}

// judgeSettings compares the settings with the records that are to be written. A topic that is
// to be made gets the settings that they need.
func (t *Topic) judgeSettings(g *Gauge, now time.Time) {
	t.judgeTimes(g, now)
	t.judgeSizes(g)
	if t.Exists && t.settings != nil {
		t.judgeRetention(g, now)
	}
}

// raiseSetting gives a topic that is to be made another setting, or says that one that is there
// needs it.
func (t *Topic) raiseSetting(name, value, format string, args ...any) {
	if t.Exists {
		t.addProblem(format+": set "+name+"="+value, args...)
		return
	}
	t.Settings[name] = value
	t.addNote("it gets "+name+"="+value+": "+format, args...)
}

// judgeTimes looks at the bounds of timestamps. One setting was split in two by KIP-937.
func (t *Topic) judgeTimes(g *Gauge, now time.Time) {
	if g.oldest < 0 || t.Exists && t.settings == nil {
		return
	}
	before, after := "message.timestamp.before.max.ms", "message.timestamp.after.max.ms"
	if _, split := t.settings[after]; !split {
		if _, either := t.settings["message.timestamp.difference.max.ms"]; either {
			before, after = "message.timestamp.difference.max.ms", "message.timestamp.difference.max.ms"
		}
	}
	unlimited := strconv.FormatInt(math.MaxInt64, 10)
	if most, age := number(t.settings, before, math.MaxInt64), now.UnixMilli()-g.oldest; age > most {
		t.raiseSetting(before, unlimited, "it would refuse records older than %s and the oldest is %s old", days(most),
			days(age))
	}
	ahead := number(t.settings, after, defaultAheadBound)
	if t.Exists {
		ahead = number(t.settings, after, math.MaxInt64)
	}
	if newest := g.newest - now.UnixMilli(); newest > ahead {
		t.raiseSetting(after, unlimited, "it would refuse records more than %s in the future and the newest is %s "+
			"ahead", days(ahead), days(newest))
	}
}

// judgeSizes looks at the largest record.
func (t *Topic) judgeSizes(g *Gauge) {
	if g.tooLong.bytes > 0 {
		t.addObstacle("the record at offset %d of %s takes a request of %d bytes with %s, and these brokers take %d "+
			"(socket.request.max.bytes)", g.tooLong.offset, g.tooLong.partition, g.tooLong.bytes, t.Batches.Codec,
			g.requestBytes)
	}
	if !t.Exists {
		if most := max(g.largest, g.unread); most > t.Batches.Bytes {
			t.raiseSetting("max.message.bytes", strconv.FormatInt(most, 10),
				"it would take batches of %d bytes, and one record is larger", t.Batches.Bytes)
			t.Batches.Bytes = most
		}
		return
	}
	large := g.tooLarge
	switch {
	case large.bytes > 0 && large.zstd > 0 && large.zstd <= t.Batches.Bytes &&
		(!t.Batches.Recompressed || t.kept == recordbatch.Zstd):
		t.addProblem("it takes batches of %d bytes and the record at offset %d of %s has %d with %s, %d with zstd: "+
			"set max.message.bytes=%d, or give --compression zstd",
			t.Batches.Bytes, large.offset, large.partition, large.bytes, large.codec, large.zstd, large.bytes)
	case large.bytes > 0:
		t.addProblem("it takes batches of %d bytes and the record at offset %d of %s has %d with %s: set "+
			"max.message.bytes=%d",
			t.Batches.Bytes, large.offset, large.partition, large.bytes, large.codec, large.bytes)
	case g.unread > t.Batches.Bytes:
		t.addNote("it takes batches of %d bytes, and not all records were looked at one by one: the broker refuses "+
			"one that is larger", t.Batches.Bytes)
	}
}

// judgeRetention looks at what a topic that is there would delete or change.
func (t *Topic) judgeRetention(g *Gauge, now time.Time) {
	if t.settings["message.timestamp.type"] == "LogAppendTime" {
		t.addProblem("it stamps records with the time of the replay: set message.timestamp.type=CreateTime")
	}
	policy := cmp.Or(t.settings["cleanup.policy"], "delete")
	if strings.Contains(policy, "compact") {
		t.addProblem("it is compacted, so that of the records of a key only the last stays and one without a key is " +
			"refused: set cleanup.policy=delete")
	}
	if !strings.Contains(policy, "delete") {
		return
	}
	if keep, age := number(t.settings, "retention.ms", -1), now.UnixMilli()-g.oldest; keep >= 0 && g.oldest >= 0 &&
		age > keep {
		t.addProblem("it deletes records older than %s and the oldest to replay is %s old: set retention.ms=-1",
			days(keep), days(age))
	}
	if keep := number(t.settings, "retention.bytes", -1); keep >= 0 && t.MostBytes > keep {
		t.addProblem("it keeps %d bytes a partition and %d are to be replayed into one: set retention.bytes=-1", keep,
			t.MostBytes)
	}
}

func number(settings map[string]string, name string, otherwise int64) int64 {
	n, err := strconv.ParseInt(settings[name], 10, 64)
	if err != nil {
		return otherwise
	}
	return n
}

func days(ms int64) string {
	if ms < 48*time.Hour.Milliseconds() {
		return (time.Duration(ms) * time.Millisecond).Round(time.Second).String()
	}
	return fmt.Sprintf("%d days", ms/(24*time.Hour).Milliseconds())
}
