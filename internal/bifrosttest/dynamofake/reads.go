// How the pretended DynamoDB reads many items.

package dynamofake

import (
	"hash/fnv"
	"maps"
	"slices"
	"strings"
)

// seen is the items that a request sees: all that was written, if it is to be consistent.
// The index is as new as the table, since there is no read of it that asks for that.
func (t *table) seen(r request) map[string]item {
	if r.ConsistentRead || r.IndexName != "" || t.last.table == nil {
		return t.items
	}
	late := maps.Clone(t.items)
	if delete(late, t.last.place); t.last.before != nil {
		late[t.last.place] = t.last.before
	}
	return late
}

// query is Query: the items of one hash key in the order of the sort key.
func (s *Server) query(t *table, r request) (map[string]any, error) {
	names := t.keyNames
	if r.IndexName != "" {
		var ok bool
		if names, ok = t.indexes[r.IndexName]; !ok {
			return nil, invalid("The table does not have the specified index: %s", r.IndexName)
		}
		if r.ConsistentRead {
			return nil, invalid("Consistent reads are not supported on global secondary indexes")
		}
	}
	placeholders := newScope(r)
	if !strings.HasPrefix(strings.TrimSpace(r.KeyConditionExpression), "#"+names.hash+" = ") {
		return nil, invalid("Query condition missed key schema element: %s", names.hash)
	}
	// An empty item has the expression read also if no item is there.
	if _, err := placeholders.expression(r.KeyConditionExpression, item{}).holds(); err != nil {
		return nil, err
	}
	var found []item
	for _, i := range t.seen(r) {
		if i[names.hash] == nil || i[names.sort] == nil {
			continue // not in the index
		}
		if ok, err := placeholders.expression(r.KeyConditionExpression, i).holds(); err != nil {
			return nil, err
		} else if ok {
			found = append(found, i)
		}
	}
	order := func(x, y item) int { return t.order(names, x, y) }
	if r.ScanIndexForward != nil && !*r.ScanIndexForward {
		order = func(x, y item) int { return t.order(names, y, x) }
	}
	return s.page(t, r, names, found, order, placeholders)
}

// scan is Scan. A segment has the items of some hash keys.
func (s *Server) scan(t *table, r request) (map[string]any, error) {
	var found []item
	for _, i := range t.seen(r) {
		if r.TotalSegments == nil || segmentOf(i[t.hash], *r.TotalSegments) == *r.Segment {
			found = append(found, i)
		}
	}
	return s.page(t, r, t.keyNames, found, func(x, y item) int { return t.order(t.keyNames, x, y) }, newScope(r))
}

func segmentOf(key value, segments int) int {
	h := fnv.New32a()
	text, _ := key["S"].(string)
	_, _ = h.Write([]byte(text)) // never fails
	return int(h.Sum32() % uint32(segments))
}

// positionNames are the attributes that say where an item is when items are read by these keys:
// theirs, then those of the table itself.
func (t *table) positionNames(by keyNames) []string {
	return []string{by.hash, by.sort, t.hash, t.sort}
}

// order sorts by position.
func (t *table) order(by keyNames, x, y item) int {
	for _, name := range t.positionNames(by) {
		if c, _ := compare(x[name], y[name]); c != 0 {
			return c
		}
	}
	return 0
}

// page is what follows the start key, up to the limit. As DynamoDB does it says of a page
// that is full that there may be more, also when there is none; a filter is applied to what
// was read.
func (s *Server) page(
	t *table, r request, by keyNames, found []item, order func(x, y item) int, placeholders *scope,
) (map[string]any, error) {
	slices.SortFunc(found, order)
	if r.ExclusiveStartKey != nil {
		for _, name := range t.positionNames(by) {
			if r.ExclusiveStartKey[name] == nil {
				return nil, invalid("The provided starting key is invalid: %s", name)
			}
		}
		found = slices.DeleteFunc(found, func(i item) bool { return order(i, r.ExclusiveStartKey) <= 0 })
	}
	size := s.PageSize
	if r.Limit != nil {
		if *r.Limit < 1 {
			return nil, invalid("Limit %d: must have value greater than or equal to 1", *r.Limit)
		}
		size = min(size, *r.Limit)
	}
	answer := map[string]any{}
	if len(found) >= size {
		found = found[:size]
		last := item{}
		for _, name := range t.positionNames(by) {
			last[name] = found[size-1][name]
		}
		answer["LastEvaluatedKey"] = last
	}
	read := func(i item) (some item, kept bool, err error) {
		if kept = true; r.FilterExpression != "" {
			kept, err = placeholders.expression(r.FilterExpression, i).holds()
		}
		if err == nil {
			some, err = placeholders.project(r.ProjectionExpression, i)
		}
		return some, kept, err
	}
	// An empty item has the expressions read also if nothing is found.
	if _, _, err := read(item{}); err != nil {
		return nil, err
	}
	items := []item{}
	for _, i := range found {
		some, kept, err := read(i)
		if err != nil {
			return nil, err
		}
		if kept {
			items = append(items, some)
		}
	}
	if err := placeholders.check(); err != nil {
		return nil, err
	}
	answer["Items"], answer["Count"], answer["ScannedCount"] = items, len(items), len(found)
	charge(answer, r, float64(len(found)))
	return answer, nil
}

// project is the attributes that were asked for; all of them without a projection.
func (s *scope) project(text string, of item) (item, error) {
	if text == "" {
		return of, nil
	}
	e, some := s.expression(text, of), item{}
	for {
		if name := e.attribute(); of[name] != nil {
			some[name] = of[name]
		}
		if !e.accept(",") {
			return some, e.failed
		}
	}
}
