// Package fix is what verify --fix does: it shows what of the findings can be put right
// because the bucket proves how, asks, and does it.
package fix

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/repair"
	"github.com/bifrost-archive/bifrost/internal/verify"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// Fixer is the flags of verify that are about fixing.
type Fixer struct {
	*app.App
	Yes bool // do it without asking
	// Wait waits out a fence pause.
	Wait func(ctx context.Context, until time.Time, partitions int) error
}

// rebuildParallel is how many objects are looked at side by side.
const rebuildParallel = 32

// Run shows what can be put right of the violations, asks, and does it. It reports
// whether anything was done.
func (f *Fixer) Run(ctx context.Context, parts *wiring.Parts, found []verify.Violation) (bool, error) {
	rule := repair.Fixer{
		Group: parts.Config.Group, Ledger: parts.Ledger, Bucket: parts.Store, Versions: parts.Store,
		Rebuilder: repair.Rebuilder{
			Group: parts.Config.Group, Ledger: parts.Ledger, Store: parts.Store, Bucket: parts.Store,
			Sizing: parts.Config.Settings().Sizing, Now: time.Now, NewGeneration: rand.Text, Parallel: rebuildParallel,
			Log: parts.Log, FencePause: parts.Config.FencePause, Wait: f.Wait,
		},
	}
	plan, err := rule.Plan(ctx, found)
	if err != nil {
		return false, err
	}
	f.show(plan)
	if plan.IsEmpty() {
		f.Say("Nothing of this can be put right by what the bucket proves.")
		return false, nil
	}
	if !f.Yes {
		agreed, err := f.ask()
		if err != nil || !agreed {
			return false, err
		}
	}
	if err := rule.Apply(ctx, plan); err != nil {
		return true, fmt.Errorf("%w; what was done stands: run bifrost verify --fix again", err)
	}
	return true, nil
}

func (f *Fixer) show(plan repair.FixPlan) {
	for _, left := range plan.Left {
		where := left.Topic
		if left.Partition >= 0 {
			where = fmt.Sprintf("%s/%d", left.Topic, left.Partition)
		}
		f.Say("leave      %s of %s as it is: %s", string(left.Kind), where, left.Reason)
	}
	for _, p := range plan.Unproven {
		f.Say("leave      all rows of %s as they are: what is left decides what is right", p)
	}
	for _, hidden := range plan.Hidden {
		f.Say("unhide     %s: remove %d delete markers (%s); %s", hidden.Key, len(hidden.Markers),
			strings.Join(hidden.Markers, ", "), hidden.Proof)
	}
	for _, row := range plan.Rows {
		f.Say("make again row partition_key %q, start_offset %d, of the objects table: its object has the checksum "+
			"that "+
			"the row names, and other facts", row.Partition.String(), row.Start)
	}
	for _, p := range plan.Anew {
		f.Say("make again row topic %q, partition %d, of the progress table, along the rows and objects that are there",
			p.Name, p.Number)
	}
	for _, p := range plan.Whole {
		f.Say("rebuild    %s, where rows are missing", p)
	}
}

// ask asks on a terminal. Anywhere else nobody can answer.
func (f *Fixer) ask() (bool, error) {
	if in, isFile := f.In.(*os.File); !isFile || !term.IsTerminal(int(in.Fd())) {
		f.Say("Nothing was done: give --yes to do this.")
		return false, nil
	}
	fmt.Fprint(f.Talk, "Do this? [y/N] ")
	return f.readAnswer()
}

func (f *Fixer) readAnswer() (agreed bool, err error) {
	answer, err := bufio.NewReader(f.In).ReadString('\n')
	if err != nil {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	}
	f.Say("Nothing was done.")
	return false, nil
}
