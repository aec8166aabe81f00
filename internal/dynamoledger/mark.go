// The row that holds the mark of the tables.

package dynamoledger

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// markName is the topic of the row of the progress table that holds the mark of the
// tables. A topic's name has no '@', and the name of a later incarnation begins with
// a topic.
const markName = "@tables"

func markKey() attributes { return attributes{"topic": textValue(markName), "partition": number(0)} }

// isMark reports whether an item of the progress table is the mark, and no row of
// a partition.
func isMark(a attributes) bool { return scalarText(a["topic"]) == markName }

// Mark implements bifrost.MarkKeeper.
func (l *Ledger) Mark(ctx context.Context) (bifrost.TablesMark, error) {
	item, err := l.getItem(ctx, "read the mark of the tables", l.tables.Progress, markKey())
	if err != nil {
		return bifrost.TablesMark{}, err
	}
	return decodeMark(item)
}

func encodeMark(m bifrost.TablesMark) attributes {
	item := markKey()
	item["mark"] = number(m.Number)
	item["planned"] = &types.AttributeValueMemberBOOL{Value: m.Planned}
	for name, text := range map[string]string{"series": m.Series, "marked_at": iso(m.At), "next_series": m.Next} {
		if text != "" {
			item[name] = textValue(text)
		}
	}
	return item
}

func decodeMark(a attributes) (bifrost.TablesMark, error) {
	var d decoder
	m := bifrost.TablesMark{Series: optionalText(a["series"]), Next: optionalText(a["next_series"])}
	d.time(&m.At, optionalText(a["marked_at"]))
	n, ok := numberOf(a, "mark")
	if !ok || m.Series == "" || d.err != nil {
		return m, fmt.Errorf("the mark of the tables, row %s of the progress table, cannot be read: restore it, or "+
			"delete it and run bifrost rebuild", markName)
	}
	m.Number = n
	planned, _ := a["planned"].(*types.AttributeValueMemberBOOL)
	m.Planned = planned != nil && planned.Value
	return m, nil
}

func optionalText(v types.AttributeValue) string {
	if v == nil {
		return ""
	}
	return scalarText(v)
}

// SetMark implements bifrost.MarkKeeper. After a lost answer a row with what was to
// be written will do: a number is counted up to once, by whoever did.
func (l *Ledger) SetMark(ctx context.Context, before, after bifrost.TablesMark) error {
	e := newExpression()
	if before == (bifrost.TablesMark{}) {
		e.requireAbsent("topic")
	} else {
		e.require("series", textValue(before.Series)).require("mark", number(before.Number)).requireText("next_series",
			before.Next)
	}
	d := l.newDoubt()
	_, err := l.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &l.tables.Progress, Item: encodeMark(after),
		ConditionExpression: e.conditionText(), ExpressionAttributeNames: e.names,
		ExpressionAttributeValues:           e.valuesOrNil(),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}, d.use)
	if err != nil {
		_, err = l.concludeWrite("count up the mark of the tables", err, d, func(row attributes) bool {
			now, err := decodeMark(row)
			return err == nil && now.Series == after.Series && now.Number == after.Number && now.Next == after.Next &&
				now.At.Equal(after.At)
		})
	}
	return err
}
