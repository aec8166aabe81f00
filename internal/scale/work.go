// The workers of a play.

package scale

// The rules of a worker that the play follows; internal/bifrost and
// internal/wiring have them.
const (
	reserve      = 60.0 // seconds before its end in which a worker begins nothing
	firstPause   = 15.0
	longestPause = 3600.0
)

// runWorkers lets the workers continue until a time.
func (p *play) runWorkers(until float64) {
	for {
		e, ok := p.running.next(until)
		if !ok {
			return
		}
		if p.isUnreachable(e.job.partition, e.at) {
			p.failRange(e) // a worker that fails ends
			continue
		}
		p.settleRange(e.job, e.at)
		for _, j := range e.more {
			if p.isUnreachable(j.partition, e.at) {
				p.result.Failures++
				p.retryRange(j, e.at)
				continue
			}
			p.settleRange(j, e.at)
		}
		p.takeNext(e.at, e.until)
	}
}

// startWorkers starts workers where slots are free.
func (p *play) startWorkers(at float64) {
	p.endPauses(at)
	for p.busy < p.Slots && p.waiting.length > 0 {
		p.busy++
		p.result.Workers++
		start := at + p.Speed.Start.Seconds()
		p.result.WorkerSeconds += p.Speed.Start.Seconds()
		p.takeNext(start, start+p.Timeout.Seconds())
	}
}

// takeNext gives a worker its next range, or ends it.
func (p *play) takeNext(at, until float64) {
	p.endPauses(at)
	j, ok := job{}, false
	if until-at > reserve {
		j, ok = p.waiting.pop()
	}
	if !ok {
		p.busy--
		return
	}
	took := p.secondsFor(j, at)
	var more []job
	for j.isSmall() && len(more)+1 < p.Together {
		other, ok := p.waiting.popSmall()
		if !ok {
			break
		}
		more = append(more, other)
		took += p.secondsFor(other, at)
	}
	p.result.WorkerSeconds += took
	p.running.add(event{at: at + took, until: until, job: j, more: more})
}

// secondsFor is how long a worker works on a range, in seconds; of small ones, which it
// works on side by side, its part.
func (p *play) secondsFor(j job, at float64) float64 {
	if j.isSmall() && p.Speed.PerSmall > 0 {
		return p.Speed.PerSmall.Seconds()
	}
	if p.isUnreachable(j.partition, at) || p.logStart(j.partition, at) >= j.end {
		return p.Speed.PerObject.Seconds()
	}
	speed := p.Speed.BytesPerSecond
	if p.Brokers > 0 {
		speed = min(speed, p.Brokers/float64(p.busy))
	}
	return p.Speed.PerObject.Seconds() + float64(j.end-j.start)*recordBytes/speed
}

// endPauses lets ranges wait for a worker again whose pause is over.
func (p *play) endPauses(at float64) {
	for {
		e, ok := p.retries.next(at)
		if !ok {
			return
		}
		p.waiting.push(e.job)
	}
}

func (p *play) failRange(e event) {
	p.busy--
	for _, j := range append(e.more, e.job) {
		p.result.Failures++
		p.retryRange(j, e.at)
	}
}

func (p *play) retryRange(j job, at float64) {
	pause := min(firstPause*float64(int(1)<<min(j.attempts, 10)), longestPause)
	j.attempts++
	p.retries.add(event{at: at + pause, job: j})
}

// settleRange settles a range and moves the prefix of its partition.
func (p *play) settleRange(j job, at float64) {
	q := &p.partitions[j.partition]
	for n := range q.unfinished {
		if q.unfinished[n].end == j.end {
			q.unfinished[n].done = true
		}
	}
	done := 0
	for done < len(q.unfinished) && q.unfinished[done].done {
		q.next = q.unfinished[done].end
		done++
	}
	q.unfinished = q.unfinished[done:]
	if len(q.unfinished) == 0 {
		q.unfinished = nil
	}
	p.open--
	lost := min(j.end, max(j.start, p.logStart(j.partition, at))) - j.start
	p.result.addSettled(j.end-j.start, lost)
}
