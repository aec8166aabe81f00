package localservices

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary play the owner that dies: it starts a part in
// the given folder, prints its process id and waits to be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("LOCALSERVICES_TEST_OWNER"); dir != "" {
		p, err := launch{name: "part", dir: dir, args: []string{"sh", "-c", "sleep 600 & sleep 600"}}.start()
		if err != nil {
			panic(err)
		}
		os.Stdout.WriteString(strconv.Itoa(p.cmd.Process.Pid) + "\n")
		select {}
	}
	if os.Getenv("LOCALSERVICES_TEST_PORTS") != "" {
		printPorts()
		return
	}
	os.Exit(m.Run())
}

// TestNoPartOutlivesItsOwner kills an owner and expects the whole group of its
// part to end and the part's folder to go.
func TestNoPartOutlivesItsOwner(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "part")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), "LOCALSERVICES_TEST_OWNER="+dir)
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 20)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	group, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(-group, 0); err != nil {
		t.Fatalf("the part does not run: %v", err)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	eventually(t, "the group is gone", func() bool { return errors.Is(syscall.Kill(-group, 0), syscall.ESRCH) })
	eventually(t, "the folder is gone", func() bool { return !exists(dir) })
}

// TestStartTellsWhyAPartEnded expects the log in the error.
func TestStartTellsWhyAPartEnded(t *testing.T) {
	t.Parallel()
	p, err := launch{name: "part", dir: t.TempDir(), args: []string{"sh", "-c", "echo address in use; exit 1"}}.start()
	if err != nil {
		t.Fatal(err)
	}
	err = p.waitFor(t.Context(), func(context.Context) error { return errors.New("no answer") })
	if !errors.Is(err, errExited) || !strings.Contains(err.Error(), "address in use") {
		t.Errorf("got %v, want the end of the log", err)
	}
	if err := p.stop(syscall.SIGTERM); err != nil {
		t.Errorf("stop of an ended part: %v", err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never true: " + what)
		}
	}
}
