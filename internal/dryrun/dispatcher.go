// Which functions a tick would start.

package dryrun

import (
	"context"
	"slices"
	"sync"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Dispatcher notes the tasks that would be started.
type Dispatcher struct {
	mutex sync.Mutex
	tasks []bifrost.Task
}

// Dispatch implements bifrost.Dispatcher.
func (d *Dispatcher) Dispatch(_ context.Context, t bifrost.Task) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.tasks = append(d.tasks, t)
	return nil
}

// Tasks lists what would be started, in order.
func (d *Dispatcher) Tasks() []bifrost.Task {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return slices.Clone(d.tasks)
}
