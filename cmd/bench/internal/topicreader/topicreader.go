// Package topicreader reads whole topics with clients of Kafka, each in a process of its
// own that is held to one core, and says how long that took and what it cost.
//
// A process reads lines, SERVERS TOPIC CONSUMERS, and answers each with a line of JSON, a
// [Reading]. It is warm after the first: what a JVM compiles counts once.
package topicreader

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// Reading is what a client read, and what it took.
type Reading struct {
	Records   int64   `json:"records"`
	Bytes     int64   `json:"bytes"`     // of keys and values
	Seconds   float64 `json:"seconds"`   // from the first request to the last record
	Processor float64 `json:"processor"` // core-seconds of the client's process
}

// Reader is a client in a process of its own.
type Reader struct {
	command *exec.Cmd
	input   io.WriteCloser
	output  *bufio.Reader
}

// sources is the folder of the programs, from the root of the tree, where bench runs.
var sources = filepath.Join("cmd", "bench", "internal", "topicreader")

// StartJava starts a program with Kafka's own client on a core.
func StartJava(ctx context.Context, core int) (*Reader, error) {
	command, err := localservices.FastJavaClient(ctx, localservices.PartKafka, filepath.Join(sources, "Consume.java"))
	if err != nil {
		return nil, err
	}
	return start(ctx, core, command.Args, nil)
}

// StartLibrdkafka starts a program with confluent-kafka, which is librdkafka, on a core.
// Settings are NAME=VALUE, beside its defaults.
func StartLibrdkafka(ctx context.Context, core int, settings ...string) (*Reader, error) {
	if err := localservices.Install(ctx, nil, localservices.PartEngines); err != nil {
		return nil, err
	}
	python, err := localservices.Tool("python-engines")
	if err != nil {
		return nil, err
	}
	program := []string{python, filepath.Join(sources, "consume.py")}
	return start(ctx, core, append(program, settings...), nil)
}

// StartFranz starts this program again on a core, with a variable that makes it call
// [RunFranz].
func StartFranz(ctx context.Context, core int, variable string) (*Reader, error) {
	return start(ctx, core, []string{os.Args[0]}, append(os.Environ(), variable+"=1"))
}

func start(ctx context.Context, core int, args, env []string) (*Reader, error) {
	command := exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(core)}, args...)...)
	command.Env, command.Stderr = env, os.Stderr
	input, err := command.StdinPipe()
	output, err2 := command.StdoutPipe()
	if err := errors.Join(err, err2, command.Start()); err != nil {
		return nil, fmt.Errorf("start %v: %w", args, err)
	}
	return &Reader{command, input, bufio.NewReader(output)}, nil
}

// Read reads all of a topic, as many times at once as there are consumers, and counts all
// that they read.
func (r *Reader) Read(servers, topic string, consumers int) (did Reading, err error) {
	if _, err := fmt.Fprintln(r.input, servers, topic, consumers); err != nil {
		return did, err
	}
	line, err := r.output.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &did)
	}
	if err != nil {
		return did, fmt.Errorf("%v: %w", r.command.Args, err)
	}
	return did, nil
}

// Stop ends the process.
func (r *Reader) Stop() error { return errors.Join(r.input.Close(), r.command.Wait()) }
