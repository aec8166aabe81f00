//go:build real && soak

package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// TestCutLog cuts the log of a partition on a real broker, below what is archived,
// and does what docs/operations.md says about the alarm "Partition diverged".
func TestCutLog(t *testing.T) {
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	o := newOperations(t, broker.Addr())
	o.create(o.topic("cut"), nil)
	o.produceMore(50 * partitionsEach)
	o.startPlainStack(map[string]string{})
	o.archive()
	cut := o.cutLog(broker)
	o.eventually("nobody says that the partition diverged", func() bool {
		answer, err := tick(t.Context(), o.stack)
		o.check(err)
		return answer.Diverged == 1
	})
	o.eventually("nothing is counted for the alarm", func() bool { return o.metric("DiscoverFunction", "Diverged") > 0 })

	o.must("accept", "diverged", o.topics[0], "0", strconv.FormatInt(cut, 10), "--yes")
	o.produceMore(50 * partitionsEach)
	o.archive()
	o.verify() // what was archived of the old branch is still there, too
	o.goesOn(cut)
}

// cutLog kills the broker and takes half of the log of the first partition away:
// what a broker finds broken when it starts, it cuts. It returns the new end.
func (o *operations) cutLog(broker *localservices.KafkaBroker) int64 {
	o.Helper()
	before := o.logEnd()
	o.check(broker.Kill())
	segment := filepath.Join(broker.Dir(), "data", o.topics[0]+"-0", "00000000000000000000.log")
	file, err := os.Stat(segment)
	o.check(err)
	o.check(os.Truncate(segment, file.Size()/2))
	o.check(broker.Start(context.WithoutCancel(o.Context())))
	cut := o.logEnd()
	if cut == 0 || cut >= before {
		o.Fatalf("the log ended at %d and ends at %d", before, cut)
	}
	return cut
}

// logEnd is the end of the first partition's log.
func (o *operations) logEnd() int64 {
	o.Helper()
	ends, err := o.admin.ListEndOffsets(o.Context(), o.topics[0])
	o.check(err)
	o.check(ends.Error())
	end, _ := ends.Lookup(o.topics[0], 0)
	return end.Offset
}

// goesOn expects the old branch to be left, and a new one from the cut to the end.
func (o *operations) goesOn(cut int64) {
	o.Helper()
	branches := 0
	for _, p := range o.status().Partitions {
		if p.Partition != 0 {
			continue
		}
		branches++
		switch end := o.logEnd(); p.Topic {
		case o.topics[0]:
			if p.Status != "FORKED" {
				o.Errorf("the old branch: %+v", p)
			}
		default:
			if p.Status != "OPEN" || p.NextOffset != end || p.Records != end-cut {
				o.Errorf("the new branch: %+v, the log ends at %d and was cut at %d", p, end, cut)
			}
		}
	}
	if branches != 2 {
		o.Errorf("partition 0 has %d branches", branches)
	}
}
