//go:build !real

package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/jobs"
	"github.com/bifrost-archive/bifrost/internal/job"
)

// A command starts one execution of the machine that is named, under the ID that was given or
// one made of the time, with all of its flags together; and ends as the execution does. That
// each flag alone reaches the job is for TestFlagsReachTheJob.
func TestAsJobStartsOneExecution(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	must(t, s.topic(t.Context(), s.topics+"-orders", 1))
	s.inside(t, "capture").must(t, 0)
	var captured struct{ Positions string }
	must(t, json.Unmarshal([]byte(s.inside(t, "capture", "--json").out), &captured))
	target := func() *job.Target { return &job.Target{Brokers: "b1:9092,b2:9092"} }
	secured := target()
	secured.SecurityProtocol, secured.SaslMechanism, secured.Secret = "SASL_SSL", "PLAIN", targetSecret
	same := target()
	same.SameSecurity = true
	for name, c := range map[string]struct {
		args []string
		want job.Spec
	}{
		"replay": {[]string{
			"replay", "orders:copy", "--id", "the-id", "--to-brokers", "b1:9092,b2:9092",
			"--to-security-protocol", "SASL_SSL", "--to-sasl-mechanism", "PLAIN", "--to-secret", targetSecret,
			"--partitions", "4,1-2", "--from", "10", "--to", "20", "--since", "1700000001000", "--until", "1700000002000",
			"--rekey", "--create", "--force", "--compression", "lz4", "--throttle", "3MB",
		}, job.Spec{
			ID: "the-id", Kind: job.KindReplay, Topics: []string{"orders:copy"}, BytesPerSecond: 3_000_000, To: secured,
			Replay: &job.Replay{Partitions: []int32{1, 2, 4}, From: 10, To: 20, Since: 1700000001000, Until: 1700000002000,
				Rekey: true, Create: true, Force: true, Compression: "lz4"},
		}},
		"replay of everything": {[]string{"replay", "--all", "--to-brokers", "b1:9092,b2:9092", "--to-same-security"},
			job.Spec{Kind: job.KindReplay, Topics: []string{"*"}, To: same, Replay: &job.Replay{}}},
		"replay into the archived cluster": {[]string{"replay", "a:b", "c:d", "--rekey"},
			job.Spec{Kind: job.KindReplay, Topics: []string{"a:b", "c:d"}, Replay: &job.Replay{Rekey: true}}},
		"verify": {[]string{"verify", "--deep", "orders", "pay*"},
			job.Spec{Kind: job.KindVerify, Topics: []string{"orders", "pay*"}}},
		"restore": {[]string{"restore", "--at", "latest", "--to-brokers", "b1:9092,b2:9092", "--topics", "cli*, *-orders", "--exclude", "x*", "--groups", "--throttle", "500kB", "--yes"},
			job.Spec{Kind: job.KindRestore, Topics: []string{"cli*", "*-orders"}, Exclude: []string{"x*"}, BytesPerSecond: 500_000, To: target(),
				Restore: &job.Restore{Capture: captured.Positions, Groups: true}}},
		"restore of ACLs": {[]string{"restore", "--at", captured.Positions, "--to-brokers", "b1:9092,b2:9092", "--acls", "--yes"},
			job.Spec{Kind: job.KindRestore, To: target(), Restore: &job.Restore{Capture: captured.Positions, ACLs: true}}},
	} {
		before := len(f.askedFor("StartExecution"))
		// The state machine fails before it has planned anything, which is not well.
		s.inside(t, append(c.args, "--as-job", "--job-machine", machine)...).must(t, 3, "States.Timeout: it took too long")
		asked := f.askedFor("StartExecution")
		if len(asked) != before+1 {
			t.Errorf("%s: %d executions were started, want one", name, len(asked)-before)
			continue
		}
		last := asked[before]
		var got job.Spec
		must(t, json.Unmarshal([]byte(last.Input), &got))
		if c.want.ID == "" {
			if at, named := strings.CutPrefix(got.ID, string(c.want.Kind)+"-"); !named || !isTimeOfAnID(at) {
				t.Errorf("%s: ID %q", name, got.ID)
			}
			c.want.ID = got.ID
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: asked for %s", name, last.Input)
		}
		if last.StateMachineArn != machine || !strings.HasPrefix(last.Name, got.ID+"-") {
			t.Errorf("%s: started %+v", name, last)
		}
	}
}

func isTimeOfAnID(text string) bool {
	at, err := time.Parse("20060102T150405", text)
	return err == nil && time.Since(at).Abs() < time.Hour
}

// What means nothing to a job is refused before anything is started.
func TestFlagsThatAJobRefuses(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	for command, words := range map[string]string{
		"verify":                                              "--as-job is for --deep",
		"verify --deep --kafka":                               "--kafka does not go together",
		"verify --deep --gaps":                                "--gaps does not go together",
		"verify --deep --parallel 3":                          "--parallel does not go together",
		"verify --deep --fix":                                 "--fix does not go together",
		"verify --deep --yes":                                 "--yes does not go together",
		"replay a:b --again":                                  "--again does not go together",
		"replay a:b --dry-run":                                "--dry-run does not go together",
		"replay a:b --parallel 3":                             "--parallel does not go together",
		"replay a:b --offset-map x":                           "--offset-map does not go together",
		"replay a:b --id a/b":                                 "want letters",
		"replay a:b --throttle 0":                             "want bytes a second",
		"replay a:b --to-same-security":                       "which is not given",
		"replay a:b --to-brokers b:1 --to-secret file:/x":     "not the ARN of a secret",
		"restore --at latest --to-brokers b:1":                "give --yes to do it",
		"restore --at latest --yes":                           "--to-brokers is missing",
		"restore --to-brokers b:1 --yes":                      "--at is missing",
		"restore --at latest --to-brokers b:1 --yes --plan":   "--plan does not go together",
		"restore --at latest --to-brokers b:1 --yes --finish": "--finish does not go together",
	} {
		s.inside(t, append(strings.Fields(command), "--as-job", "--job-machine", machine)...).must(t, 2, words)
	}
	s.inside(t, "verify", "--deep", "--as-job").must(t, 2, "--job-machine is missing")
	if asked := f.askedFor("StartExecution"); len(asked) != 0 {
		t.Errorf("started %+v", asked)
	}
}

// A job that replays the first life of a topic alone says so, as the command does that replays by itself.
func TestAJobTellsOfLaterLives(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	topic := s.topics + "-again"
	for range 2 {
		must(t, s.topic(t.Context(), topic, 1))
		must(t, s.produce(t.Context(), numbered(topic, 0, 0, 5)...))
		s.inside(t, "flush").must(t, 0)
		must(t, s.deleteTopic(t.Context(), topic))
	}
	const told = "is the first life of the topic; it goes on as"
	replay := []string{"replay", topic + ":copy", "--as-job", "--job-machine", machine, "--id"}
	s.inside(t, append(replay, "first")...).must(t, 3, topic+" "+told)
	all := s.inside(t, "replay", "--all", "--as-job", "--job-machine", machine, "--id", "all")
	all.must(t, 3)
	if strings.Contains(all.talk, told) {
		t.Error("a job that replays all lives speaks of those that it does not read")
	}
}

// Jobs are listed, shown, stopped and gone on with: by the ARN of their last execution.
func TestJobsAreShownStoppedAndContinued(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	put := func(id, name, content string) {
		f.bucket.Put(s.bucket, "test/~jobs/"+id+"/"+name, []byte(content))
	}
	s.inside(t, "jobs", "--job-machine", machine).must(t, 0)
	for _, id := range []string{"one", "two"} {
		put(id, "job.json", `{"id":"`+id+`","kind":"replay","topics":["a:b"]}`)
		put(id, "runs/z.json", `{"execution":"arn:of:`+id+`-1","at":"2026-01-31T12:00:00Z"}`)
		put(id, "runs/a.json", `{"execution":"arn:of:`+id+`-2","at":"2026-01-31T13:00:00Z"}`)
	}
	f.mutex.Lock()
	f.states["arn:of:one-2"], f.states["arn:of:one-1"] = "RUNNING", "ABORTED"
	f.mutex.Unlock()
	var list jobs.ListJSON
	must(t, json.Unmarshal([]byte(s.inside(t, "jobs", "--json", "--job-machine", machine).out), &list))
	if len(list.Jobs) != 2 || list.Jobs[0].ID != "one" || list.Jobs[0].State != "RUNNING" || list.Jobs[0].Executions != 2 || list.Jobs[1].State != "FAILED" {
		t.Errorf("jobs %+v", list.Jobs)
	}
	s.inside(t, "jobs", "--job-machine", machine).must(t, 0, "running", "failed")
	s.inside(t, "jobs", "show", "one", "--job-machine", machine).must(t, 0, "Job one, replay: running", "Planning")
	s.inside(t, "jobs", "show", "two", "--job-machine", machine).must(t, 3, "failed", "States.Timeout: it took too long", "bifrost jobs continue two")
	s.inside(t, "jobs", "show", "three", "--job-machine", machine).must(t, 1, "there is no job three")
	s.inside(t, "jobs", "continue", "one", "--job-machine", machine).must(t, 1, "job one runs")
	s.inside(t, "jobs", "stop", "one", "--job-machine", machine).must(t, 0, "Job one is stopped")
	s.inside(t, "jobs", "stop", "one", "--job-machine", machine).must(t, 0, "does not run")
	if stopped := f.askedFor("StopExecution"); len(stopped) != 1 || stopped[0].ExecutionArn != "arn:of:one-2" || stopped[0].Cause == "" {
		t.Errorf("stopped %+v", stopped)
	}
	s.inside(t, "jobs", "stop", "one", "--json", "--job-machine", machine).must(t, 0, `"stopped": 0`)
	s.inside(t, "jobs", "continue", "one", "--job-machine", machine).must(t, 3, "Job one goes on")
	if started := f.askedFor("StartExecution"); len(started) != 1 || started[0].Input != `{"id":"one"}` {
		t.Errorf("started %+v", started)
	}
}
