// What the demo reads through a gateway.

package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// readWithKafkaPython is what somebody's own program may look like.
//
//go:embed read_orders.py
var readWithKafkaPython string

// showGateway reads some orders with a consumer of kafka-python, as a group, from
// bifrost serve.
func showGateway(ctx context.Context, s *localservices.Stack) error {
	var said []byte
	err := step("read the first orders with kafka-python, from bifrost serve", func() (err error) {
		if err = localservices.Install(ctx, announce, localservices.PartKafkaPython); err != nil {
			return err
		}
		said, err = readThroughGateway(ctx, s)
		return err
	})
	if err == nil {
		fmt.Printf("%s\n", bytes.TrimRight(said, "\n"))
	}
	return err
}

// gatewayPatience is how long a gateway may take until it is ready.
const gatewayPatience = time.Minute

// readThroughGateway builds the command line, starts a gateway and reads from it.
func readThroughGateway(ctx context.Context, s *localservices.Stack) (said []byte, err error) {
	dir, err := os.MkdirTemp("", "bifrost-demo-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program := filepath.Join(dir, "bifrost")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "github.com/bifrost-archive/bifrost/cmd/bifrost").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the command line: %w\n%s", err, out)
	}
	serve := exec.CommandContext(ctx, program, "serve", "--listen", "127.0.0.1:0")
	serve.Env = append(os.Environ(), s.Env()...)
	log, err := serve.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := serve.Start(); err != nil {
		return nil, err
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for scanner := bufio.NewScanner(log); scanner.Scan(); {
			lines <- scanner.Text()
		}
		_, _ = io.Copy(io.Discard, log) // of a line that is too long
	}()
	defer func() {
		ended := serve.Process.Signal(syscall.SIGTERM)
		for range lines { // until it has ended
		}
		err = errors.Join(err, ended, serve.Wait())
	}()
	address, err := awaitGateway(lines)
	if err != nil {
		return nil, err
	}
	python, err := localservices.Tool("python-kafka")
	if err != nil {
		return nil, err
	}
	client := exec.CommandContext(ctx, python, "-c", readWithKafkaPython, address, topicOrders)
	var problem bytes.Buffer
	client.Stderr = &problem
	if said, err = client.Output(); err != nil {
		return nil, fmt.Errorf("read with kafka-python: %w\n%s", err, problem.String())
	}
	return said, nil
}

// awaitGateway reads the log until it has the address.
func awaitGateway(lines <-chan string) (string, error) {
	var read []string
	patience := time.After(gatewayPatience)
	for {
		select {
		case line, more := <-lines:
			if !more {
				return "", fmt.Errorf("bifrost serve has ended:\n%s", strings.Join(read, "\n"))
			}
			read = append(read, line)
			var said struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "ready" {
				return said.Address, nil
			}
		case <-patience:
			return "", fmt.Errorf("bifrost serve is not ready after %s:\n%s", gatewayPatience, strings.Join(read, "\n"))
		}
	}
}
