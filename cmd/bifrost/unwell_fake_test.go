//go:build !real

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
)

// TestWhatIsWrongIsWrongAsJSON: a script reads JSON and goes by the exit code, so a command
// that says in words that a person should look ends with the same code with --json.
func TestWhatIsWrongIsWrongAsJSON(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	orders, payments := s.topics+"-orders", s.topics+"-payments"
	for _, topic := range []string{orders, payments} {
		must(t, s.topic(t.Context(), topic, 1))
		must(t, s.produce(t.Context(), numbered(topic, 0, 0, 10)...))
	}
	halved, deleted := s.topics+"-halved", s.topics+"-deleted"
	must(t, s.topic(t.Context(), halved, 2))
	must(t, s.topic(t.Context(), deleted, 1))
	s.inside(t, "flush").must(t, 0)
	s.position(t, "ahead", orders, 0, 30) // of what is archived
	s.inside(t, "capture").must(t, 0)
	must(t, s.topic(t.Context(), s.topics+"-compacted", 1, "cleanup.policy=compact"))
	f.bucket.Put(s.bucket, "test/~jobs/one/job.json", []byte(`{"id":"one","kind":"replay","topics":["a:b"]}`))
	f.bucket.Put(s.bucket, "test/~jobs/one/runs/a.json", []byte(`{"execution":"arn:of:one-1","at":"2026-01-31T12:00:00Z"}`))

	tried := map[string]bool{}
	same := func(command string, args ...string) {
		t.Helper()
		tried[command] = true
		args = append(strings.Fields(command), args...)
		s.inside(t, args...).must(t, 3)
		printed := s.inside(t, append(args, "--json")...)
		printed.must(t, 3)
		if printed.out != "" && !json.Valid([]byte(printed.out)) { // what is refused has no result
			t.Errorf("%s --json prints no JSON: %q", command, printed.out)
		}
	}
	must(t, s.deleteTopic(t.Context(), deleted))
	must(t, s.setAttribute(t.Context(), "progress", deleted, "0", "log_end_offset", "7")) // as a tick saw it
	same("flush")
	same("clusters diff", "latest", "live")
	same("replay", orders+":"+s.topics+"-compacted")
	same("restore", "--at", "latest", "--topics", orders, "--groups", "--yes", "--to-brokers", newCluster(t))
	same("drill", "--at", "latest", "--topics", orders, "--yes", "--to-brokers", s.brokers) // the cluster of the capture
	same("jobs show", "one", "--job-machine", machine)
	same("jobs continue", "one", "--job-machine", machine)
	same("doctor", "--objects-table", "missing")
	must(t, s.setAttribute(t.Context(), "progress", "@tables", "0", "mark", "0")) // a backup was restored
	must(t, s.produce(t.Context(), numbered(orders, 0, 10, 15)...))
	s.inside(t, "plan").must(t, 0, "nothing is planned: the tables are older than the bucket")
	s.inside(t, "flush").must(t, 1, "run bifrost rebuild")
	s.inside(t, "status").must(t, 3, "run bifrost rebuild")
	same("rebuild", payments)
	s.inside(t, "rebuild").must(t, 0)
	must(t, s.diverge(t.Context(), orders))
	same("status")
	var row rangeJSON
	must(t, json.Unmarshal([]byte(strings.SplitN(s.inside(t, "ls", orders, "--json").out, "\n", 2)[0]), &row))
	must(t, s.deleteObject(t.Context(), row.Object))
	same("verify")
	must(t, s.deleteRow(t.Context(), halved, "0"))
	same("cat", halved)
	same("topics")
	same("ls", halved)
	same("export", halved, "--to", t.TempDir())

	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		name := strings.TrimPrefix(c.CommandPath(), "bifrost ")
		if c.Annotations[app.UnhealthyMeaning] != "" && c.Flags().Lookup("json") != nil && !tried[name] {
			t.Errorf("%s was not tried", name)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newTestRoot())
}
