// How the twins notice a walk over pages that stands still.

package bifrosttest

import (
	"fmt"
	"sync"
)

// mostRepeats is how often in a row a twin answers one question. Who asks oftener walks through
// pages and does not move: a test of him would wait for ever, and fill the memory.
const mostRepeats = 2000

// walks counts how often the last question was asked.
type walks struct {
	mu    sync.Mutex
	asked string
	times int
}

func (w *walks) ask(question ...any) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := fmt.Sprint(question...); now != w.asked {
		w.asked, w.times = now, 0
	}
	if w.times++; w.times > mostRepeats {
		return fmt.Errorf("asked %d times in a row for the same page: %s", w.times, w.asked)
	}
	return nil
}

// rest is that somebody else asked something else.
func (w *walks) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = ""
}
