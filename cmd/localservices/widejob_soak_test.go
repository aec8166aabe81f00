//go:build real && soak

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// What TestAJobOverManyPartitions replays. Most partitions are small, so that the machine
// can start a function for each; some take longer than a function has.
const (
	widePartitions = 500
	wideSmall      = 8   // records of a partition
	wideLarge      = 240 // of the first few
	wideLargeOnes  = 10
	wideValue      = 200 // bytes of a value, about
	wideWorkers    = 8
	wideRate       = 2500 // bytes a second of a worker: a large partition takes 19 seconds, a small one less than one
	wideTimeLimit  = 15   // seconds that a function has
)

// TestAJobOverManyPartitions replays 500 partitions by a deployed job. All along
// functions are killed, or held still until Lambda ends them at their own time limit;
// large partitions take more than one function's time; and a second execution has every
// item in hand at the same time as the first. In the middle everything is stopped, and
// then continued. A consumer that shares nothing with Bifrost finds each record once and
// in order.
func TestAJobOverManyPartitions(t *testing.T) {
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	o := newOperations(t, broker.Addr())
	source, target := o.topic("wide"), strings.Replace(o.prefix, "plain", "copy", 1)+"wide" // no topic of the stack
	produced := o.produceWide(source)
	o.startPlainStack(map[string]string{
		"MaxInFlight": "24", "JobWorkers": fmt.Sprint(wideWorkers),
		"JobBytesPerSecond": fmt.Sprint(wideWorkers * wideRate),
	})
	o.archive()
	j := newJobs(o)
	const id = "wide"
	first, err := j.control.Start(t.Context(), job.Spec{
		ID: id, Kind: job.KindReplay, Topics: []string{source + ":" + target},
		To: &job.Target{Brokers: o.brokers}, Replay: &job.Replay{Create: true},
	})
	o.check(err)
	second := ""
	trouble := troubleMaker{jobs: j}
	for {
		status, err := j.control.Status(t.Context(), id)
		if run, err := j.control.Machine.Describe(t.Context(), first); err != nil || run.State != job.StateRunning {
			t.Fatalf("it ended before its middle: %+v, error %v; %+v", run, err, status)
		}
		if planned := err == nil && status.Items > 0; !planned { // a plan that is killed is made again, twice at most
			if trouble.kills == 0 {
				trouble.killOne()
			}
			o.check(pause(t.Context()))
			continue
		}
		if second == "" {
			// Everybody's time is short from now on.
			_, err := lambda.NewFromConfig(o.stack.AWS.Config()).UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
				FunctionName: aws.String(o.stack.Outputs["JobFunction"]), Timeout: aws.Int32(wideTimeLimit),
			})
			o.check(err)
			second, err = j.control.Machine.Start(t.Context(), "beside-"+id, fmt.Sprintf(`{"id":%q}`, id))
			o.check(err)
		}
		if status.Done >= widePartitions/2 {
			break
		}
		trouble.make()
		o.check(pause(t.Context()))
	}
	stopped, err := j.control.Stop(t.Context(), id)
	o.check(err)
	if stopped != 2 {
		t.Errorf("%d executions stopped, want both", stopped)
	}
	status := j.follow(t, id, first)
	if status.Complete || status.Done < widePartitions/2 || status.Done == widePartitions {
		t.Fatalf("stopped in the middle: %+v", status)
	}
	continued, err := j.control.Continue(t.Context(), id)
	o.check(err)
	ended := make(chan struct{})
	go func() { // trouble goes on
		defer close(ended)
		for ctx, left := t.Context(), 40; left > 0 && pause(ctx) == nil; left-- {
			trouble.make()
		}
	}()
	status = j.follow(t, id, continued)
	<-ended
	for n := 0; !status.Complete && n < 10; n++ {
		time.Sleep(time.Second) // the name of an execution has the second
		continued, err := j.control.Continue(t.Context(), id)
		o.check(err)
		status = j.follow(t, id, continued)
	}
	if !status.Complete || status.Items != widePartitions || status.Report.Done != widePartitions || status.Report.Failed != 0 {
		t.Fatalf("status %+v, report %+v", status, status.Report)
	}
	records := int64(0)
	for _, of := range produced {
		records += int64(len(of))
	}
	if status.Report.Records != records || status.Report.Cost.Invocations <= widePartitions {
		t.Errorf("%d records, want %d; %+v", status.Report.Records, records, status.Report)
	}
	if trouble.kills == 0 || trouble.holds == 0 {
		t.Errorf("not much was put to the test: %+v", trouble)
	}
	t.Logf("%d executions, %d functions killed, %d held until their limit; cost %+v", status.Runs, trouble.kills, trouble.holds, status.Report.Cost)
	j.compareWide(target, produced)
}

// produceWide writes records that say where they belong.
func (o *operations) produceWide(topic string) (values [][]string) {
	o.Helper()
	o.check(makeTopic(o.Context(), o.admin, topic, widePartitions, nil))
	promise := kgo.AbortingFirstErrPromise(o.client)
	values = make([][]string, widePartitions)
	for p := range values {
		n := wideSmall
		if p < wideLargeOnes {
			n = wideLarge
		}
		for i := range n {
			value := fmt.Sprintf("partition %d record %d %0*d", p, i, wideValue-30, i)
			values[p] = append(values[p], value)
			o.client.Produce(o.Context(), &kgo.Record{Topic: topic, Partition: int32(p), Value: []byte(value)}, promise.Promise())
		}
	}
	o.check(promise.Err())
	return values
}

// troubleMaker kills functions, and holds some still, one of either at a time.
type troubleMaker struct {
	*jobs
	next                time.Time
	turns, kills, holds int
}

// make does something every three seconds.
func (m *troubleMaker) make() {
	if time.Now().Before(m.next) {
		return
	}
	m.next = time.Now().Add(3 * time.Second)
	if m.turns++; m.turns%3 != 0 {
		m.killOne()
	} else if pid := m.anyOne(); pid != 0 && syscall.Kill(pid, syscall.SIGSTOP) == nil {
		m.holds++ // Lambda ends it when its time is over
	}
}

func (m *troubleMaker) killOne() {
	if pid := m.anyOne(); pid != 0 && syscall.Kill(pid, syscall.SIGKILL) == nil {
		m.kills++
	}
}

func (m *troubleMaker) anyOne() int {
	pids := m.processesOf("JobFunction")
	if len(pids) == 0 {
		return 0
	}
	return pids[rand.IntN(len(pids))]
}

// compareWide reads the target from its beginning to its end as any consumer does.
func (j *jobs) compareWide(topic string, want [][]string) {
	j.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(j.brokers), kgo.ConsumeTopics(topic), kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	j.check(err)
	defer client.Close()
	ends, err := j.admin.ListCommittedOffsets(j.Context(), topic)
	j.check(err)
	left := map[int32]int64{}
	for p, end := range ends[topic] {
		j.check(end.Err)
		left[p] = end.Offset
	}
	if len(left) != widePartitions {
		j.Fatalf("topic %s has %d partitions", topic, len(left))
	}
	got := make([][]string, widePartitions)
	ctx, stop := context.WithTimeout(j.Context(), patience)
	defer stop()
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		j.check(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				got[r.Partition] = append(got[r.Partition], string(r.Value))
			}
			if end, open := left[r.Partition]; open && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		})
	}
	wrong := 0
	for p := range want {
		if !slices.Equal(got[p], want[p]) {
			if wrong++; wrong < 10 {
				j.Errorf("partition %d has %d records, want %d, or they are in another order", p, len(got[p]), len(want[p]))
			}
		}
	}
	j.Logf("%d of %d partitions hold each record once and in order", widePartitions-wrong, widePartitions)
}
