// The ranges that wait for a worker.

package scale

import (
	"container/heap"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// job is a range that waits for a worker, or that one works on.
type job struct {
	partition int32
	attempts  int32
	start     int64
	end       int64
	first     bool // of its partition nothing else was unfinished
	near      int  // class of the time to loss, when it was planned
}

func (j job) isSmall() bool { return (j.end-j.start)*recordBytes <= bifrost.SmallRange }

// classes bounds the classes of nearness: the logarithm of minutes, and never.
const classes = 66

// waiting is the jobs in the order in which they are started: one of each
// partition first, then by class, then by age.
type waiting struct {
	queues [2][classes][]job
	heads  [2][classes]int
	length int
}

func (w *waiting) push(j job) {
	turn := 1
	if j.first {
		turn = 0
	}
	near := min(j.near, classes-1)
	w.queues[turn][near] = append(w.queues[turn][near], j)
	w.length++
}

func (w *waiting) pop() (job, bool) {
	for turn := range w.queues {
		for near := range w.queues[turn] {
			head := w.heads[turn][near]
			queue := w.queues[turn][near]
			if head == len(queue) {
				continue
			}
			w.heads[turn][near]++
			if w.heads[turn][near] == len(queue) {
				w.queues[turn][near], w.heads[turn][near] = queue[:0], 0
			}
			w.length--
			return queue[head], true
		}
	}
	return job{}, false
}

// popSmall takes the next job if it is small.
func (w *waiting) popSmall() (job, bool) {
	for turn := range w.queues {
		for near := range w.queues[turn] {
			if queue, head := w.queues[turn][near], w.heads[turn][near]; head < len(queue) {
				if !queue[head].isSmall() {
					return job{}, false
				}
				return w.pop()
			}
		}
	}
	return job{}, false
}

// event is something that happens at a time, in seconds of the play.
type event struct {
	at    float64
	until float64 // when the worker that works on it has to end
	job   job
	more  []job // small ones that are worked on beside it
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at < e[j].at }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (e *events) add(x event) { heap.Push(e, x) }

// next takes the earliest event that is not later than the time.
func (e *events) next(until float64) (event, bool) {
	if len(*e) == 0 || (*e)[0].at > until {
		return event{}, false
	}
	return heap.Pop(e).(event), true
}
