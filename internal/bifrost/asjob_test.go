package bifrost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// A verification is cut into as many items as it can be.
func init() { job.SliceBytes, job.PartitionsTogether = 1, 1 }

// jobs runs the steps of jobs over the stack.
func (s *stack) jobs() *job.Runner {
	tries := 0
	return &job.Runner{
		Files: job.Files{Group: testGroup, Bucket: s.store}, BucketName: "bucket", Tables: s.ledger,
		Executions:  func(context.Context) (int, error) { return 1000, nil },
		Requests:    func() job.Requests { return job.Requests{} },
		MaxInFlight: 8, Cores: 1, Memory: 1 << 30, Now: s.clock.Now,
		NewID: func() string { tries++; return fmt.Sprint("try-", tries) },
	}
}

// verifyAsJob verifies by a job whose items are done in any order, some of them twice,
// and answers all that it has found.
func (s *stack) verifyAsJob(random *rand.Rand, id string, topics ...string) ([]verify.Violation, job.Report) {
	s.Helper()
	return s.verifyBy(s.jobs(), random, id, topics...)
}

func (s *stack) verifyBy(r *job.Runner, random *rand.Rand, id string, topics ...string) ([]verify.Violation, job.Report) {
	s.Helper()
	ctx := context.Background()
	input, _ := json.Marshal(job.Spec{ID: id, Kind: job.KindVerify, Topics: topics})
	const execution = "arn:aws:states:eu-west-1:000000000000:execution:bifrost-job:one"
	if _, err := r.Plan(ctx, job.Event{Job: input, Execution: execution, Workers: 50}); err != nil {
		s.Fatalf("plan: %v", err)
	}
	items, err := r.Items(ctx, id)
	if err != nil {
		s.Fatalf("%v", err)
	}
	for range len(items) / 3 {
		items = append(items, items[random.IntN(len(items))])
	}
	random.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	for _, item := range items {
		answer, err := r.Work(ctx, job.Event{ID: id, Item: &item}, time.Time{})
		if err != nil || !answer.Done {
			s.Fatalf("item %+v: done %v, error %v", item, answer.Done, err)
		}
	}
	report, err := r.Finish(ctx, job.Event{Job: fmt.Appendf(nil, `{"id":%q}`, id), Execution: execution, Begun: s.clock.Now().Format(time.RFC3339)})
	if err != nil {
		s.Fatalf("finish: %v", err)
	}
	var found []verify.Violation
	err = r.EachDone(ctx, id, func(d job.Done) error { found = append(found, d.Violations...); return nil })
	if err != nil {
		s.Fatalf("%v", err)
	}
	return found, report
}

func inOrder(found []verify.Violation) []verify.Violation {
	found = slices.Clone(found)
	slices.SortFunc(found, func(a, b verify.Violation) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return found
}

// TestAJobFindsWhatTheCommandFinds: each damage, by a job whose items are doubled and
// in any order, is what a deep verification in one piece says of it, and in its words.
func TestAJobFindsWhatTheCommandFinds(t *testing.T) {
	t.Parallel()
	for i, damage := range damages {
		t.Run(string(damage.kind)+"/"+damage.name, func(t *testing.T) {
			t.Parallel()
			s := seasoned(t)
			damage.inflict(s)
			want, summary := s.verify(verify.Options{Deep: true})
			random := rand.New(rand.NewPCG(uint64(i), 1))
			found, report := s.verifyAsJob(random, "one")
			if !slices.Equal(inOrder(found), inOrder(want)) {
				t.Errorf("found\n%+v, want\n%+v", found, want)
			}
			if !damage.options.Kafka && report.Verify.Kinds[damage.kind] == 0 {
				t.Errorf("a job does not find %s: %+v", damage.kind, report.Verify.Kinds)
			}
			if got := *report.Verify; fmt.Sprint(got.Kinds, got.Gaps, got.Totals) != fmt.Sprint(summary.Kinds, summary.Gaps, summary.Totals) ||
				got.Partitions != summary.Partitions || got.Rows != summary.Rows || got.Objects != summary.Objects || got.DecodedObjects != summary.DecodedObjects {
				t.Errorf("summary\n%+v, want\n%+v", got, summary)
			}
			// The files of jobs are no objects that somebody else has put there.
			if again, _ := s.verify(verify.Options{Deep: true}); !slices.Equal(inOrder(again), inOrder(want)) {
				t.Errorf("beside the files of a job\n%+v, want\n%+v", again, want)
			}
		})
	}
}

// mustFindAsJob holds what a job finds against what the command finds, and deletes the
// files of the job.
func (s *stack) mustFindAsJob(t *rapid.T) {
	t.Helper()
	want, _ := s.verify(verify.Options{Deep: true})
	found, _ := s.verifyAsJob(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order of items"), 1)), "one")
	if !slices.Equal(inOrder(found), inOrder(want)) {
		t.Errorf("a job found\n%+v, want\n%+v", found, want)
	}
	for _, key := range s.store.Keys() {
		if strings.HasPrefix(key, bifrost.JobsPrefix(testGroup)) {
			s.store.Delete(key)
		}
	}
}

// TestAJobFindsRottenBytes: what the store does not notice, and only deep verification
// finds, in each object of the archive.
func TestAJobFindsRottenBytes(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	for i, key := range s.objectKeys() {
		bucket := rotten{Store: s.store, key: key, at: len(s.content(key)) / 3}
		var want []verify.Violation
		command := s.verifier()
		command.Bucket = bucket
		_, err := command.Verify(t.Context(), verify.Options{Deep: true}, func(v verify.Violation) { want = append(want, v) })
		if err != nil {
			t.Fatal(err)
		}
		runner := s.jobs()
		runner.Bucket = bucket
		found, report := s.verifyBy(runner, rand.New(rand.NewPCG(uint64(i), 2)), fmt.Sprint("rotten-", i))
		if len(want) == 0 || !slices.Equal(inOrder(found), inOrder(want)) || report.Verify.Violations != int64(len(want)) {
			t.Errorf("%s: found\n%+v, want\n%+v", key, found, want)
		}
	}
}

// Files of jobs do not keep tables from being built anew, and topics with such names
// are topics.
func TestTopicsCalledAsJobsAre(t *testing.T) {
	t.Parallel()
	s := newStack(t)
	for _, name := range []string{"jobs", "_jobs", "-jobs", "job.json"} {
		s.produce(s.kafka.CreateTopic(name, 1).Logs[0], 1)
	}
	s.settle()
	random := rand.New(rand.NewPCG(1, 2))
	if found, report := s.verifyAsJob(random, "jobs"); len(found) > 0 || report.Verify.Partitions != 4 || report.Verify.DecodedObjects == 0 {
		t.Errorf("found %+v, report %+v", found, report)
	}
	if found, report := s.verifyAsJob(random, "some", "_jobs"); len(found) > 0 || report.Verify.Partitions != 1 {
		t.Errorf("of one topic: found %+v, report %+v", found, report)
	}
	partitions, err := bifrost.ListPartitions(context.Background(), s.store, testGroup, func(key string) {
		if strings.HasPrefix(key, bifrost.JobsPrefix(testGroup)) {
			t.Errorf("told of a file of a job: %s", key)
		}
	})
	if err != nil || len(partitions) != 4 {
		t.Errorf("partitions %v, error %v", partitions, err)
	}
}
