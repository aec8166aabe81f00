package main

import (
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// statusJSON is what status --json prints. docs/cli.md documents it.
type statusJSON struct {
	Healthy    bool            `json:"healthy"`
	At         *string         `json:"at"`
	Partitions []partitionJSON `json:"partitions"`
}

type partitionJSON struct {
	Topic           string  `json:"topic"` // name of the incarnation, as in the tables
	Partition       int32   `json:"partition"`
	TopicID         string  `json:"topic_id"`
	ClusterID       string  `json:"cluster_id"`
	Status          string  `json:"status"`
	Healthy         bool    `json:"healthy"`
	Error           string  `json:"error"`
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
	LastArchivedAt  *string `json:"last_archived_at"`
	LastPlannedAt   *string `json:"last_planned_at"`
	LastObject      string  `json:"last_object"`
	LastLeaderEpoch int32   `json:"last_leader_epoch"`
}

func newStatusJSON(rows []bifrost.Progress, now time.Time) statusJSON {
	s := statusJSON{Healthy: !slices.ContainsFunc(rows, unhealthy), At: timestamp(now), Partitions: make([]partitionJSON, len(rows))}
	for i, p := range rows {
		s.Partitions[i] = partitionJSON{
			Topic: p.Name, Partition: p.Number, TopicID: p.TopicID.String(), ClusterID: p.ClusterID,
			Status: string(p.Status), Healthy: !unhealthy(p), Error: p.Error, Suspicion: p.Suspicion,
			Lag: p.Lag(), NextOffset: p.NextOffset, PlannedOffset: p.PlannedOffset,
			LogStartOffset: p.LogStart, LogEndOffset: p.LastStable, HighWatermark: p.HighWatermark, ObservedAt: timestamp(p.At), LossAt: timestamp(p.LossAt),
			Records: p.Records, RawBytes: p.RawBytes, StoredBytes: p.StoredBytes, MissingOffsets: p.Missing, LostOffsets: p.Lost,
			LastRecordAt: timestamp(p.LastRecordAt), LastArchivedAt: timestamp(p.LastArchivedAt), LastPlannedAt: timestamp(p.LastPlannedAt),
			LastObject: p.LastObject, LastLeaderEpoch: p.LeaderEpoch,
		}
	}
	return s
}
