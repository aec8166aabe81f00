package replay

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTheMapTellsEveryRecord(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type record struct {
			source, target int64
			partition      int32
		}
		var written []record
		s := Stretch{}
		ends := map[int32]int64{}
		source := int64(0)
		for range rapid.IntRange(0, 60).Draw(t, "records") {
			source += rapid.SampledFrom([]int64{1, 1, 1, 4}).Draw(t, "distance")
			partition := rapid.SampledFrom([]int32{0, 0, 0, 1, 2}).Draw(t, "partition")
			ends[partition] += rapid.SampledFrom([]int64{1, 1, 1, 2}).Draw(t, "marker")
			written = append(written, record{source, ends[partition], partition})
			s.add(Mapping{source, partition, ends[partition], 1})
		}
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Stretch
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		var told []record
		for _, m := range back.Map {
			for i := range m.Count {
				told = append(told, record{m.Source + i, m.Target + i, m.Partition})
			}
		}
		if !slices.Equal(told, written) {
			t.Fatalf("the map tells %v, written were %v", told, written)
		}
	})
}

func TestJudgingATarget(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_800_000_000_000)
	day := (24 * time.Hour).Milliseconds()
	old := Need{Topic: "t", Oldest: now.UnixMilli() - 30*day, Newest: now.UnixMilli() + day, MostBytes: 1000}
	for _, c := range []struct {
		settings string
		need     Need
		says     string // empty: nothing is wrong
	}{
		{"retention.ms=-1", old, ""},
		{"retention.ms=604800000", old, "retention.ms=-1"},
		{"retention.ms=604800000", Need{Oldest: now.UnixMilli() - day, Newest: now.UnixMilli()}, ""},
		{"retention.bytes=999", old, "retention.bytes=-1"},
		{"retention.bytes=1000", old, ""},
		{"message.timestamp.type=LogAppendTime", old, "CreateTime"},
		{"message.timestamp.before.max.ms=3600000", old, "before.max.ms"},
		{"message.timestamp.after.max.ms=3600000", old, "after.max.ms"},
		{"message.timestamp.difference.max.ms=3600000", old, "after.max.ms"},
		{"message.timestamp.after.max.ms=9223372036854775807", old, ""},
		{"cleanup.policy=compact", old, "cleanup.policy=delete"},
		{"cleanup.policy=compact,delete", old, "cleanup.policy=delete"},
		{"cleanup.policy=delete", old, ""},
		{"retention.ms=1", Need{Oldest: -1, Newest: -1}, ""}, // no timestamps
	} {
		settings := map[string]string{}
		for _, setting := range strings.Fields(c.settings) {
			key, value, _ := strings.Cut(setting, "=")
			settings[key] = value
		}
		target := Target{Need: c.need}
		target.judge(settings, now)
		problems := strings.Join(target.Problems, "; ")
		if c.says == "" && problems != "" || !strings.Contains(problems, c.says) {
			t.Errorf("%s for %+v: %q, want %q", c.settings, c.need, problems, c.says)
		}
	}
}

// Kafka deletes by age only where its policy is to delete.
func TestACompactedTargetKeepsOldRecords(t *testing.T) {
	t.Parallel()
	target := Target{Need: Need{Oldest: 0, Newest: 0}}
	target.judge(map[string]string{"cleanup.policy": "compact", "retention.ms": "1"}, time.Now())
	if len(target.Problems) != 1 || !strings.Contains(target.Problems[0], "of the records of a key only the last stays") {
		t.Errorf("problems: %q", target.Problems)
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	if p := newPace(0); p.take(1<<30) != 0 {
		t.Error("without a rate there is a pause")
	}
	p := newPace(1000)
	p.take(5000)
	if pause := p.take(1); pause < 4*time.Second || pause > 5*time.Second {
		t.Errorf("after 5,000 bytes at 1,000 a second the pause is %s", pause)
	}
}
