// The stack that make up leaves running.

package localservices

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// EnvFile is the file of export lines that [Up] writes, from the root of the
// repository.
const EnvFile = ".local/env"

// A home is the folder that a running stack is on record in: .local, but in tests.
type home string

func (h home) envFile() string   { return filepath.Join(string(h), "env") }
func (h home) stateFile() string { return filepath.Join(string(h), "run", "up.json") }

// lock keeps two processes from starting and stopping the stack at once.
func (h home) lock() (unlock func(), err error) {
	return lockFile(filepath.Join(string(h), "run", "up.lock"))
}

// A running stack is described by a file, so that another process can stop it.
type upState struct {
	Kafka   string
	Brokers string
	AWS     Endpoint
	Dir     string // of the built functions
	Parts   []upPart
}

// An upPart is one process of a running stack.
type upPart struct {
	Name    string
	PID     int
	Command string // what ps said of it: a process id alone may be someone else's by now
	Dir     string
}

// Up starts a stack that outlives this process, or updates the one that runs,
// and writes [EnvFile]. If it fails to start one, nothing is left running; if it
// fails to update one, that one stays as it is.
func Up(ctx context.Context, options StackOptions) (*Stack, error) {
	dir, err := local()
	if err != nil {
		return nil, err
	}
	return home(dir).up(ctx, options)
}

func (h home) up(ctx context.Context, options StackOptions) (*Stack, error) {
	unlock, err := h.lock()
	if err != nil {
		return nil, err
	}
	defer unlock()
	state, err := h.readState()
	if err != nil {
		return nil, err
	}
	var s *Stack
	switch alive := state != nil && state.alive(ctx); {
	case alive && state.Kafka != options.Kafka:
		return nil, fmt.Errorf("localservices: a stack runs, with Kafka at %s and an archive that would be gone: "+
			"make down stops it", state.Brokers)
	case alive:
		s = &Stack{kafka: state.Kafka, Brokers: state.Brokers, AWS: state.AWS, dir: state.Dir}
		err = s.deploy(ctx, options)
	default:
		s, err = h.start(ctx, options)
	}
	if err != nil {
		return nil, err
	}
	return s, s.writeEnv(h.envFile())
}

// start stops what is left of an older stack and starts a new one.
func (h home) start(ctx context.Context, options StackOptions) (*Stack, error) {
	if err := h.stop(); err != nil {
		return nil, err
	}
	s, err := StartStack(ctx, options)
	if err != nil {
		return nil, err
	}
	if err := s.writeState(h.stateFile()); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	s.release() // only now that they are on record
	return s, nil
}

// Down stops the stack that [Up] started and removes its data. From then on [EnvFile] takes its
// variables out of a shell. It is no error if there is none.
func Down() error {
	dir, err := local()
	if err != nil {
		return err
	}
	return home(dir).down()
}

func (h home) down() error {
	unlock, err := h.lock()
	if err != nil {
		return err
	}
	defer unlock()
	return h.stop()
}

func (h home) stop() error {
	state, err := h.readState()
	if err != nil || state == nil {
		return err
	}
	var failed []error
	for _, p := range state.Parts {
		failed = append(failed, p.stop(), os.RemoveAll(p.Dir))
	}
	if err := errors.Join(append(failed, os.RemoveAll(state.Dir))...); err != nil {
		return err
	}
	if err := h.clearEnv(); err != nil {
		return err
	}
	// The state goes last: while it is there, a repetition knows what to stop.
	if err := os.Remove(h.stateFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("localservices: %w", err)
	}
	return nil
}

// clearEnv makes the file of variables one that takes them out of the shell that reads it: a shell
// that has read it before would go on to ask a stack that is gone.
func (h home) clearEnv() error {
	text, err := os.ReadFile(h.envFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("localservices: %w", err)
	}
	if !strings.Contains(string(text), "export ") {
		return nil // a down that was interrupted has done it
	}
	cleared := "echo 'No local stack runs: its settings are gone from this shell. make up starts one.' >&2\n"
	for line := range strings.Lines(string(text)) {
		if export, isExport := strings.CutPrefix(line, "export "); isExport {
			name, _, _ := strings.Cut(export, "=")
			cleared += "unset " + name + "\n"
		}
	}
	if err := os.WriteFile(h.envFile(), []byte(cleared), 0o600); err != nil {
		return fmt.Errorf("localservices: %w", err)
	}
	return nil
}

func (h home) readState() (*upState, error) {
	text, err := os.ReadFile(h.stateFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("localservices: %w", err)
	}
	state := new(upState)
	if err := json.Unmarshal(text, state); err != nil {
		return nil, fmt.Errorf("localservices: %s: %w; stop its processes by hand and remove it", h.stateFile(), err)
	}
	return state, nil
}

func (s *Stack) writeState(path string) error {
	state := upState{Kafka: s.kafka, Brokers: s.Brokers, AWS: s.AWS, Dir: s.dir}
	for _, p := range s.parts {
		pid := p.cmd.Process.Pid
		command, err := commandOf(pid)
		if err != nil {
			return err
		}
		state.Parts = append(state.Parts, upPart{Name: p.name, PID: pid, Command: command, Dir: p.dir})
	}
	text, err := json.MarshalIndent(state, "", "  ")
	if err != nil {
		return fmt.Errorf("localservices: %w", err)
	}
	return os.WriteFile(path, text, 0o600)
}

// writeEnv writes the variables of the stack as lines that a shell can source.
func (s *Stack) writeEnv(path string) error {
	var text strings.Builder
	for _, variable := range s.Env() {
		name, value, _ := strings.Cut(variable, "=")
		fmt.Fprintf(&text, "export %s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	return os.WriteFile(path, []byte(text.String()), 0o600)
}

// alive reports whether all parts run and answer.
func (u *upState) alive(ctx context.Context) bool {
	for _, p := range u.Parts {
		if !p.running() {
			return false
		}
	}
	server := Server{Endpoint: u.AWS}
	return server.answers(ctx) == nil && PingKafka(ctx, strings.Split(u.Brokers, ",")...) == nil
}

// running reports whether the process on record still runs. One that has ended
// and that its parent has not asked for yet has another command.
func (p upPart) running() bool {
	command, err := commandOf(p.PID)
	return err == nil && command == p.Command
}

// stop kills the process group of the part and waits for its end. All its data
// is thrown away, so nothing has to be put in order.
func (p upPart) stop() error {
	if !p.running() {
		return nil
	}
	if err := syscall.Kill(-p.PID, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("localservices: stop %s, process %d: %w", p.Name, p.PID, err)
	}
	for end := time.Now().Add(stopTimeout); p.running(); time.Sleep(pollInterval) {
		if time.Now().After(end) {
			return fmt.Errorf("localservices: stop %s: process %d does not end", p.Name, p.PID)
		}
	}
	return nil
}

// commandOf returns the command line of a process.
func commandOf(pid int) (string, error) {
	out, err := exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return "", fmt.Errorf("localservices: ask ps for process %d: %w", pid, err)
	}
	return strings.TrimSpace(string(out)), nil
}
