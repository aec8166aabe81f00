// What a warm function keeps.

package wiring

import "sync"

// OpenOnce opens something on its first use and keeps it from one invocation of a function to
// the next. A failure is not kept: Lambda continues to use a process whose first
// invocation failed, and the cause, for example a secret that did not exist yet, may be
// fixed by the next invocation.
func OpenOnce[T any](open func() (T, error)) func() (T, error) {
	var mutex sync.Mutex
	var value T
	opened := false
	return func() (T, error) {
		mutex.Lock()
		defer mutex.Unlock()
		if opened {
			return value, nil
		}
		fresh, err := open()
		if err != nil {
			return fresh, err
		}
		value, opened = fresh, true
		return value, nil
	}
}
