//go:build real && soak

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// before is the version that people come from. There is no release yet: it is the
// commit with which the first one could have been made.
const before = "c4ffd1c"

// replayed is how many records are in the topic that is replayed, enough to kill a
// replay in the middle.
const replayed = 200_000

// TestUpgrade takes a stack at work from the version before to the present one, back
// and forward again, by sam deploy, while producers write. Nothing of it may need a
// person: no record is missing or archived twice, no tick fails, no alarm has a cause.
// A replay that the version before began goes on, or is refused with a sentence.
func TestUpgrade(t *testing.T) {
	u := newUpgrade(t)
	u.archive()
	u.beginReplay()
	load, end := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() { u.load(load) })

	u.atWork("the version before")
	for i, source := range []string{u.present, u.source, u.present} {
		u.check(u.stack.Deploy(t.Context(), source))
		version := []string{"the present version", "back to the version before", "forward again"}[i]
		u.atWork(version)
		u.noAlarm(version)
	}
	end()
	wait.Wait()
	u.check(u.client.Flush(t.Context()))
	u.archive()

	u.verify()
	u.comparePartitions()
	if status := u.status(); !status.Healthy {
		t.Errorf("the stack is not healthy: %+v", status)
	}
	u.endReplay()
}

type upgrade struct {
	*operations
	source, present string // roots of the source trees of both versions
	old             string // the command of the version before
}

// newUpgrade deploys the version before, with a topic that is archived.
func newUpgrade(t *testing.T) *upgrade {
	t.Helper()
	// A broker of its own: what the version before keeps of its replays has one name.
	broker := localservices.KafkaForTest(t, localservices.KafkaOptions{})
	u := &upgrade{operations: newOperations(t, broker.Addr()), source: sourceOf(t, before)}
	u.old = filepath.Join(t.TempDir(), "bifrost")
	build := exec.Command("go", "build", "-o", u.old, "./cmd/bifrost")
	build.Dir = u.source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var err error
	u.present, err = localservices.Root()
	u.check(err)
	u.producePlain(u.topic("replayed"), replayed)
	u.create(u.topic("busy"), nil)
	u.stack = localservices.StackForTest(t, localservices.StackOptions{Kafka: u.brokers, Source: u.source,
		Parameters: map[string]string{"IncludeTopics": u.prefix + "*", "ExcludeTopics": "*-again", "MaxInFlight": "4"}})
	return u
}

// sourceOf is the source tree of a commit, with its processor said as today: one line
// of the template, which the build replaces.
func sourceOf(t *testing.T, commit string) string {
	t.Helper()
	dir := t.TempDir()
	script := `git -C ../.. archive --format=tar "$1" | tar -x -C "$0"`
	if out, err := exec.Command("bash", "-o", "pipefail", "-c", script, dir, commit).CombinedOutput(); err != nil {
		shallow, _ := exec.Command("git", "rev-parse", "--is-shallow-repository").Output()
		t.Fatalf("the history of this clone does not have %s, from which people upgrade (shallow: %s): git fetch --unshallow\n%v\n%s",
			commit, strings.TrimSpace(string(shallow)), err, out)
	}
	text := strings.Replace(readText(t, dir, "template.yaml"), "Architectures: [!Ref Architecture]\n", "Architectures: [arm64]\n", 1)
	writeText(t, dir, "template.yaml", withPresentData(t, text))
	writeText(t, dir, "infra/data.yaml", readText(t, "../..", "infra/data.yaml"))
	return dir
}

// withPresentData gives an older template the data stack of today, with the parameters
// that it asks for. The local AWS cannot update a nested stack of tables: it forgets
// their ARNs. So what changes in infra/data.yaml is not tried here.
func withPresentData(t *testing.T, older string) string {
	t.Helper()
	present := readText(t, "../..", "template.yaml")
	data := block(t, present, "  Data:\n")
	for _, name := range regexp.MustCompile(`!Ref (\w+)`).FindAllStringSubmatch(data, -1) {
		if head := "\n  " + name[1] + ":\n"; !strings.Contains(older, head) {
			older = strings.Replace(older, "\nParameters:\n", "\nParameters:\n"+block(t, present, head[1:]), 1)
		}
	}
	data = regexp.MustCompile(`(?m)^    (#|DependsOn:).*\n`).ReplaceAllString(data, "")
	return strings.Replace(older, block(t, older, "  Data:\n"), data, 1)
}

// block is a member of a template's section, from its name to the next member.
func block(t *testing.T, template, head string) string {
	t.Helper()
	_, rest, found := strings.Cut(template, "\n"+head)
	if !found {
		t.Fatalf("the template has no %q", head)
	}
	body := regexp.MustCompile(`^(    .*\n|\n)*`).FindString(rest)
	return head + body
}

func readText(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeText(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// load writes two hundred records a second until ctx ends.
func (u *upgrade) load(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		for p := range int32(partitionsEach) {
			u.client.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: u.topic("busy"), Partition: p, Value: fmt.Appendf(nil, "busy %d", n)}, nil)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// atWork ticks until the version that is deployed has archived some of what was
// written meanwhile. No tick may fail, or find what needs a person.
func (u *upgrade) atWork(version string) {
	u.Helper()
	ctx, end := context.WithTimeout(u.Context(), patience)
	defer end()
	for first, ticks := u.busyRecords(), 0; ticks < 10 || u.busyRecords() == first; ticks++ {
		answer, err := tick(ctx, u.stack)
		u.check(err)
		if answer.Failures > 0 || answer.Diverged > 0 || answer.Blocked > 0 {
			u.Errorf("%s: a tick says %s", version, answer.text)
		}
		if err := pause(ctx); err != nil {
			u.Fatalf("%s archives nothing: %v", version, err)
		}
	}
}

// busyRecords is how many records of the busy topic are archived.
func (u *upgrade) busyRecords() (records int64) {
	u.Helper()
	rows, err := progressRows(u.Context(), u.stack)
	u.check(err)
	for _, row := range rows {
		if row.Topic == u.topic("busy") {
			records += row.Records
		}
	}
	return records
}

// noAlarm looks at what the alarms look at. The local AWS ends the process of a
// function that it changes, which AWS does not: its letters do not count.
func (u *upgrade) noAlarm(version string) {
	u.Helper()
	for _, metric := range []string{"Gaps", "LostOffsets", "FailedRanges"} {
		if n := u.metric("ArchiveFunction", metric); n != 0 {
			u.Errorf("%s: %s is %v", version, metric, n)
		}
	}
	for _, metric := range []string{"Diverged", "Blocked", "Failures"} {
		if n := u.metric("DiscoverFunction", metric); n != 0 {
			u.Errorf("%s: %s is %v", version, metric, n)
		}
	}
	for bodies := u.receive(); len(bodies) > 0; bodies = u.receive() {
		for _, body := range bodies {
			if !strings.Contains(body, "Runtime exited") {
				u.Errorf("%s: a run failed: %s", version, body)
			}
		}
	}
}

// replayArguments are those of the replay that begins with one version and ends with
// another.
func (u *upgrade) replayArguments() []string {
	return []string{"replay", u.topic("replayed") + ":" + u.topic("replayed-again"), "--create"}
}

// beginReplay has the version before begin a replay, slowly, and kills it when a
// part of the records is there.
func (u *upgrade) beginReplay() {
	u.Helper()
	cmd := exec.CommandContext(u.Context(), u.old, append(u.replayArguments(), "--throttle", "4000000")...)
	cmd.Env = append(os.Environ(), u.stack.Env()...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	u.check(cmd.Start())
	u.eventually("the replay has written nothing", func() bool { return u.written() > 0 })
	u.check(cmd.Process.Kill())
	if err := cmd.Wait(); err == nil {
		u.Fatalf("the replay came to its end before it was killed:\n%s", said.String())
	}
	u.Logf("the replay of the version before was killed at %d offsets", u.written())
}

// written is the sum of the ends of the log of the topic that is replayed to.
func (u *upgrade) written() (sum int64) {
	u.Helper()
	ends, err := u.admin.ListCommittedOffsets(u.Context(), u.topic("replayed-again"))
	u.check(err)
	ends.Each(func(o kadm.ListedOffset) { sum += max(o.Offset, 0) })
	return sum
}

// endReplay has the present version go on with the replay of the one before. It may
// say that it will not, and that the version before has to: then that one does. In
// the end all records are there once, in their order.
func (u *upgrade) endReplay() {
	u.Helper()
	out, err := u.run(u.replayArguments()...)
	if err != nil {
		if !strings.Contains(out, "of an earlier version of Bifrost") || !strings.Contains(out, "finish that replay with that version") {
			u.Errorf("the replay is refused without saying what to do: %v\n%s", err, out)
		}
		u.Logf("the replay is refused: %s", out)
		out, err = u.runProgram(u.old, u.replayArguments()...)
		u.check(err)
	}
	u.Log(out)
	both := endToEnd{T: u.T, brokers: u.brokers, topics: []string{u.topic("replayed"), u.topic("replayed-again")}}
	found := both.fromKafka()
	for p := range partitionsEach {
		from, to := found[fmt.Sprintf("%s/%d", both.topics[0], p)], found[fmt.Sprintf("%s/%d", both.topics[1], p)]
		if from != to {
			u.Errorf("partition %d: %+v became %+v", p, from, to)
		}
	}
}
