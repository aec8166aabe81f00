package main

import (
	"cmp"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// statusJSON is what status --json prints. docs/cli.md documents it.
type statusJSON struct {
	Healthy    bool            `json:"healthy"`
	At         *string         `json:"at"`
	Problem    string          `json:"problem"` // what is wrong with the ticks themselves
	Tick       *tickJSON       `json:"tick"`    // the last one; null when none is on record
	Partitions []partitionJSON `json:"partitions"`
}

// tickJSON is the record of a tick.
type tickJSON struct {
	ID         string  `json:"tick_id"`
	ClusterID  string  `json:"cluster_id"`
	StartedAt  *string `json:"started_at"`
	EndedAt    *string `json:"ended_at"`
	CompleteAt *string `json:"complete_at"` // when the last complete one asked Kafka
	Topics     int     `json:"topics"`
	Partitions int     `json:"partitions"`
	Failures   int     `json:"failures"`
	Unfinished int     `json:"unfinished"`
	Error      string  `json:"error"`
}

type partitionJSON struct {
	Topic string `json:"topic"` // as Name
	bifrost.TopicNames
	Partition       int32   `json:"partition"`
	TopicID         string  `json:"topic_id"`
	ClusterID       string  `json:"cluster_id"`
	Status          string  `json:"status"`
	Healthy         bool    `json:"healthy"`
	Error           string  `json:"error"`
	ErrorSince      *string `json:"error_since"` // since when ticks meet it; null for an attempt of a worker
	SeenAt          *string `json:"seen_at"`
	Unseen          string  `json:"unseen"` // why nobody knows that it is as the row says
	Excluded        bool    `json:"excluded"`
	Suspicion       string  `json:"suspicion"`
	Lag             int64   `json:"lag"`
	NextOffset      int64   `json:"next_offset"`
	PlannedOffset   int64   `json:"planned_offset"`
	LogStartOffset  int64   `json:"log_start_offset"`
	LogEndOffset    int64   `json:"log_end_offset"`
	HighWatermark   int64   `json:"high_watermark"`
	ObservedAt      *string `json:"observed_at"`
	LossAt          *string `json:"loss_at"` // when Kafka may delete the first record not archived; null for never
	Records         int64   `json:"records"`
	RawBytes        int64   `json:"raw_bytes"`
	StoredBytes     int64   `json:"stored_bytes"`
	MissingOffsets  int64   `json:"missing_offsets"`
	LostOffsets     int64   `json:"lost_offsets"`
	LastRecordAt    *string `json:"last_record_at"`
	LastRecordMS    *int64  `json:"last_record_ms"`
	LastArchivedAt  *string `json:"last_archived_at"`
	LastPlannedAt   *string `json:"last_planned_at"`
	LastObject      string  `json:"last_object"`
	LastLeaderEpoch int32   `json:"last_leader_epoch"`
}

func newStatusJSON(seen wellbeing, now time.Time) statusJSON {
	s := statusJSON{Healthy: seen.healthy(), At: timestamp(now), Problem: seen.problem(), Partitions: make([]partitionJSON, len(seen.rows))}
	if r, ok := seen.ticks.Last(); ok {
		s.Tick = &tickJSON{
			ID: r.ID, ClusterID: r.ClusterID, StartedAt: timestamp(r.StartedAt), EndedAt: timestamp(r.EndedAt), CompleteAt: timestamp(r.CompleteAt),
			Topics: r.Topics, Partitions: r.Partitions, Failures: r.Failures, Unfinished: r.Unfinished, Error: r.Error,
		}
	}
	for i, p := range seen.rows {
		s.Partitions[i] = partitionJSON{
			Topic: p.Name, TopicNames: p.TopicNames(), Partition: p.Number, TopicID: p.TopicID.String(), ClusterID: p.ClusterID,
			Status: string(p.Status), Healthy: !unhealthy(p), Error: cmp.Or(p.Trouble.Error, p.Error), ErrorSince: timestamp(p.Trouble.Since), Suspicion: p.Suspicion,
			SeenAt: timestamp(p.SeenAt), Unseen: p.Unseen, Excluded: p.Excluded,
			Lag: p.Lag(), NextOffset: p.NextOffset, PlannedOffset: p.PlannedOffset,
			LogStartOffset: p.LogStart, LogEndOffset: p.LastStable, HighWatermark: p.HighWatermark, ObservedAt: timestamp(p.At), LossAt: timestamp(notPast(p.threat, now)),
			Records: p.Records, RawBytes: p.RawBytes, StoredBytes: p.StoredBytes, MissingOffsets: p.Missing, LostOffsets: p.Lost,
			LastRecordAt: timestamp(p.LastRecordAt), LastRecordMS: milliseconds(p.LastRecordAt), LastArchivedAt: timestamp(p.LastArchivedAt), LastPlannedAt: timestamp(p.LastPlannedAt),
			LastObject: p.LastObject, LastLeaderEpoch: p.LeaderEpoch,
		}
	}
	return s
}

// notPast is a forecast that has come to pass: it may happen at any moment.
func notPast(at, now time.Time) time.Time {
	if !at.IsZero() && at.Before(now) {
		return now
	}
	return at
}
