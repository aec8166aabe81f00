package replay

import (
	"slices"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// partOfLife asks for one of several lives of a topic, the first of which has the number 0. The
// others stand in an order of their own.
func partOfLife(of int, order []int) Part {
	names := []string{"orders", "orders@second", "orders@third", "orders@fourth"}
	part := Part{
		Source: bifrost.Partition{Name: names[of]}, Life: names[of], Target: "target", Ask: AllTimes(0, 20),
	}
	for _, n := range order {
		if n != of {
			part.Others = append(part.Others, Life{Name: names[n], Life: names[n], Numbers: []int32{0}, Newer: n > of})
		}
	}
	return part
}

// TestOlderLivesBehindAnyNewer: of many lives of a topic, one that is newer and has records in the
// target stands against an older one, wherever it is among those that have none.
func TestOlderLivesBehindAnyNewer(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{0, 1, 2, 3}, {0, 1, 3, 2}, {0, 2, 1, 3}, {0, 2, 3, 1}, {0, 3, 1, 2}, {0, 3, 2, 1}} {
		cluster := startCluster(t, 1)
		source, options := archived(20, 10), optionsOf(cluster)
		asking := func(of ...int) (request Request) {
			for _, n := range of {
				request.Parts = append(request.Parts, partOfLife(n, order))
			}
			return request
		}
		replayAll(t, asking(2), source, options)
		mustRefuse(t, asking(0), source, options, AnswerForce, "orders@third, a later life of the topic")
		replayAll(t, asking(3), source, options)
		mustRefuse(t, asking(1), source, options, AnswerForce, "a later life of the topic")
	}
}

// TestLivesMixedWithAny: two lives side by side would be mixed in a partition, also if one that has
// nothing to write stands between them.
func TestLivesMixedWithAny(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{0, 1, 2}, {1, 0, 2}, {2, 1, 0}, {2, 0, 1}} {
		cluster := startCluster(t, 1)
		source, options := archived(20, 10), optionsOf(cluster)
		var request Request
		for _, n := range order {
			part := partOfLife(n, order)
			if n == 1 {
				part.Ask = AllTimes(6, 7) // an offset without a record
			}
			request.Parts = append(request.Parts, part)
		}
		mustRefuse(t, request, source, options, AnswerForce, "would be mixed")
		request.Parts = slices.DeleteFunc(request.Parts, func(p Part) bool { return p.Life == "orders" })
		replayAll(t, request, source, options)
	}
}
