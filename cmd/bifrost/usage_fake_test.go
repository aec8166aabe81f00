//go:build !real

package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// What is wrong about a command line ends with 2 and words about it, whether the archive has to be
// opened for it or not. A name of which there is none is no wrong usage.
func TestWrongUsage(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	must(t, s.topic(t.Context(), s.topics+"-orders", 1))
	s.inside(t, "flush").must(t, 0)
	s.inside(t, "capture").must(t, 0)
	for _, c := range []struct{ line, words string }{
		{"cat [", "want a glob"},
		{"cat orders --last -1", "--last -1: want at least 0"},
		{"cat orders --since yesterday", "--since"},
		{"cat orders --from 5 --to 4", "want 0 <= from < to"},
		{"cat orders x", "want a number, a list"},
		{"cat orders --format %Q", "%Q"},
		{"cat orders --key-glob [", "--key-glob"},
		{"cat orders --key-glob a --key-glob b[0-9]", "b[0-9]"},
		{"cat orders --value-encoding morse", "--value-encoding"},
		{"ls [", "want a glob"},
		{"ls orders --state GONE", "--state"},
		{"ls orders --key-glob [", "--key-glob"},
		{"get orders 0 -1", "-1 is no flag"},
		{"get orders 0 x", "offset"},
		{"get orders -1 0", "-1 is no flag"},
		{"status [", "want a glob"},
		{"topics [", "want a glob"},
		{"report [", "want a glob"},
		{"report --since never", "--since"},
		{"plan [", "BIFROST_INCLUDE_TOPICS"},
		{"flush [", "BIFROST_INCLUDE_TOPICS"},
		{"flush --timeout -1s", "--timeout"},
		{"verify [", "want a glob"},
		{"rebuild [", "want a glob"},
		{"export orders", "--to is missing"},
		{"export orders --as-job --job-machine " + machine, "--to is missing"},
		{"export [ --to x", "want a glob"},
		{"export orders --to s3://", "--to"},
		{"replay o*:x", "a glob cannot be replayed into one topic"},
		{"replay o*:x --as-job --job-machine " + machine, "a glob cannot be replayed into one topic"},
		{"replay [", "want a glob"},
		{"replay orders --compression rar", "--compression"},
		{"replay orders --throttle fast", "fast"},
		{"restore --at 2020 --to-brokers b:1", "2020"},
		{"restore --at never --to-brokers b:1", "never"},
		{"restore --at latest --to-brokers b:1 --topics [", "--topics"},
		{"drill --at 2020 --to-brokers b:1 --plan", "2020"},
		{"drill --at latest --to-brokers b:1 --sample many --plan", "--sample"},
		{"clusters show @2020", "2020"},
		{"clusters diff @2020 latest", "2020"},
		{"clusters list --last -1", "--last"},
		{"map orders 0 -1 --to-brokers b:1", "-1 is no flag"},
		{"accept erased orders 0 x", "offset"},
		{"accept diverged orders x 0", "partition"},
		{"serve --listen nowhere", "--listen"},
		{"serve --topics [", "--topics"},
		{"serve --listen 127.0.0.1:0 --brokers " + newCluster(t, kfake.ClusterID("another")), "wrong brokers: the live cluster is "},
		{"run --every -1s", "--every"},
		{"init --expiration-days -1", "--expiration-days"},
		{"status --every 5s", "--every"},
		{"jobs show", "want 1 argument"},
		{"clusters", "want one of diff, list, show"},
		{"accept", "want one of diverged, erased"},
		{"accept erased orders x 0", `partition "x": want a number`},
		{"restore --at latest --to-brokers b:1 --topics= --plan", "--topics is empty: give it a value, or leave it out"},
		{"serve --topics=", "--topics is empty"},
		{"cat orders --format=", "--format is empty"},
		{"cat orders --json --format value", "--json is --format json, and --format is value"},
		{"flush --slots 0", "--slots 0: want a number above 0"},
		{"statsu", "did you mean status?"},
		{"clusters lst", "did you mean list?"},
		{"cat orders --workers 0", "--workers 0: want at least 1"},
		{"cat orders --last-each -3", "--last-each -3: want at least 0"},
		{"cat orders --limit -1", "--limit -1: want at least 0"},
		{"jobs --job-machine x", "want the ARN"},
	} {
		t.Run(c.line, func(t *testing.T) {
			t.Parallel()
			s.inside(t, strings.Fields(strings.ReplaceAll(c.line, "orders", s.topics+"-orders"))...).must(t, exitUsage, c.words)
		})
	}
	for _, command := range []string{"flush", "plan"} {
		s.inside(t, command, "").must(t, exitUsage, "the name of a topic is empty: give it a value, or leave it out")
	}
	for _, command := range []string{"verify", "rebuild", "export --to " + t.TempDir(), "replay"} {
		if none := s.inside(t, append(strings.Fields(command), "")...); none.code == 0 {
			t.Errorf("%s of no name ends with 0", command)
		}
	}
}

// Where there are no credentials they are looked for once, whatever the command: the last place, a machine's own
// service, lets each look wait for seconds.
func TestMissingCredentialsAreLookedForOnce(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"status", "ls orders", "cat orders", "verify", "report", "init", "clusters list", "plan", "flush"} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			var looks atomic.Int64 // which are not repeated after such an answer
			machine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.Contains(r.URL.Path, "security-credentials") {
					looks.Add(1)
				}
				w.WriteHeader(http.StatusNotFound)
			}))
			t.Cleanup(machine.Close)
			c := newFakes(t).sandbox(t).command(t.Context(), strings.Fields(line)...)
			c.Env = append(c.Env, "HOME="+t.TempDir(), "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=",
				"AWS_PROFILE=", "AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT="+machine.URL)
			said, err := c.CombinedOutput()
			if err == nil || !strings.Contains(string(said), "there are no AWS credentials: log in as for the AWS CLI") {
				t.Errorf("error %v, said %q", err, said)
			}
			if n := looks.Load(); n != 1 {
				t.Errorf("credentials were looked for %d times", n)
			}
		})
	}
}

// Nothing of another cluster is archived, or captured, until somebody says that it is the archive's new one.
func TestBrokersOfAnotherCluster(t *testing.T) {
	t.Parallel()
	s := newFakes(t).sandbox(t)
	topic := s.topics + "-orders"
	must(t, s.topic(t.Context(), topic, 1))
	must(t, s.produce(t.Context(), numbered(topic, 0, 0, 5)...))
	s.inside(t, "flush").must(t, 0)
	other := &sandbox{brokers: newCluster(t, kfake.ClusterID("another"))}
	must(t, other.topic(t.Context(), topic, 1))
	must(t, other.produce(t.Context(), numbered(topic, 0, 0, 7)...))
	before := s.inside(t, "ls", topic).out
	for _, line := range []string{"flush", "flush " + topic, "run", "capture"} {
		s.inside(t, strings.Fields(line+" --brokers "+other.brokers)...).must(t, exitUsage, "are these the brokers of this archive?",
			"those of cluster another", "BIFROST_BROKERS", "--new-cluster")
	}
	if now := s.inside(t, "ls", topic).out; now != before {
		t.Errorf("the archive was %s and is %s", before, now)
	}
	s.inside(t, "clusters", "list").must(t, 0)
	s.inside(t, "flush", "--new-cluster", "--brokers", other.brokers).must(t, 0, "7")
	s.inside(t, "capture", "--brokers", other.brokers).must(t, 0)
	s.inside(t, "flush").must(t, 0) // both are known now
}
