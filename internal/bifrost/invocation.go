// Which functions are at work.

package bifrost

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Invocation is one run of the archive function, from the tick that starts it to
// its end. Its row tells whether the ranges that it was given are in good hands: a
// function at work renews it, one that was killed does not. It saves work; safety
// never rests on it.
type Invocation struct {
	ID         string    // its slot, a dot, and a value never given before
	Tasks      []Task    // the ranges it is started for; its event names the first of them
	Begun      bool      // false while its event waits to be delivered
	AliveUntil time.Time // it is taken for dead from then on, unless it renews
}

const (
	// toBegin is how long a function has to begin: longer than its event may wait in
	// Lambda's queue, MaximumEventAgeInSeconds of the template. Until then it counts, and
	// nobody else is started for what it was given.
	toBegin = 65 * time.Second
	// toRenew is how long a renewal serves: two of them may be missed.
	toRenew = 40 * time.Second
	// RenewEvery is how long a function at work waits until it renews again.
	RenewEvery = 15 * time.Second
)

func newInvocationID(slot int, unique string) string { return strconv.Itoa(slot) + "." + unique }

// InvocationSlot is the slot that an invocation's ID names.
func InvocationSlot(id string) (int, error) {
	digits, _, _ := strings.Cut(id, ".")
	slot, err := strconv.Atoi(digits)
	if err != nil || slot < 0 {
		return 0, fmt.Errorf("invocation %q: want its slot, a dot, and what nobody else is called", id)
	}
	return slot, nil
}

// mostSlots bounds the look for a free slot: many more than functions run.
const mostSlots = 10_000

// occupy puts the invocation at the first slot, from the given one on, that
// nobody has who is alive, and answers the row as it is then, with its ID.
func occupy(ctx context.Context, ledger Invocations, alive atWork, i Invocation, unique string, from int,
	now time.Time) (Invocation, error) {
	for slot := from; slot < mostSlots; slot++ {
		if alive.hasSlot(slot, now) {
			continue
		}
		i.ID = newInvocationID(slot, unique)
		err := ledger.PutInvocation(ctx, i, now)
		if !errors.Is(err, ErrConflict) {
			return i, err
		}
	}
	return i, fmt.Errorf("all of %d slots are taken: %w", mostSlots, ErrConflict)
}

// atWork is which functions there are, by ID.
type atWork map[string]Invocation

func newAtWork(all []Invocation) atWork {
	a := make(atWork, len(all))
	for _, i := range all {
		a[i.ID] = i
	}
	return a
}

// countAlive counts the functions that are at work, or about to be.
func (a atWork) countAlive(now time.Time) (n int) {
	for _, i := range a {
		if now.Before(i.AliveUntil) {
			n++
		}
	}
	return n
}

// hasSlot reports whether a function that is alive has the slot.
func (a atWork) hasSlot(slot int, now time.Time) bool {
	for id, i := range a {
		if p, err := InvocationSlot(id); err == nil && p == slot && now.Before(i.AliveUntil) {
			return true
		}
	}
	return false
}

// inHand reports whether a function is at work on the row, or may be. A lease that
// names no invocation was taken by an older version of Bifrost.
func (a atWork) inHand(r Row, now time.Time) bool {
	if r.State != StatePlanned || r.Error != "" {
		return false
	}
	if r.Invocation == "" {
		return now.Before(r.LeaseUntil)
	}
	return now.Before(a[r.Invocation].AliveUntil)
}

// Held is how many ranges cannot be taken up yet.
type Held struct {
	InHand int       // a worker is at work on them, or may be
	Paused int       // they failed or killed functions, and their pause is not over
	Until  time.Time // the last of them, unless it is renewed: of those in hand if there are some
}

// FindHeld counts the rows that cannot be taken up now. Lease is how long before its
// LeaseUntil a row was given away.
func FindHeld(rows []Row, invocations []Invocation, lease time.Duration, now time.Time) (h Held) {
	a := newAtWork(invocations)
	var hands, pauses time.Time
	for _, r := range rows {
		switch until := a.pausedUntil(r, lease); {
		case a.inHand(r, now):
			if r.Invocation != "" {
				until = a[r.Invocation].AliveUntil
			}
			h.InHand++
			hands = later(hands, until)
		case r.State == StatePlanned && now.Before(until):
			h.Paused++
			pauses = later(pauses, until)
		}
	}
	h.Until = pauses
	if h.InHand > 0 {
		h.Until = hands
	}
	return h
}

// triesOf is how many functions have tried the row. One that never began, because
// Lambda had no room for it, has tried nothing.
func (a atWork) triesOf(r Row) int {
	if had, known := a[r.Invocation]; known && !had.Begun {
		return max(0, r.Attempts-1)
	}
	return r.Attempts
}

// leftAlone reports whether the row is to be left alone: it is in hand, or it failed
// and its pause is not over, or functions that had it died. Lease is how long
// before LeaseUntil it was given away.
func (a atWork) leftAlone(r Row, lease time.Duration, now time.Time) bool {
	return r.State == StatePlanned && (a.inHand(r, now) || now.Before(a.pausedUntil(r, lease)))
}

// pausedUntil is when a row may be taken up that is in nobody's hand.
func (a atWork) pausedUntil(r Row, lease time.Duration) time.Time {
	if r.Invocation == "" {
		return r.LeaseUntil
	}
	return r.LeaseUntil.Add(pauseAfterDeath(a.triesOf(r)) - lease)
}

// pauseAfterDeath is how long after it was given away a range is left alone, when
// that many functions had it in hand and the last one died. Functions die for
// reasons that are not the range's, so the first three deaths cost nothing; a range
// that kills whoever reads it, because it does not fit into memory, say, ends up
// where one that fails does.
func pauseAfterDeath(tries int) time.Duration {
	switch {
	case tries <= 3:
		return 0
	case tries <= 7:
		return min(pause(tries-3), time.Minute)
	}
	return pause(tries)
}
