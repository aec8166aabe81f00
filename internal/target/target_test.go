package target

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/recordbatch"
)

var (
	now = time.UnixMilli(1_800_000_000_000)
	day = (24 * time.Hour).Milliseconds()
)

// told is a gauge that has been told of records of these times.
func told(oldest, newest int64) *Gauge {
	return &Gauge{oldest: oldest, newest: newest, requestBytes: 100 << 20}
}

// settingsOf reads settings as "name=value name=value".
func settingsOf(text string) map[string]string {
	settings := map[string]string{}
	for setting := range strings.FieldsSeq(text) {
		name, value, _ := strings.Cut(setting, "=")
		settings[name] = value
	}
	return settings
}

func TestJudgingATopic(t *testing.T) {
	t.Parallel()
	old := told(now.UnixMilli()-30*day, now.UnixMilli()+day)
	for _, c := range []struct {
		settings string
		gauge    *Gauge
		says     string // empty: nothing is wrong
	}{
		{"retention.ms=-1", old, ""},
		{"retention.ms=604800000", old, "retention.ms=-1"},
		{"retention.ms=604800000", told(now.UnixMilli()-day, now.UnixMilli()), ""},
		{"retention.bytes=999", old, "retention.bytes=-1"},
		{"retention.bytes=1000", old, ""},
		{"message.timestamp.type=LogAppendTime", old, "CreateTime"},
		{"message.timestamp.before.max.ms=3600000 message.timestamp.after.max.ms=9223372036854775807", old, "before.max.ms"},
		{"message.timestamp.after.max.ms=3600000", old, "after.max.ms"},
		{"message.timestamp.difference.max.ms=3600000", old, "difference.max.ms"},
		{"message.timestamp.after.max.ms=9223372036854775807", old, ""},
		{"cleanup.policy=compact", old, "cleanup.policy=delete"},
		{"cleanup.policy=compact,delete", old, "cleanup.policy=delete"},
		{"cleanup.policy=delete", old, ""},
		{"cleanup.policy=compact retention.ms=1", told(0, 0), "of the records of a key only the last stays"},
		{"retention.ms=1", told(-1, -1), ""}, // no timestamps
		{"max.message.bytes=100", &Gauge{oldest: -1, tooLarge: outsize{bytes: 200, codec: recordbatch.Snappy, zstd: 150}}, "has 200 with snappy: set max.message.bytes=200"},
		{"max.message.bytes=100", &Gauge{oldest: -1, tooLarge: outsize{bytes: 200, codec: recordbatch.Snappy, zstd: 50}}, "or give --compression zstd"},
	} {
		topic := Topic{Need: Need{Topic: "t", MostBytes: 1000}, Exists: true}
		topic.chooseBatches(settingsOf(c.settings), nil)
		topic.judgeSettings(c.gauge, now)
		problems := strings.Join(topic.Problems, "; ")
		if c.says == "" && problems != "" || !strings.Contains(problems, c.says) {
			t.Errorf("%s: %q, want %q", c.settings, problems, c.says)
		}
		if c.settings == "cleanup.policy=compact retention.ms=1" && len(topic.Problems) != 1 {
			t.Errorf("a topic that is only compacted deletes nothing by age: %q", problems)
		}
	}
}

// A topic that is made gets the settings that its records need, and no others.
func TestSettingsOfATopicThatIsMade(t *testing.T) {
	t.Parallel()
	const fourth = "max.message.bytes=1048588 message.timestamp.before.max.ms=9223372036854775807 message.timestamp.after.max.ms=3600000"
	for name, c := range map[string]struct {
		brokers string // what Kafka says that it would have
		gauge   *Gauge
		gets    string
	}{
		"nothing":              {fourth, told(1, now.UnixMilli()), ""},
		"no timestamps":        {fourth, told(-1, -1), ""},
		"tomorrow":             {fourth, told(1, now.UnixMilli()+day), "message.timestamp.after.max.ms=9223372036854775807"},
		"tomorrow, old Kafka":  {"message.timestamp.difference.max.ms=3600000", told(now.UnixMilli(), now.UnixMilli()+day), "message.timestamp.difference.max.ms=9223372036854775807"},
		"tomorrow, no answer":  {"", told(1, now.UnixMilli()+day), "message.timestamp.after.max.ms=9223372036854775807"},
		"long ago":             {strings.Replace(fourth, "9223372036854775807", "1000", 1), told(1, 1), "message.timestamp.before.max.ms=9223372036854775807"},
		"large":                {fourth, &Gauge{oldest: -1, largest: 2_000_000}, "max.message.bytes=2000000"},
		"large, no answer":     {"", &Gauge{oldest: -1, largest: 2_000_000}, "max.message.bytes=2000000"},
		"large for the broker": {"max.message.bytes=1000", &Gauge{oldest: -1, largest: 1001}, "max.message.bytes=1001"},
		"perhaps large":        {fourth, &Gauge{oldest: -1, largest: 10, unread: 1_100_000}, "max.message.bytes=1100000"},
	} {
		topic := Topic{Settings: maps.Clone(lasting)}
		settings := settingsOf(c.brokers)
		if c.brokers == "" {
			settings = nil
		}
		topic.chooseBatches(settings, nil)
		topic.judgeSettings(c.gauge, now)
		want := settingsOf(c.gets)
		maps.Copy(want, lasting)
		if !maps.Equal(topic.Settings, want) || len(topic.Problems) > 0 || len(topic.Notes) != len(want)-len(lasting) {
			t.Errorf("%s: settings %v, problems %q, notes %q", name, topic.Settings, topic.Problems, topic.Notes)
		}
	}
}

func TestCodecOfATopic(t *testing.T) {
	t.Parallel()
	zstd, gzip := recordbatch.Zstd, recordbatch.Gzip
	for _, c := range []struct {
		kept  string
		asked *recordbatch.Codec
		want  recordbatch.Shape
	}{
		{"producer", nil, recordbatch.Shape{Codec: recordbatch.DefaultCodec}},
		{"", nil, recordbatch.Shape{Codec: recordbatch.DefaultCodec}},
		{"uncompressed", nil, recordbatch.Shape{Codec: recordbatch.Uncompressed}},
		{"lz4", nil, recordbatch.Shape{Codec: recordbatch.Lz4}},
		{"gzip", &gzip, recordbatch.Shape{Codec: recordbatch.Gzip}},
		{"producer", &zstd, recordbatch.Shape{Codec: recordbatch.Zstd}},
		{"gzip", &zstd, recordbatch.Shape{Codec: recordbatch.Zstd, Recompressed: true}},
		{"uncompressed", &zstd, recordbatch.Shape{Codec: recordbatch.Zstd, Recompressed: true}},
	} {
		var topic Topic
		topic.chooseBatches(map[string]string{"compression.type": c.kept}, c.asked)
		c.want.Bytes = defaultBatchBytes
		if topic.Batches != c.want {
			t.Errorf("%s, %v: %+v, want %+v", c.kept, c.asked, topic.Batches, c.want)
		}
	}
}

// Whatever is archived and whatever is asked for, the look foretells whether a batch
// would be too large, and knows the oldest and the newest timestamp.
func TestTheGaugeTellsTheTruth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(drawnRecord, 1, 40).Draw(t, "records")
		for i := range records {
			records[i].Offset = int64(i)
		}
		p := bifrost.Partition{Name: "t"}
		reader := archiveOf(p, records, rapid.IntRange(1, 3).Draw(t, "objects"))
		query := readback.Query{Partition: p, Offsets: bifrost.Range{Start: rapid.Int64Range(0, 20).Draw(t, "from"), End: rapid.Int64Range(21, 50).Draw(t, "to")}}
		if rapid.Bool().Draw(t, "by time") {
			query.Times = readback.Times{Since: rapid.Int64Range(0, 50).Draw(t, "since"), Until: rapid.Int64Range(51, 120).Draw(t, "until")}
		}
		topic := Topic{Exists: rapid.Bool().Draw(t, "exists"), kept: recordbatch.Codec(rapid.IntRange(0, 4).Draw(t, "kept"))}
		topic.Batches = recordbatch.Shape{Codec: recordbatch.Codec(rapid.IntRange(0, 4).Draw(t, "codec")), Bytes: rapid.Int64Range(200, 3000).Draw(t, "limit")}
		if rapid.Bool().Draw(t, "to the byte") {
			topic.Batches.Bytes = topic.Batches.Codec.BatchBytes(&records[0]) - rapid.Int64Range(0, 2).Draw(t, "less")
		}
		topic.Batches.Recompressed = topic.kept != topic.Batches.Codec && rapid.Bool().Draw(t, "recompressed")
		gauge := topic.newGauge(100<<20, &budget{left: 1 << 40})
		if err := reader.Measure(t.Context(), query, gauge); err != nil {
			t.Fatal(err)
		}
		want := told(-1, -1)
		refused, largest := false, int64(0)
		for i := range records {
			r := &records[i]
			if r.Offset < query.Offsets.Start || r.Offset >= query.Offsets.End ||
				query.Times != (readback.Times{}) && (r.Timestamp < query.Times.Since || r.Timestamp >= query.Times.Until) {
				continue
			}
			want.noteTimes(r.Timestamp, r.Timestamp)
			sent := topic.Batches.Codec.BatchBytes(r)
			largest = max(largest, sent)
			refused = refused || sent > topic.Batches.Bytes || topic.Batches.Recompressed && topic.kept.BatchBytes(r) > topic.Batches.Bytes
		}
		if gauge.oldest != want.oldest || gauge.newest != want.newest {
			t.Fatalf("timestamps from %d to %d, want %d to %d", gauge.oldest, gauge.newest, want.oldest, want.newest)
		}
		if topic.Exists && refused != (gauge.tooLarge.bytes > 0) {
			t.Fatalf("a record is too large: %v, said is %+v", refused, gauge.tooLarge)
		}
		if !topic.Exists && largest > topic.Batches.Bytes && gauge.largest < largest {
			t.Fatalf("the topic would get %d bytes, and a batch has %d", gauge.largest, largest)
		}
	})
}

var drawnRecord = rapid.Custom(func(t *rapid.T) baldr.Record {
	chunk := func(name string) []byte {
		size := rapid.SampledFrom([]int{-1, 0, 1, 10, 100, 300, 1000, 2900}).Draw(t, name)
		if size < 0 {
			return nil
		}
		if rapid.Bool().Draw(t, name+" repeats") {
			return bytes.Repeat([]byte{'x'}, size)
		}
		noise := make([]byte, size)
		state := uint32(size)
		for i := range noise {
			state = state*1664525 + 1013904223
			noise[i] = byte(state >> 24)
		}
		return noise
	}
	r := baldr.Record{Timestamp: rapid.Int64Range(-1, 100).Draw(t, "timestamp"), Key: chunk("key"), Value: chunk("value")}
	if rapid.Bool().Draw(t, "header") {
		r.Headers = []baldr.Header{{Key: []byte("h"), Value: chunk("header's value")}}
	}
	return r
})

// archiveOf archives the records in so many objects, with members of a kilobyte.
func archiveOf(p bifrost.Partition, records []baldr.Record, objects int) *readback.Reader {
	ledger, store := bifrosttest.NewLedger(), bifrosttest.NewStore()
	for i := range objects {
		from, to := i*len(records)/objects, (i+1)*len(records)/objects
		if from == to {
			continue
		}
		var object bytes.Buffer
		w := baldr.NewWriter(&object, baldr.Options{MemberBytes: 1000})
		for j := range records[from:to] {
			if err := w.WriteRecord(&records[from+j]); err != nil {
				panic(err)
			}
		}
		summary, err := w.Close(baldr.Summary{Topic: p.Topic(), Start: int64(from), End: int64(to)})
		if err != nil {
			panic(err)
		}
		key := fmt.Sprint("object ", i)
		store.Put(key, object.Bytes())
		ledger.Poke(bifrost.Row{Partition: p, Range: bifrost.Range{Start: int64(from), End: int64(to)}, State: bifrost.StateArchived,
			Facts: bifrost.Facts{Key: key, Records: summary.Records, FirstTimestamp: summary.FirstTimestamp, LastTimestamp: summary.LastTimestamp}})
	}
	return &readback.Reader{Catalogue: ledger, Objects: store}
}

// With nothing left to read, what is not known is said to be not known, and a topic that
// is made is made large enough for it.
func TestALookHasABudget(t *testing.T) {
	t.Parallel()
	facts := baldr.MemberFacts{Records: 10, RawBytes: 5000, EnvelopeBytes: 500, HasEnvelope: true, LeastTimestamp: 5, MostTimestamp: 6}
	for _, exists := range []bool{true, false} {
		topic := Topic{Exists: exists, Settings: map[string]string{}}
		topic.chooseBatches(map[string]string{"max.message.bytes": "1000"}, nil)
		shared := &budget{left: 6000}
		gauge := topic.newGauge(100<<20, shared)
		for i, want := range []bool{true, true, false} { // 5,500 bytes each, of 6,000
			if read := gauge.Member(facts, true); read != want {
				t.Errorf("member %d: read is %v, left are %d", i, read, shared.left)
			}
		}
		if gauge.unread < 5420 {
			t.Errorf("at most %d bytes are not known", gauge.unread)
		}
		if gauge.Member(facts, false) || gauge.oldest != 5 || gauge.newest != 6 {
			t.Errorf("timestamps from %d to %d", gauge.oldest, gauge.newest)
		}
		topic.judgeSettings(gauge, now)
		if exists && (len(topic.Problems) > 0 || !strings.Contains(fmt.Sprint(topic.Notes), "not all records were looked at")) {
			t.Errorf("problems %q, notes %q", topic.Problems, topic.Notes)
		}
		if !exists && topic.Batches.Bytes < 5420 {
			t.Errorf("settings %v", topic.Settings)
		}
	}
}

// Members that are full of records of a usual size are not read.
func TestALookDoesNotReadTheArchive(t *testing.T) {
	t.Parallel()
	topic := Topic{Exists: true}
	topic.chooseBatches(nil, nil)
	gauge := topic.newGauge(100<<20, &budget{left: 1 << 40})
	for name, c := range map[string]struct {
		facts baldr.MemberFacts
		want  bool
	}{
		"two thousand":   {baldr.MemberFacts{Records: 2000, RawBytes: 1 << 20, EnvelopeBytes: 100_000}, false},
		"a hundred":      {baldr.MemberFacts{Records: 100, RawBytes: 1 << 20, EnvelopeBytes: 5_000}, false},
		"three":          {baldr.MemberFacts{Records: 3, RawBytes: 1 << 20, EnvelopeBytes: 500}, true},
		"large headers":  {baldr.MemberFacts{Records: 100, RawBytes: 1 << 20, EnvelopeBytes: 500_000}, true},
		"one, small":     {baldr.MemberFacts{Records: 1, RawBytes: 1_000_000, EnvelopeBytes: 100}, false},
		"one, too large": {baldr.MemberFacts{Records: 1, RawBytes: 2_000_000, EnvelopeBytes: 100}, true},
	} {
		c.facts.HasEnvelope = true
		if read := gauge.Member(c.facts, true); read != c.want {
			t.Errorf("%s: read is %v", name, read)
		}
	}
}

// No topic setting helps against the largest request that a broker takes.
func TestARecordThatFitsIntoNoRequest(t *testing.T) {
	t.Parallel()
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	for _, exists := range []bool{true, false} {
		topic := Topic{Exists: exists, Settings: map[string]string{}, kept: recordbatch.Uncompressed, Batches: recordbatch.Shape{Bytes: 1 << 20}}
		gauge := topic.newGauge(4000, &budget{left: 1 << 20})
		if !gauge.Member(baldr.MemberFacts{Records: 1, RawBytes: 5008, HasEnvelope: true}, true) {
			t.Fatal("the record is not looked at")
		}
		gauge.Record(bifrost.Partition{Name: "t"}, &baldr.Record{Value: noise, Offset: 7})
		topic.judgeSettings(gauge, now)
		if len(topic.Obstacles) != 1 || !strings.Contains(topic.Obstacles[0], "offset 7 of t/0") || !strings.Contains(topic.Obstacles[0], "socket.request.max.bytes") {
			t.Errorf("obstacles %q", topic.Obstacles)
		}
	}
}
