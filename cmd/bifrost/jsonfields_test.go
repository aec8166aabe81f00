package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/condition"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/health"
)

// Each field of --json has the value of its own: all values of a source are different here.
func TestEachFieldOfJSONHasItsOwnValue(t *testing.T) {
	t.Parallel()
	at := func(second int64) time.Time { return time.Unix(second, 0) }
	row := bifrost.Row{
		Partition: bifrost.Partition{Name: "t", Number: 1}, Range: bifrost.Range{Start: 2, End: 3}, ClusterID: "c",
		State: bifrost.StateArchived, GapReason: "g", Attempts: 4, LeaseUntil: at(5), PlannedAt: at(6), LossAt: at(7),
		Expected: 8, ArchivedAt: at(9), Error: "e", StoppedAt: 10,
		Facts: bifrost.Facts{
			Key: "k", Reason: "r", Range: bifrost.Range{Start: 11, End: 12}, Records: 13,
			Missing:  baldr.Missing{Control: 14, Aborted: 15, Compacted: 16},
			RawBytes: 17, StoredBytes: 18, FirstTimestamp: 19, LastTimestamp: 20, Checksum: "x", LeaderEpoch: 21,
		},
	}
	progress := bifrost.Progress{
		Partition: bifrost.Partition{Name: "t", Number: 1}, ClusterID: "c", TopicID: bifrost.TopicID{1}, Generation: "g",
		Status: bifrost.StatusOpen, Error: "e", NextOffset: 2, PlannedOffset: 3, KnownUntil: 4, FirstLogStart: 5, StartOffset: 6,
		RecentRawBytes: 7, RecentOffsets: 8, PlannedEpoch: 9, LastObject: "o", LastRecordAt: at(10), LastArchivedAt: at(11),
		LastPlannedAt: at(12), Series: "s", FencedAt: at(13), Suspicion: "u", SuspectedAt: at(14),
		Trouble: bifrost.Trouble{Error: "", Since: at(15)},
	}
	progress.LogStart, progress.LastStable, progress.HighWatermark, progress.At, progress.LeaderEpoch = 16, 17, 18, at(19), 20
	progress.Records, progress.RawBytes, progress.StoredBytes, progress.Missing, progress.Lost = 21, 22, 23, 24, 25
	judged := condition.Judged{Progress: progress, Sight: health.Sight{SeenAt: at(26), Unseen: "n"}, Threat: at(127)}
	tick := bifrost.TickRecord{ID: "i", By: "b", ClusterID: "c", StartedAt: at(28), EndedAt: at(29), CompleteAt: at(30), Topics: 31,
		Partitions: 32, Failures: 33, Unfinished: 34, Error: "f"}
	status := newStatusJSON(condition.Overview{
		Rows: []condition.Judged{judged}, Ticks: health.Sights{Ticks: []bifrost.TickRecord{tick}, Now: at(100), Patience: time.Hour},
	}, at(100))
	excluded := judged
	excluded.Excluded, excluded.Trouble.Error = true, "m"
	for name, c := range map[string]struct {
		got  any
		want string
	}{
		"ls": {newRangeJSON(row), `{"topic":"t","name":"t","kafka_topic":"t","partition":1,"start_offset":2,"end_offset":3,` +
			`"state":"ARCHIVED","reason":"g","lost":false,"object":"k","records":13,"missing":{"control":14,` +
			`"aborted":15,"compacted":16},"raw_bytes":17,"stored_bytes":18,` +
			`"first_timestamp":"1970-01-01T00:00:00.019Z","first_timestamp_ms":19,` +
			`"last_timestamp":"1970-01-01T00:00:00.020Z","last_timestamp_ms":20,"checksum_crc64nvme":"x",` +
			`"attempts":4,"planned_at":"1970-01-01T00:00:06.000Z","archived_at":"1970-01-01T00:00:09.000Z",` +
			`"error":"e"}`},
		"status": {status.Partitions[0], `{"topic":"t","name":"t","kafka_topic":"t","partition":1,"topic_id":"AQAAAAAAAAAAAAAAAAAAAA",` +
			`"cluster_id":"c","status":"OPEN","healthy":false,"error":"e",` +
			`"error_since":"1970-01-01T00:00:15.000Z","seen_at":"1970-01-01T00:00:26.000Z","unseen":"n",` +
			`"excluded":false,"suspicion":"u","lag":15,"next_offset":2,"planned_offset":3,"log_start_offset":16,` +
			`"log_end_offset":17,"high_watermark":18,"observed_at":"1970-01-01T00:00:19.000Z",` +
			`"loss_at":"1970-01-01T00:02:07.000Z","records":21,"raw_bytes":22,"stored_bytes":23,` +
			`"missing_offsets":24,"gap_offsets":25,"last_record_at":"1970-01-01T00:00:10.000Z",` +
			`"last_record_ms":10000,"last_archived_at":"1970-01-01T00:00:11.000Z",` +
			`"last_planned_at":"1970-01-01T00:00:12.000Z","last_object":"o","last_leader_epoch":20}`},
		"the tick of status": {status.Tick, `{"tick_id":"i","by":"b","cluster_id":"c","started_at":"1970-01-01T00:00:28.000Z",` +
			`"ended_at":"1970-01-01T00:00:29.000Z","complete_at":"1970-01-01T00:00:30.000Z","topics":31,` +
			`"partitions":32,"failures":33,"unfinished":34,"error":"f"}`},
		"status, of a trouble": {newStatusJSON(condition.Overview{Rows: []condition.Judged{excluded}}, at(100)).Partitions[0].Error, `"m"`},
	} {
		text, err := json.Marshal(c.got)
		if err != nil || string(text) != c.want {
			t.Errorf("%s: %v\n%s, want\n%s", name, err, text, c.want)
		}
	}
}
