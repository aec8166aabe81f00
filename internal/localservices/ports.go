// Which ports servers get.

package localservices

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
)

// Ports are given out below those that systems give to outgoing connections.
const (
	firstPort  = 20000
	portBlocks = 240
	blockSize  = 50
)

// FreePort returns a port on 127.0.0.1 that nobody listens on, and that no process
// which asked here before has got or will get: a server binds its ports some time
// later, and one that is stopped for a while finds them free again.
func FreePort() (int, error) {
	myPorts.Lock()
	defer myPorts.Unlock()
	for {
		if len(myPorts.left) == 0 {
			if err := myPorts.takeBlock(); err != nil {
				return 0, err
			}
		}
		port := myPorts.left[0]
		myPorts.left = myPorts.left[1:]
		listener, err := net.Listen("tcp", address(port))
		if err == nil {
			return port, listener.Close()
		}
	}
}

// myPorts are those that belong to this process until it ends.
var myPorts ports

// ports are given out in blocks. A block belongs to the process that has locked its file.
type ports struct {
	sync.Mutex
	left   []int
	blocks []*os.File // open, and so locked
}

func (p *ports) takeBlock() error {
	folder := filepath.Join(os.TempDir(), "bifrost-ports")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("localservices: keep the ports of processes apart: %w", err)
	}
	for _, block := range rand.Perm(portBlocks) {
		file, err := os.OpenFile(filepath.Join(folder, strconv.Itoa(block)), os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return fmt.Errorf("localservices: keep the ports of processes apart: %w", err)
		}
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			p.blocks = append(p.blocks, file)
			for i := range blockSize {
				p.left = append(p.left, firstPort+block*blockSize+i)
			}
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return errors.Join(fmt.Errorf("localservices: lock %s: %w", file.Name(), err), file.Close())
		}
		if err := file.Close(); err != nil {
			return err
		}
	}
	return fmt.Errorf("localservices: no ports are left from %d to %d", firstPort, firstPort+portBlocks*blockSize-1)
}
