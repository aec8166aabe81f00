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
			part.Others = append(part.Others, Life{Name: names[n], Life: names[n], Numbers: []int32{0}, Newer: n > of, Apart: true})
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
		forced := asking(3)
		forced.Force = true
		replayAll(t, forced, source, options)
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

// TestNewerLivesBehindAnyOlder: a life of a topic does not go on in a target that has records of an
// earlier one, in whichever partition; a branch goes on behind the one that it was cut from, and not
// the other way round.
func TestNewerLivesBehindAnyOlder(t *testing.T) {
	t.Parallel()
	order := []int{0, 1}
	cluster := startCluster(t, 2)
	source, options := archived(20, 10), optionsOf(cluster)
	replayAll(t, Request{Parts: []Part{partOfLife(0, order)}}, source, options)
	later := Request{Parts: []Part{partOfLife(1, order)}}
	mustRefuse(t, later, source, options, AnswerForce, "records of orders, an earlier life of the topic: those of orders@second/0")
	later.Parts[0].Source.Number = 1 // of the other partition of the target
	mustRefuse(t, later, source, options, AnswerForce, "records of orders, an earlier life of the topic: those of orders@second/1")
	if outlook := lookOf(t, later, source, options); outlook.Parts[0].Beside() != "orders" {
		t.Errorf("beside is %q", outlook.Parts[0].Beside())
	}
	later.Parts[0].Ask = AllTimes(6, 7) // an offset without a record
	replayAll(t, later, source, options)
	later.Parts[0].Ask, later.Force = AllTimes(0, 20), true
	replayAll(t, later, source, options)

	into := optionsOf(startCluster(t, 2))
	side, apart := partOfLife(0, order), partOfLife(1, order)
	apart.Source.Number = 1
	mustRefuse(t, Request{Parts: []Part{side, apart}}, source, into, AnswerForce, "two lives of one topic, would be mixed in it: replay each into")

	branches := startCluster(t, 1)
	first, second := partOfLife(0, order), partOfLife(1, order)
	first.Others[0].Apart, second.Others[0].Apart = false, false
	mustRefuse(t, Request{Parts: []Part{first, second}}, source, optionsOf(branches), AnswerForce, "two branches of one topic")
	replayAll(t, Request{Parts: []Part{first}}, source, optionsOf(branches))
	replayAll(t, Request{Parts: []Part{second}}, source, optionsOf(branches))
	first.Ask = AllTimes(0, 30)
	mustRefuse(t, Request{Parts: []Part{first}}, archived(30, 10), optionsOf(branches), AnswerForce, "orders@second, a later branch of the topic")
}

// TestAnotherLifeIsToldBeforeABranch: of a later branch and another life that the target both has, it
// is the life that belongs elsewhere, wherever it stands among the others.
func TestAnotherLifeIsToldBeforeABranch(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}} {
		cluster := startCluster(t, 1)
		source, options := archived(20, 10), optionsOf(cluster)
		for _, n := range []int{1, 2} {
			replayAll(t, Request{Parts: []Part{partOfLife(n, order)}, Force: true}, source, options)
		}
		first := partOfLife(0, order)
		for i := range first.Others {
			first.Others[i].Apart = first.Others[i].Name == "orders@third"
		}
		if outlook := lookOf(t, Request{Parts: []Part{first}}, source, options); outlook.Parts[0].Beside() != "orders@third" {
			t.Errorf("in the order %v, beside is %q", order, outlook.Parts[0].Beside())
		}
	}
}
