package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/internal/config"
)

func newDoctor(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "doctor",
		GroupID: groupCheck,
		Short:   "Check settings, reachability, permissions, bucket, tables and clock",
		Long: `Doctor looks at everything the other commands and the functions stand on, and
prints a line for each, with what to do where something is wrong. It writes nothing.
Warnings are advice; only a failed check makes it exit with 3.`,
		Example:     "  bifrost doctor\n  bifrost doctor --json | jq '.checks[] | select(.result != \"ok\")'",
		Annotations: map[string]string{unhealthyMeaning: "a check failed"},
		RunE:        func(c *cobra.Command, _ []string) error { return a.doctor(c.Context(), asJSON) },
	}
	addJSON(c, &asJSON)
	return c
}

// doctorJSON is what doctor --json prints.
type doctorJSON struct {
	Checks []check `json:"checks"`
}

// A check is one line of doctor.
type check struct {
	Name   string `json:"name"`
	Result string `json:"result"` // ok, warning, failed
	Found  string `json:"found"`
	Next   string `json:"next,omitempty"` // what to do
}

// The results of a check.
const (
	resultOK      = "ok"
	resultWarning = "warning"
	resultFailed  = "failed"
)

// A finding is what a check answers: words, and, when something is not as it
// should be, what to do about it.
type finding struct {
	found, next string
	warning     bool
	err         error
}

func fine(format string, args ...any) finding { return finding{found: fmt.Sprintf(format, args...)} }

func advice(found, next string) finding { return finding{found: found, next: next, warning: true} }

func broken(err error, next string) finding { return finding{err: err, next: next} }

// patience is how long one check may take: a firewall that drops packets must
// not hold up the others.
const patience = 20 * time.Second

func (a *app) doctor(ctx context.Context, asJSON bool) error {
	d := &doctor{app: a}
	d.all(ctx)
	if asJSON {
		if err := a.printJSON(doctorJSON{d.checks}); err != nil {
			return err
		}
	} else if err := d.show(); err != nil {
		return err
	}
	for _, c := range d.checks {
		if c.Result == resultFailed {
			return errUnhealthy
		}
	}
	return nil
}

// doctor gathers checks.
type doctor struct {
	*app
	checks []check
}

func (d *doctor) check(ctx context.Context, name string, look func(context.Context) finding) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("no answer in time"))
	defer cancel()
	f := look(ctx)
	c := check{Name: name, Result: resultOK, Found: f.found, Next: f.next}
	switch {
	case f.err != nil:
		c.Result, c.Found = resultFailed, f.err.Error()
	case f.warning:
		c.Result = resultWarning
	}
	d.checks = append(d.checks, c)
}

// all goes from the settings outwards. Without settings nothing else can be asked.
func (d *doctor) all(ctx context.Context) {
	d.check(ctx, "version", func(context.Context) finding { return fine("bifrost %s", buildVersion()) })
	var settings config.Config
	d.check(ctx, "settings", func(context.Context) finding {
		var err error
		if settings, err = config.Load(config.Reader, d.settings.lookup); err != nil {
			return broken(err, "set the variables, or give the flags of the same names; make up writes .local/env to source")
		}
		return fine("group %s, bucket %s, tables %s and %s", settings.Group, settings.Bucket, settings.ProgressTable, settings.ObjectsTable)
	})
	if settings.Bucket == "" {
		return
	}
	parts, err := d.open(ctx, config.Reader)
	if err != nil {
		d.check(ctx, "AWS settings", func(context.Context) finding { return broken(err, "give --profile or --region, as for the AWS CLI") })
		return
	}
	defer parts.Close()
	cfg, err := awsconfig.LoadDefaultConfig(ctx, d.settings.aws()...)
	if err != nil {
		d.check(ctx, "AWS settings", func(context.Context) finding { return broken(err, "give --profile or --region, as for the AWS CLI") })
		return
	}
	d.aws(ctx, cfg, settings)
	d.check(ctx, "ticks", func(ctx context.Context) finding { return d.ticks(ctx, parts) })
	d.kafka(ctx, parts)
}

func (d *doctor) show() error {
	t := &table{columns: []column{{title: "check"}, {title: "result"}, {title: "found", shrink: true}}}
	styles := map[string]style{resultOK: styleGood, resultWarning: styleWarn, resultFailed: styleBad}
	for _, c := range d.checks {
		t.add(plain(c.Name), cell{c.Result, styles[c.Result]}, plain(c.Found))
		if c.Next != "" {
			t.add(plain(""), plain(""), cell{"→ " + c.Next, styleBold})
		}
	}
	// Whole, and not cut to the terminal: what to do is the end of a line.
	return t.write(d.out, 0, d.colored(d.out))
}
