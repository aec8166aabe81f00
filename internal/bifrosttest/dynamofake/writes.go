// How the pretended DynamoDB writes items.

package dynamofake

import (
	"encoding/json"
	"maps"
)

// Limits of DynamoDB (developer guide, Quotas).
const (
	largestItem        = 400 << 10 // bytes
	mostOfTransaction  = 100
	conditionFailed    = "ConditionalCheckFailed"
	conditionFailedFor = "The conditional request failed"
)

// placeOf is where an item with this key is, in a form that sorts hash keys together.
func (t *table) placeOf(key item, only bool) (string, error) {
	for _, name := range []string{t.hash, t.sort} {
		v, ok := key[name]
		if text, isText := v["S"]; !ok || v[t.kinds[name]] == nil || isText && text == "" {
			return "", invalid("The provided key element does not match the schema: %s", name)
		}
	}
	if only && len(key) != 2 {
		return "", invalid("The provided key element does not match the schema: %d attributes", len(key))
	}
	place, err := json.Marshal([]value{key[t.hash], key[t.sort]})
	return string(place), err
}

// check refuses what no table holds.
func (t *table) check(i item) error {
	for name, v := range i {
		if kind, isKey := t.kinds[name]; isKey && v[kind] == nil {
			return invalid("Type mismatch for key %s expected: %s", name, kind)
		}
		if _, isNumber := v["N"]; len(v) != 1 || isNumber && numberOf(v) == nil {
			return invalid("The parameter cannot be converted to a numeric value, or is no value: %s", name)
		}
	}
	if text, err := json.Marshal(i); err != nil || len(text) > largestItem {
		return invalid("Item size has exceeded the maximum allowed size")
	}
	return nil
}

// A step is one write that was checked, and is not applied yet.
type step struct {
	table       *table
	place       string
	before      item // nil for none
	after       item // nil when it is deleted
	conditioned bool // the condition holds
}

func (t *table) prepare(operation string, r request) (s step, err error) {
	key, only := r.Key, true
	if operation == "PutItem" || operation == "Put" {
		key, only = r.Item, false
	}
	if s.place, err = t.placeOf(key, only); err != nil {
		return s, err
	}
	s.table, s.conditioned = t, true
	names := newScope(r)
	s.before = t.items[s.place]
	if r.ConditionExpression != "" {
		if s.conditioned, err = names.expression(r.ConditionExpression, s.before).holds(); err != nil {
			return s, err
		}
	}
	switch operation {
	case "PutItem", "Put":
		s.after = r.Item
	case "UpdateItem", "Update":
		s.after = maps.Clone(s.before)
		if s.after == nil {
			s.after = maps.Clone(r.Key)
		}
		// What the update refers to is looked for only if the condition holds.
		err = names.expression(r.UpdateExpression, s.before).update(s.after, t.keyNames)
		if !s.conditioned {
			return s, nil
		}
	case "ConditionCheck":
		s.after = s.before
	}
	if err == nil {
		err = names.check()
	}
	if err == nil {
		err = t.check(s.after)
	}
	return s, err
}

func (s step) apply() {
	s.table.last = s
	if s.after == nil {
		delete(s.table.items, s.place)
		return
	}
	s.table.items[s.place] = s.after
}

func (t *table) write(operation string, r request) (map[string]any, error) {
	s, err := t.prepare(operation, r)
	if err != nil {
		return nil, err
	}
	if !s.conditioned {
		refused := &refusal{code: conditionFailed + "Exception", message: conditionFailedFor}
		if r.ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
			refused.found = s.before
		}
		return nil, refused
	}
	s.apply()
	answer := map[string]any{}
	switch r.ReturnValues {
	case "ALL_NEW":
		answer["Attributes"] = s.after
	case "ALL_OLD":
		if s.before != nil {
			answer["Attributes"] = s.before
		}
	}
	charge(answer, r, 1)
	return answer, nil
}

// charge adds what a request costs, if that was asked for.
func charge(answer map[string]any, r request, units float64) {
	if r.ReturnConsumedCapacity == "TOTAL" {
		answer["ConsumedCapacity"] = map[string]any{"TableName": r.TableName, "CapacityUnits": units}
	}
}

// transactWrite applies all or none. A repetition with the same token is answered as
// the first one was.
func (s *Server) transactWrite(r request) (map[string]any, error) {
	asked, err := json.Marshal(r.TransactItems)
	if err != nil {
		return nil, err
	}
	if before, done := s.tokens[r.ClientRequestToken]; done {
		if before != string(asked) {
			return nil, &refusal{code: "IdempotentParameterMismatchException", message: "another request had this token"}
		}
		return map[string]any{}, nil
	}
	if len(r.TransactItems) == 0 || len(r.TransactItems) > mostOfTransaction {
		return nil, invalid("Member must have length less than or equal to %d", mostOfTransaction)
	}
	var steps []step
	var reasons []reason
	failed := false
	for _, part := range r.TransactItems {
		for operation, of := range part {
			t, ok := s.tables[of.TableName]
			if !ok {
				return nil, &refusal{code: "ResourceNotFoundException", message: "Requested resource not found"}
			}
			if of.ExpressionAttributeValues != nil && len(*of.ExpressionAttributeValues) == 0 {
				return nil, invalid("ExpressionAttributeValues must not be empty")
			}
			one, err := t.prepare(operation, of)
			if err != nil {
				return nil, err
			}
			for _, other := range steps {
				if other.table == one.table && other.place == one.place {
					return nil, invalid("Transaction request cannot include multiple operations on one item")
				}
			}
			steps = append(steps, one)
			why := reason{Code: "None"}
			if !one.conditioned {
				failed, why = true, reason{Code: conditionFailed, Message: conditionFailedFor}
				if of.ReturnValuesOnConditionCheckFailure == "ALL_OLD" {
					why.Item = one.before
				}
			}
			reasons = append(reasons, why)
		}
	}
	if failed {
		return nil, &refusal{code: "TransactionCanceledException", message: "Transaction cancelled", reasons: reasons}
	}
	for _, one := range steps {
		one.apply()
	}
	if r.ClientRequestToken != "" {
		s.tokens[r.ClientRequestToken] = string(asked)
	}
	return map[string]any{}, nil
}

// get is GetItem.
func (t *table) get(r request) (map[string]any, error) {
	place, err := t.placeOf(r.Key, true)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{}
	if found := t.seen(r)[place]; found != nil {
		answer["Item"] = found
	}
	charge(answer, r, 1)
	return answer, nil
}
