package wiring

import "sync"

// Kept opens something on its first use and keeps it from one invocation of a
// function to the next. A failure is not kept: Lambda goes on with a process whose
// first invocation failed, and what failed, a secret that was not there yet, say,
// may be mended by the next.
func Kept[T any](open func() (T, error)) func() (T, error) {
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
