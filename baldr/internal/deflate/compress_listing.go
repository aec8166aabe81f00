// How a block lists its codes.

package deflate

// A listing is how a block transmits its codes: as their lengths, which are coded
// themselves (RFC 1951, 3.2.7).
type listing struct {
	literals, distances, ordered int // how many lengths are listed: of symbols, of distances, of codes in lengthOrder

	items [maxLiteralCodes + maxDistanceCodes]struct{ symbol, more uint8 }
	count int // of items
	codes [len(lengthOrder)]code
	bits  int // of the items
}

func (l *listing) of(symbols, distances []uint8) {
	l.literals, l.distances = listed(symbols), listed(distances)
	var memory [maxLiteralCodes + maxDistanceCodes]uint8
	all := append(append(memory[:0], symbols[:l.literals]...), distances[:l.distances]...)
	l.count = 0
	for len(all) > 0 {
		run := 1
		for run < len(all) && all[run] == all[0] {
			run++
		}
		l.run(all[0], run)
		all = all[run:]
	}
	var counts [len(lengthOrder)]uint32
	for _, item := range l.items[:l.count] {
		counts[item.symbol]++
	}
	var lengths [len(lengthOrder)]uint8
	shortest(lengths[:], counts[:], lengthBits)
	assign(l.codes[:], lengths[:])
	l.ordered = len(lengthOrder)
	for lengths[lengthOrder[l.ordered-1]] == 0 {
		l.ordered--
	}
	l.bits = 0
	for symbol, count := range counts {
		bits := uint(lengths[symbol])
		if symbol >= 16 {
			bits += repeats[symbol-16].extra
		}
		l.bits += int(uint(count) * bits)
	}
}

// listed is how many lengths there are without the zeros at the end. Some are not zero.
func listed(lengths []uint8) int {
	n := len(lengths)
	for lengths[n-1] == 0 {
		n--
	}
	return n
}

// run adds the same length several times.
func (l *listing) run(length uint8, times int) {
	if length > 0 {
		l.add(length, 0)
		times--
	}
	for times > 0 {
		// Which symbol repeats the most of them: 16 the length before, 17 and 18 zeros.
		symbol := uint8(16)
		if length == 0 {
			symbol = 17
			if times >= repeats[2].least {
				symbol = 18
			}
		}
		by := repeats[symbol-16]
		if times < by.least {
			l.add(length, 0)
			times--
			continue
		}
		n := min(times, by.least+1<<by.extra-1)
		l.add(symbol, uint8(n-by.least))
		times -= n
	}
}

func (l *listing) add(symbol, more uint8) {
	l.items[l.count].symbol, l.items[l.count].more = symbol, more
	l.count++
}

// cost is how many bits the listing takes.
func (l *listing) cost() int { return 14 + 3*l.ordered + l.bits }
