package bifrost

import (
	"cmp"
	"slices"
	"time"
)

// Want is what one partition asks of a tick.
type Want struct {
	Ranges     int           // ranges that could be planned now
	Unfinished int           // ranges planned earlier and not settled yet
	TimeToLoss time.Duration // until Kafka deletes the first record not yet archived; NoLoss when it will not
}

// NoLoss is the time to loss of a partition that Kafka's retention does not threaten.
const NoLoss = time.Duration(1<<63 - 1)

// ShareSlots says how many ranges each partition may plan. A partition without any
// unfinished gets one, beside the limit: a small partition never waits behind a
// large backlog, and a thousand small ones leave the backlog its share. The limit,
// less what is unfinished in the stack, goes to the partitions nearest to loss, in
// turns among those that are about equally near. It is pure.
func ShareSlots(wants []Want, limit int) []int {
	grants := make([]int, len(wants))
	left := limit
	for i, w := range wants {
		if w.Ranges > 0 && w.Unfinished == 0 {
			grants[i] = 1
		}
		left -= w.Unfinished
	}
	order := make([]int, 0, len(wants))
	for i, w := range wants {
		if w.Ranges > grants[i] {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(nearness(wants[a].TimeToLoss), nearness(wants[b].TimeToLoss))
	})
	for len(order) > 0 && left > 0 {
		group := equals(order, wants)
		left = shareInTurns(order[:group], wants, grants, left)
		order = order[group:]
	}
	return grants
}

// equals is how many at the head of the order are about as near to loss as the first.
func equals(order []int, wants []Want) int {
	n := 1
	for n < len(order) && nearness(wants[order[n]].TimeToLoss) == nearness(wants[order[0]].TimeToLoss) {
		n++
	}
	return n
}

func shareInTurns(group []int, wants []Want, grants []int, left int) int {
	for granted := true; granted && left > 0; {
		granted = false
		for _, i := range group {
			if left > 0 && grants[i] < wants[i].Ranges {
				grants[i]++
				left--
				granted = true
			}
		}
	}
	return left
}
