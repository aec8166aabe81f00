// How processes are started, watched, ended.

package localservices

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	// startTimeout is long enough for a cold JVM on a machine that is busy
	// with much else.
	startTimeout = 3 * time.Minute
	// stopTimeout is how long a process may take to end by itself.
	stopTimeout = 20 * time.Second
	// pollInterval is the pause between two looks at a condition.
	pollInterval = 50 * time.Millisecond
)

// A process is a running part: the leader of its own process group, so that
// whatever it starts ends with it.
type process struct {
	name     string
	dir      string // its folder, for the log too
	cmd      *exec.Cmd
	done     chan struct{} // closed when the process has ended
	watchdog *watchdog     // nil once the process is stopped, or may outlive this one
}

// A launch says how to start a process.
type launch struct {
	name string
	dir  string
	args []string
	env  []string // nil: that of this process
}

// start starts a process, its output appended to the file name.log in its folder.
func (l launch) start() (*process, error) {
	log, err := os.OpenFile(filepath.Join(l.dir, l.name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("localservices: start %s: %w", l.name, err)
	}
	defer log.Close()
	cmd := exec.Command(l.args[0], l.args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = l.dir, l.env, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("localservices: start %s: %w", l.name, err)
	}
	p := &process{name: l.name, dir: l.dir, cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its end is what counts; the log says why
		close(p.done)
	}()
	if p.watchdog, err = watch(cmd.Process.Pid, l.dir); err != nil {
		return nil, errors.Join(err, p.stop(syscall.SIGKILL))
	}
	return p, nil
}

// A watchdog is a shell that waits for the end of the pipe whose other end this
// process holds, and then ends a process group and removes its folder. Unlike a
// deferred call it works when a test panics, times out or is killed, and unlike
// Linux's parent-death signal it works everywhere.
type watchdog struct {
	cmd  *exec.Cmd
	pipe io.Closer
}

func watch(group int, dir string) (*watchdog, error) {
	// A group that is gone already is no error. The short sleep lets its last
	// files appear before they are removed.
	const script = `cat >/dev/null; kill -9 "-$1" 2>/dev/null; sleep 0.2; rm -rf "$2"`
	cmd := exec.Command("sh", "-c", script, "sh", strconv.Itoa(group), dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("localservices: start a watchdog: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("localservices: start a watchdog: %w", err)
	}
	return &watchdog{cmd, pipe}, nil
}

// dismiss ends the watchdog without letting it bite.
func (w *watchdog) dismiss() {
	_ = syscall.Kill(-w.cmd.Process.Pid, syscall.SIGKILL)
	_ = w.cmd.Wait()
	w.pipe.Close()
}

// stop sends the signal to the whole process group, waits for its leader to end,
// and kills what is left. It is safe to repeat.
func (p *process) stop(signal syscall.Signal) error {
	group := -p.cmd.Process.Pid
	err := syscall.Kill(group, signal)
	if err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("localservices: stop %s: %w", p.name, err)
	}
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-p.done
	if p.watchdog != nil {
		p.watchdog.dismiss()
		p.watchdog = nil
	}
	return nil
}

// waitFor calls ready until it answers without an error, and fails when the
// process ends or the time is over. The error holds the end of the log.
func (p *process) waitFor(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var last error
	for {
		if last = ready(ctx); last == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("localservices: start %s: %w\n%s", p.name, errExited, p.logTail())
		case <-ctx.Done():
			return fmt.Errorf("localservices: start %s: not ready: %w\n%s",
				p.name, errors.Join(last, ctx.Err()), p.logTail())
		case <-time.After(pollInterval):
		}
	}
}

func (p *process) logTail() string {
	log, err := os.ReadFile(filepath.Join(p.dir, p.name+".log"))
	if err != nil {
		return err.Error()
	}
	return tail(string(log), 3000)
}

// address returns host:port of a port on this machine.
func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
