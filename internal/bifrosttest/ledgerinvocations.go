// The twin of the rows of functions at work.

package bifrosttest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// PutInvocation implements bifrost.Invocations.
func (l *Ledger) PutInvocation(ctx context.Context, i bifrost.Invocation, now time.Time) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	slot, err := bifrost.InvocationSlot(i.ID)
	if err != nil {
		return err
	}
	if other, ok := l.invocations[slot]; ok && other.ID != i.ID && now.Before(other.AliveUntil) {
		return conflict("the slot is taken", i.ID)
	}
	i.Tasks = slices.Clone(i.Tasks)
	l.invocations[slot] = i
	return nil
}

// RenewInvocation implements bifrost.Invocations.
func (l *Ledger) RenewInvocation(ctx context.Context, id string, aliveUntil time.Time) (bifrost.Invocation, error) {
	if err := ended(ctx); err != nil {
		return bifrost.Invocation{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	slot, err := bifrost.InvocationSlot(id)
	was, ok := l.invocations[slot]
	if err != nil || !ok || was.ID != id {
		return bifrost.Invocation{}, fmt.Errorf("invocation %s: %w", id, bifrost.ErrNotFound)
	}
	now := was
	now.Begun, now.AliveUntil = true, aliveUntil
	l.invocations[slot] = now
	return was, nil
}

// EndInvocation implements bifrost.Invocations.
func (l *Ledger) EndInvocation(ctx context.Context, id string) error {
	if err := ended(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	slot, err := bifrost.InvocationSlot(id)
	if i, ok := l.invocations[slot]; err == nil && ok && i.ID == id {
		i.Tasks, i.AliveUntil = nil, time.Time{}
		l.invocations[slot] = i
	}
	return err
}

// ListInvocations implements bifrost.InvocationLister.
func (l *Ledger) ListInvocations(ctx context.Context) ([]bifrost.Invocation, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []bifrost.Invocation
	for _, slot := range slices.Sorted(maps.Keys(l.invocations)) {
		i := l.invocations[slot]
		i.Tasks = nil
		all = append(all, i)
	}
	return all, nil
}
