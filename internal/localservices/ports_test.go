package localservices

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// Kafka refuses to start with one port for two of its listeners. And a broker that is
// stopped and started has to find its ports free: no other process may have got them,
// even while nobody listens there.
func TestNoPortIsGivenTwice(t *testing.T) {
	t.Parallel()
	given := map[int]bool{}
	note := func(port int) {
		if given[port] {
			t.Errorf("port %d is given twice", port)
		}
		given[port] = true
	}
	for range 2 * blockSize {
		port, err := FreePort()
		if err != nil {
			t.Fatal(err)
		}
		note(port)
	}
	for range 3 {
		other := exec.Command(os.Args[0])
		other.Env = append(os.Environ(), "LOCALSERVICES_TEST_PORTS=1")
		hold, err := other.StdinPipe() // it keeps its ports until this is closed
		if err != nil {
			t.Fatal(err)
		}
		out, err := other.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := hold.Close(); err != nil {
				t.Error(err)
			}
			if err := other.Wait(); err != nil {
				t.Error(err)
			}
		})
		lines := bufio.NewScanner(out)
		for range 10 * blockSize {
			var port int
			if !lines.Scan() {
				t.Fatal("another process has not printed its ports")
			}
			if _, err := fmt.Sscan(lines.Text(), &port); err != nil {
				t.Fatal(err)
			}
			note(port)
		}
	}
}

// printPorts is another process that asks for ports.
func printPorts() {
	for range 10 * blockSize {
		port, err := FreePort()
		if err != nil {
			panic(err)
		}
		fmt.Println(port)
	}
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the test ends
}
