// Package doctor checks what the archive stands on, from the settings outwards:
// credentials, clock, bucket, tables, ticks, alarms, Kafka. It writes nothing.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/config"
)

// A Check is one line of doctor.
type Check struct {
	Name   string `json:"name"`
	Result string `json:"result"` // ok, warning, failed
	Found  string `json:"found"`
	Next   string `json:"next,omitempty"` // what to do
}

// The results of a check.
const (
	ResultOK      = "ok"
	ResultWarning = "warning"
	ResultFailed  = "failed"
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

// CheckAll makes all checks, in order.
func CheckAll(ctx context.Context, a *app.App) []Check {
	d := newCheckup(a)
	d.checkEverything(ctx)
	return d.checks
}

// checkup gathers checks.
type checkup struct {
	*app.App
	checks   []Check
	patience time.Duration
	unknown  bool              // AWS does not know who asks
	silent   map[string]string // a service of AWS that did not answer, and the check that waited for it
}

func newCheckup(a *app.App) *checkup {
	return &checkup{App: a, patience: patience, silent: map[string]string{}}
}

// runCheck makes a check, and reports whether it was over in time.
func (d *checkup) runCheck(ctx context.Context, name string, look func(context.Context) finding) (inTime bool) {
	asking, cancel := context.WithTimeoutCause(ctx, d.patience, errors.New("no answer in time"))
	defer cancel()
	f := look(asking)
	c := Check{Name: name, Result: ResultOK, Found: f.found, Next: f.next}
	switch {
	case f.err != nil:
		c.Result, c.Found = ResultFailed, f.err.Error()
	case f.warning:
		c.Result = ResultWarning
	}
	c.Found = human.InNumber(human.PlainError(c.Found))
	d.checks = append(d.checks, c)
	return asking.Err() == nil || ctx.Err() != nil
}

// Services of AWS that checks ask.
const (
	serviceS3         = "S3"
	serviceDynamoDB   = "DynamoDB"
	serviceCloudWatch = "CloudWatch"
)

// askAWS makes a check that asks services of AWS, in this order, unless AWS does not know who asks, or one of them has
// not answered before: that has one cause, which has a line of its own, and all would be waited for in vain.
func (d *checkup) askAWS(ctx context.Context, name string, look func(context.Context) finding, services ...string) {
	if d.unknown {
		look = func(context.Context) finding {
			return advice("not known: AWS is not asked without credentials", "see the line of the credentials")
		}
	}
	for _, service := range services {
		if before := d.silent[service]; before != "" {
			look = func(context.Context) finding {
				return advice("not known: "+service+" does not answer", "see the line of the "+before)
			}
		}
	}
	if inTime := d.runCheck(ctx, name, look); !inTime && len(services) == 1 { // of two nobody knows which
		d.silent[services[0]] = name
	}
}

// checkEverything goes from the settings outwards. Without settings nothing else can be asked.
func (d *checkup) checkEverything(ctx context.Context) {
	d.runCheck(ctx, "version", func(context.Context) finding { return fine("bifrost %s", app.BuildVersion()) })
	var c config.Config
	d.runCheck(ctx, "settings", func(context.Context) finding {
		var err error
		if c, err = config.Load(config.Reader, d.LookupVariable); err != nil {
			return broken(err, settings.HowToSet)
		}
		return fine("group %s, bucket %s, tables %s and %s",
			c.Group, c.Bucket, c.ProgressTable, c.ObjectsTable)
	})
	if c.Bucket == "" {
		return
	}
	parts, err := d.OpenUnchecked(ctx, config.Reader)
	if err != nil {
		d.runCheck(ctx, "AWS settings", func(context.Context) finding { return broken(err, adviceOnAWS(err)) })
		return
	}
	defer parts.Close()
	cfg, err := awsconfig.LoadDefaultConfig(ctx, d.Settings.AWSOptions()...)
	if err != nil {
		d.runCheck(ctx, "AWS settings", func(context.Context) finding { return broken(err, adviceOnAWS(err)) })
		return
	}
	d.checkAWS(ctx, cfg, c)
	d.askAWS(ctx, "one archive", func(ctx context.Context) finding { return checkBelonging(ctx, parts) },
		serviceDynamoDB, serviceS3)
	d.askAWS(ctx, "ticks", func(ctx context.Context) finding { return d.findTicks(ctx, parts) }, serviceDynamoDB)
	d.checkKafka(ctx, parts)
}

// adviceOnAWS is what to do about settings of AWS that cannot be read.
func adviceOnAWS(err error) string {
	if usage.Is(err) {
		return "mend this setting, or take it away"
	}
	return "give --profile or --region, as for the AWS CLI"
}
