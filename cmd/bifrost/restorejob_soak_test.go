//go:build real && soak

package main

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/jobs"
	"github.com/bifrost-archive/bifrost/internal/localservices"
	"github.com/bifrost-archive/bifrost/internal/restore"
)

// A cluster with every kind of topic and every state of group is captured and lost. It
// comes back twice: by the command, and by a job of a deployed stack that is stopped in the
// middle and continued. testdata/picture/Picture.java sees the same in both, line by line,
// and both reports say the same; the command finds nothing to add to what the job has done.
func TestARestoreAsAJob(t *testing.T) {
	t.Parallel()
	source, s := clusterOfItsOwn(t)
	stack := localservices.StackForTest(t, localservices.StackOptions{Kafka: source.Addr(), Parameters: map[string]string{
		"ScheduleState": "DISABLED", // no capture but that of the test
		"JobWorkers":    "4",
	}})
	s.env = append(stack.Env(), "BIFROST_INCLUDE_TOPICS=*")
	c := &populated{sandbox: s, random: rand.New(rand.NewPCG(7, 17))}
	c.topics(t)
	c.groups(t)
	s.bifrost(t, "flush")
	before := picture(t, s.brokers)
	s.bifrost(t, "capture")
	must(t, source.Kill())

	const taken = "group-44" // by another kind of group
	restoredTo := func() (brokers string, arguments []string) {
		target, _ := clusterOfItsOwn(t)
		(&populated{sandbox: &sandbox{brokers: target.Addr()}}).shareGroup(t, taken, 0, -1)
		return target.Addr(), []string{"restore", "--at", "latest", "--to-brokers", target.Addr(), "--groups", "--acls", "--yes", "--json"}
	}
	byCommand, arguments := restoredTo()
	command := s.restoreByCommand(t, arguments)
	byJob, arguments := restoredTo()
	job := s.restoreAsJob(t, arguments)

	want, got := picture(t, byCommand), picture(t, byJob)
	compareUnlessListed(t, want, got, nil)
	sameButForWhatIsListed(t, before, byJob, job, "group "+taken)
	sameReports(t, command, job)
	sameReports(t, job, s.restoreByCommand(t, arguments))
	if now := picture(t, byJob); !slices.Equal(now, got) {
		t.Error("the command has changed what the job had done")
	}
}

// restoreByCommand restores, and does so again for as long as the command says that it goes
// on then: a machine that does much else answers late.
func (s *sandbox) restoreByCommand(t *testing.T, arguments []string) (r reported) {
	t.Helper()
	for range 5 {
		ran := s.run(t, arguments...)
		if ran.code == 1 && strings.Contains(ran.talk, "run the same command again") {
			continue
		}
		ran.must(t, 3)
		must(t, json.Unmarshal([]byte(ran.out), &r.Report))
		return r
	}
	t.Fatal("the command does not come to its end")
	return r
}

// restoreAsJob starts a job, stops it in the middle and continues it until it is complete.
func (s *sandbox) restoreAsJob(t *testing.T, arguments []string) reported {
	t.Helper()
	command := s.command(t.Context(), append(slices.Clone(arguments), "--as-job", "--throttle", "1MB")...)
	must(t, command.Start())
	id, inTheMiddle := "", false
	for deadline := time.Now().Add(5 * time.Minute); !inTheMiddle && time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		var list struct {
			Jobs []struct {
				ID          string
				Items, Done int
			}
		}
		must(t, json.Unmarshal([]byte(s.bifrost(t, "jobs", "--json")), &list))
		if len(list.Jobs) == 1 {
			id, inTheMiddle = list.Jobs[0].ID, list.Jobs[0].Done > list.Jobs[0].Items/4
		}
	}
	s.bifrost(t, "jobs", "stop", id)
	if err := command.Wait(); err == nil {
		t.Error("the command says that what was stopped is complete")
	}
	for try := range 10 {
		ran := s.run(t, "jobs", "continue", id, "--json")
		var shown jobs.ShowJSON
		must(t, json.Unmarshal([]byte(ran.out), &shown))
		t.Logf("execution %d: %d of %d items", shown.Executions, shown.Done, shown.Items)
		if try == 0 && (!inTheMiddle || shown.Executions != 2) {
			t.Errorf("not stopped in the middle: %d executions", shown.Executions)
		}
		if shown.Complete {
			ran.must(t, 3)
			return reported{*shown.Report.Restore}
		}
	}
	t.Fatalf("job %s does not come to its end", id)
	return reported{}
}

// sameReports compares all that two reports say, but for what two clusters may differ in:
// their IDs, the time that it took, and the offsets, between which the ends of
// transactions lie elsewhere.
func sameReports(t *testing.T, a, b reported) {
	t.Helper()
	one, other := reflect.ValueOf(sayingOf(t, a.Report)), reflect.ValueOf(sayingOf(t, b.Report))
	for i := range one.NumField() {
		if field := one.Type().Field(i); !reflect.DeepEqual(one.Field(i).Interface(), other.Field(i).Interface()) {
			t.Errorf("%s differ:\n%+v\n%+v", field.Name, one.Field(i).Interface(), other.Field(i).Interface())
		}
	}
	if len(a.Topics) < 30 || len(a.Groups) < 50 || len(a.ACLs) == 0 || a.Records == 0 {
		t.Errorf("only %d topics, %d groups and %d ACLs were compared", len(a.Topics), len(a.Groups), len(a.ACLs))
	}
}

func sayingOf(t *testing.T, r restore.Report) restore.Report {
	t.Helper()
	var c restore.Report
	text, err := json.Marshal(r)
	must(t, err)
	must(t, json.Unmarshal(text, &c))
	c.Target, c.Seconds = "", 0
	for _, g := range c.Groups {
		for i := range g.Positions {
			p := &g.Positions[i]
			at := p.Committed != nil && *p.Committed == p.Target
			if p.Stands && !at {
				t.Errorf("group %s: %+v", g.Group, *p)
			}
			p.Target = 0
			if at {
				p.Committed = new(int64)
			}
		}
	}
	return c
}
