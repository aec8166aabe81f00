// How the twins notice a walk over pages that stands still.

package bifrosttest

import (
	"fmt"
	"sync"
)

// mostRepeats is how often in a row a twin answers one question. Code that asks more often walks
// through pages without moving on: its test would wait for ever, and fill the memory.
const mostRepeats = 2000

// walks counts how often the last question was asked.
type walks struct {
	mu    sync.Mutex
	asked string
	times int
}

// noteQuestion returns an error once the same question was asked too often.
func (w *walks) noteQuestion(question ...any) error {
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

// forgetQuestion is called when something else happens: the same question may be asked anew.
func (w *walks) forgetQuestion() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = ""
}
