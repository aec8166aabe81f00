//go:build real

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// The README's examples run as they stand there, but for the topic's name, which
// is the test's own. Blocks that begin with make are run by the tests of the stack.
func TestTheExamplesOfTheReadmeRun(t *testing.T) {
	t.Parallel()
	s := sandboxOf(t)
	topic := s.topics + "-orders"
	ran := 0
	for _, block := range codeBlocks(t, "sh") {
		if strings.HasPrefix(block, "make ") {
			continue
		}
		out := s.shell(t, strings.ReplaceAll(block, "orders", topic))
		if ran++; ran == 1 && strings.Count(out, "\norder ") != 3 { // in all
			t.Errorf("the last three records are not what is printed:\n%s", out)
		}
	}
	if ran != 2 {
		t.Errorf("%d blocks of the README were run, not 2", ran)
	}
	readWithPython(t, s, topic)
}

// readWithPython runs the README's reader on an object.
func readWithPython(t *testing.T, s *sandbox, topic string) {
	t.Helper()
	blocks := codeBlocks(t, "python")
	if len(blocks) != 1 {
		t.Fatalf("%d blocks of Python in the README, not 1", len(blocks))
	}
	dir := t.TempDir()
	reader, object := filepath.Join(dir, "reader.py"), filepath.Join(dir, "object.baldr.gz")
	must(t, os.WriteFile(reader, []byte(blocks[0]), 0o600))
	must(t, s.download(t.Context(), bifrost.ObjectKey("test", bifrost.Partition{Name: topic}, 0, 0), object))
	out, err := exec.CommandContext(t.Context(), "python3", reader, object).CombinedOutput()
	must(t, err)
	if want := s.bifrost(t, "cat", topic, "0"); string(out) != want || want == "" {
		t.Errorf("the README's reader prints\n%s\nbifrost cat prints\n%s", out, want)
	}
}

// shellPatience is for lines that end by themselves within seconds: one that does not
// fails by itself, and does not hold all tests up.
const shellPatience = 5 * time.Minute

// shell runs lines as a person would type them, up to the first that fails.
func (s *sandbox) shell(t *testing.T, lines string) string {
	t.Helper()
	root, err := localservices.Root()
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), shellPatience)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-euc", lines)
	command.WaitDelay = time.Second // what the shell has started may outlive it
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), s.env...)
	command.Env = append(command.Env, "PATH="+os.Getenv("PATH")+string(os.PathListSeparator)+filepath.Join(root, ".local", "bin"))
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, lines, out)
	}
	return string(out)
}

// codeBlocks returns the README's blocks of a language.
func codeBlocks(t *testing.T, language string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	must(t, err)
	for i, part := range strings.Split(string(text), "```") {
		if code, ok := strings.CutPrefix(part, language+"\n"); ok && i%2 == 1 {
			blocks = append(blocks, code)
		}
	}
	return blocks
}
