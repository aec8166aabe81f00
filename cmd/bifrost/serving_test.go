package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// served starts a gateway of the archive, and answers its address. It has to end by
// itself once it is told to.
func (s *sandbox) served(t *testing.T, args ...string) string {
	t.Helper()
	address, stop := s.serving(t, append([]string{"--cold", "--listen", "127.0.0.1:0"}, args...)...)
	t.Cleanup(func() { stop(syscall.SIGTERM) })
	return address
}

// serving starts a gateway, and answers its address and how to end it.
func (s *sandbox) serving(t *testing.T, args ...string) (address string, stop func(syscall.Signal)) {
	t.Helper()
	address, stop, _ = s.servingProcess(t, args...)
	return address, stop
}

// servingProcess is serving that answers the process, too.
func (s *sandbox) servingProcess(t *testing.T, args ...string) (address string, stop func(syscall.Signal), pid int) {
	t.Helper()
	command := s.command(context.Background(), append([]string{"serve"}, args...)...)
	log, err := command.StderrPipe()
	must(t, err)
	must(t, command.Start())
	ready, ended := make(chan string, 1), make(chan struct{})
	var others []string // what a test that fails shows as well
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			var line struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
				ready <- line.Address
			} else if strings.Contains(lines.Text(), `"level":"ERROR"`) || strings.Contains(lines.Text(), "recorded gap") {
				t.Log(lines.Text())
			} else {
				others = append(others, lines.Text())
			}
		}
	}()
	t.Cleanup(func() { // of a test that failed before it ended it
		if command.ProcessState == nil {
			_ = command.Process.Kill()
			<-ended
			_ = command.Wait()
		}
		if <-ended; t.Failed() {
			t.Logf("what serve logged last:\n%s", strings.Join(others[max(0, len(others)-50):], "\n"))
		}
	})
	stop = func(signal syscall.Signal) {
		must(t, command.Process.Signal(signal))
		<-ended
		if err := command.Wait(); err != nil && signal == syscall.SIGTERM {
			t.Errorf("serve ended with %v", err)
		}
	}
	select {
	case address := <-ready:
		return address, stop, command.Process.Pid
	case <-ended:
		t.Fatal("serve has ended")
	case <-time.After(time.Minute):
		t.Fatal("serve is not ready after a minute")
	}
	return "", nil, 0
}

// freeAddress is an address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	port, err := localservices.FreePort()
	must(t, err)
	return fmt.Sprintf("127.0.0.1:%d", port)
}
