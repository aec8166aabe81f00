// The writes of progress rows.

package dynamoledger

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// maxPlannedRows fit into a transaction of 100 beside the progress row.
const maxPlannedRows = 99

// Plan implements bifrost.Planner.
func (l *Ledger) Plan(ctx context.Context, w bifrost.PlanWrite) error {
	p := w.Progress
	doing := fmt.Sprintf("plan %s from offset %d to %d in %d rows", p.Partition, p.PlannedOffset, w.PlannedOffset,
		len(w.Rows))
	if len(w.Rows) > maxPlannedRows {
		return fmt.Errorf("%s: at most %d rows fit into a transaction", doing, maxPlannedRows)
	}
	e := newExpression().
		require("generation", textValue(p.Generation)).
		require("planned_offset", number(p.PlannedOffset)).
		requireWorkable().
		requireSuspicion(p).
		set("planned_offset", number(w.PlannedOffset)).
		set("planned_epoch", number(int64(w.PlannedEpoch))).
		setText("last_planned_at", iso(w.Observation.At)).
		setObservation(w.Observation)
	writes := []types.TransactWriteItem{e.asUpdate(l.tables.Progress, progressKey(p.Partition))}
	for _, r := range w.Rows {
		writes = append(writes, putIfAbsent(l.tables.Objects, plannedItem(r)))
	}
	return l.transactItems(ctx, doing, writes)
}

// requireWorkable demands a status in which ranges may be planned.
func (e *expression) requireWorkable() *expression {
	status := e.name("status")
	return e.condition(status + " IN (" + e.value(textValue(string(bifrost.StatusOpen))) + ", " +
		e.value(textValue(string(bifrost.StatusBlocked))) + ")")
}

// requireSuspicion demands that the partition is suspected of what p is, since
// when p is.
func (e *expression) requireSuspicion(p bifrost.Progress) *expression {
	return e.requireText("suspicion", p.Suspicion).requireText("suspected_at", iso(p.SuspectedAt))
}

// ChangeStatus implements bifrost.Planner. After a lost answer a row of the same
// generation with the status and the suspicion that were to be written will do,
// whoever wrote them.
func (l *Ledger) ChangeStatus(ctx context.Context, w bifrost.StatusWrite) error {
	p := w.Progress
	e := newExpression().
		require("generation", textValue(p.Generation)).
		require("planned_offset", number(p.PlannedOffset)).
		require("status", textValue(string(p.Status))).
		requireSuspicion(p).
		set("status", textValue(string(w.Status))).
		setText("error", w.Error).
		setText("suspicion", w.Suspicion).
		setText("suspected_at", iso(w.SuspectedAt))
	if !w.Observation.At.IsZero() {
		e.setObservation(w.Observation)
	}
	doing := fmt.Sprintf("change %s, planned to offset %d, from %s to %s", p.Partition, p.PlannedOffset, p.Status,
		w.Status)
	_, err := l.updateItem(ctx, change{
		doing: doing, table: l.tables.Progress, key: progressKey(p.Partition), expr: e,
		ours: func(row attributes) bool {
			now, err := decodeProgress(row)
			return err == nil && now.Generation == p.Generation && now.PlannedOffset == p.PlannedOffset &&
				now.Status == w.Status && now.Suspicion == w.Suspicion
		},
	})
	return err
}

// CreateProgress implements bifrost.RowMaker. A generation is used once, so a row
// that has it is this one.
func (l *Ledger) CreateProgress(ctx context.Context, p bifrost.Progress) error {
	doing := fmt.Sprintf("make the progress row of %s", p.Partition)
	item, err := encodeProgress(p)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	e, d := newExpression().requireAbsent("topic"), l.newDoubt()
	_, err = l.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &l.tables.Progress, Item: item,
		ConditionExpression: e.conditionText(), ExpressionAttributeNames: e.names,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, d.use)
	if err != nil {
		_, err = l.concludeWrite(doing, err, d,
			func(row attributes) bool { return scalarText(row["generation"]) == p.Generation })
	}
	return err
}

// FenceProgress implements bifrost.RowMaker. After a lost answer a row of the same
// generation with the same time will do, whoever wrote it.
func (l *Ledger) FenceProgress(ctx context.Context, p bifrost.Progress) error {
	e := newExpression().
		require("generation", textValue(p.Generation)).
		require("status", textValue(string(bifrost.StatusFencing))).
		requireAbsent("fenced_at").
		set("fenced_at", textValue(iso(p.FencedAt)))
	_, err := l.updateItem(ctx, change{
		doing: fmt.Sprintf("fence off %s", p.Partition),
		table: l.tables.Progress, key: progressKey(p.Partition), expr: e,
		ours: func(row attributes) bool {
			return scalarText(row["generation"]) == p.Generation && scalarText(row["fenced_at"]) == iso(p.FencedAt)
		},
	})
	return err
}

// OpenProgress implements bifrost.RowMaker. After a lost answer a row of the same
// generation that is OPEN with the same values will do, whoever opened it.
func (l *Ledger) OpenProgress(ctx context.Context, p bifrost.Progress) error {
	e := newExpression().
		require("generation", textValue(p.Generation)).
		require("status", textValue(string(bifrost.StatusFencing))).
		set("status", textValue(string(bifrost.StatusOpen))).
		set("known_until", number(p.KnownUntil)).
		set("start_offset", number(p.StartOffset)).
		set("planned_epoch", number(int64(p.PlannedEpoch)))
	_, err := l.updateItem(ctx, change{
		doing: fmt.Sprintf("open %s", p.Partition),
		table: l.tables.Progress, key: progressKey(p.Partition), expr: e,
		ours: func(row attributes) bool {
			now, err := decodeProgress(row)
			return err == nil && now.Generation == p.Generation && now.Status == bifrost.StatusOpen &&
				now.KnownUntil == p.KnownUntil && now.StartOffset == p.StartOffset
		},
	})
	return err
}

// DeleteProgress implements bifrost.RowMaker. After a lost answer an absent row
// will do, whoever deleted it.
func (l *Ledger) DeleteProgress(ctx context.Context, p bifrost.Progress) error {
	e, d := newExpression(), l.newDoubt()
	e.require("generation", textValue(p.Generation)).require("next_offset", number(p.NextOffset))
	_, err := l.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &l.tables.Progress, Key: progressKey(p.Partition),
		ConditionExpression: e.conditionText(), ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, d.use)
	if err != nil {
		doing := fmt.Sprintf("delete the progress row of %s at offset %d", p.Partition, p.NextOffset)
		_, err = l.concludeWrite(doing, err, d, func(row attributes) bool { return len(row) == 0 })
	}
	return err
}
