// What is kept in memory of what was read.

package gateway

import (
	"container/list"
	"context"
	"sync"
)

// cache is what was read from the store, and may be wanted again: segments, and the
// indexes of objects.
type cache struct {
	segments *lru[segmentKey, *segment]
	files    *lru[string, *file]
}

func newCache(g *Gateway) *cache {
	return &cache{
		segments: newLRU[segmentKey](g.memory.cacheBytes, func(s *segment) { s.recycle(g.spare) }),
		files:    newLRU[string](g.memory.cacheBytes/8, func(*file) {}),
	}
}

// lru keeps the values that were used last, up to so many bytes, and makes each of
// them once however many ask for it at the same time. Values are lent: one that is dropped
// is given up once everybody has given it back.
type lru[Key comparable, Value any] struct {
	most    int64
	giveUp  func(Value)
	mutex   sync.Mutex
	bytes   int64
	entries map[Key]*entry[Key, Value]
	used    *list.List // of entries that are made, the last used first
}

type entry[Key comparable, Value any] struct {
	key   Key
	made  chan struct{} // closed when value and err are there
	value Value
	bytes int64
	err   error
	place *list.Element
	lent  int // to so many, one of which is the cache until it drops the value
}

func newLRU[Key comparable, Value any](most int64, giveUp func(Value)) *lru[Key, Value] {
	return &lru[Key, Value]{most: most, giveUp: giveUp, entries: map[Key]*entry[Key, Value]{}, used: list.New()}
}

// lending is a value that is lent until it is given back, once.
type lending[Value any] struct {
	value    Value
	giveBack func()
}

// get lends the value of the key, and makes it if it is not there. An error is not
// kept. Build says how many bytes the value has.
func (l *lru[Key, Value]) get(
	ctx context.Context, key Key, build func() (Value, int64, error),
) (lending[Value], error) {
	l.mutex.Lock()
	e := l.entries[key]
	if e == nil {
		e = &entry[Key, Value]{key: key, made: make(chan struct{}), lent: 1}
		l.entries[key] = e
		go l.fill(e, build)
	} else if e.place != nil {
		l.used.MoveToFront(e.place)
	}
	giveBack := l.lend(e)
	l.mutex.Unlock()
	select {
	case <-e.made:
		if e.err != nil {
			return lending[Value]{}, e.err
		}
		return lending[Value]{e.value, giveBack}, nil
	case <-ctx.Done():
		giveBack()
		return lending[Value]{}, context.Cause(ctx)
	}
}

// lend counts one more to whom the value of an entry is lent, which may not be made yet.
func (l *lru[Key, Value]) lend(e *entry[Key, Value]) (giveBack func()) {
	e.lent++
	return func() {
		l.mutex.Lock()
		defer l.mutex.Unlock()
		l.takeBack(e)
	}
}

func (l *lru[Key, Value]) takeBack(e *entry[Key, Value]) {
	if e.lent--; e.lent == 0 {
		l.giveUp(e.value)
	}
}

func (l *lru[Key, Value]) fill(e *entry[Key, Value], build func() (Value, int64, error)) {
	e.value, e.bytes, e.err = build()
	l.mutex.Lock()
	defer l.mutex.Unlock()
	close(e.made)
	if e.err != nil {
		delete(l.entries, e.key)
		return
	}
	e.place = l.used.PushFront(e)
	l.bytes += e.bytes
	for l.bytes > l.most && l.used.Len() > 1 {
		l.drop(l.used.Back().Value.(*entry[Key, Value]))
	}
}

// ready lends the value of the key if it is there.
func (l *lru[Key, Value]) ready(key Key) (lent lending[Value], ok bool) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	e := l.entries[key]
	if e == nil || e.place == nil {
		return lent, false
	}
	l.used.MoveToFront(e.place)
	return lending[Value]{e.value, l.lend(e)}, true
}

// begun reports whether the value of the key is there, or will be.
func (l *lru[Key, Value]) begun(key Key) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	e := l.entries[key]
	if e != nil && e.place != nil {
		l.used.MoveToFront(e.place)
	}
	return e != nil
}

func (l *lru[Key, Value]) drop(e *entry[Key, Value]) {
	l.used.Remove(e.place)
	delete(l.entries, e.key)
	l.bytes -= e.bytes
	l.takeBack(e)
}

// held is how many bytes the values have.
func (l *lru[Key, Value]) held() int64 {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.bytes
}
