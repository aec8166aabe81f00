// Command job is the function that does the steps of jobs: replays, restores, deep
// verifications and exports that are cut into items. The state machine of infra/jobs.yaml calls it
// with a job.Event (events/job-*.json); it answers a job.Planned, a job.Answer or a
// job.Report.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"runtime"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/export"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

func open() (*wiring.Parts, error) { return wiring.OpenMetered(config.Archiver) }

func handle(ctx context.Context, open func() (*wiring.Parts, error), event json.RawMessage) (any, error) {
	e, err := job.ParseEvent(event)
	if err != nil {
		return nil, err
	}
	parts, err := open()
	if err != nil {
		return nil, err
	}
	return runner(parts).Do(ctx, e, wiring.Deadline(ctx))
}

func runner(parts *wiring.Parts) *job.Runner {
	return &job.Runner{
		Files:      job.Files{Group: parts.Config.Group, Bucket: parts.Store},
		BucketName: parts.Config.Bucket, Tables: parts.Ledger,
		Connect: func(ctx context.Context, to *job.Target) ([]kgo.Opt, error) {
			return connect(ctx, parts, to)
		},
		Place: func(bucket, prefix string) export.Place {
			return export.InBucket(parts.Bucket(bucket), bucket, prefix)
		},
		Executions: parts.Executions, MaxInFlight: parts.Config.MaxInFlight, Expiration: parts.Config.Expiration,
		Requests: func() job.Requests {
			used := parts.Used()
			return job.Requests{Puts: used.Puts, Gets: used.Gets, ReadUnits: used.ReadUnits}
		},
		Cores: runtime.GOMAXPROCS(0), Memory: config.FunctionMemory(), Now: time.Now, NewID: rand.Text,
	}
}

// connect gets into the cluster that is written into, as the command would with the
// flags of the same names.
func connect(ctx context.Context, parts *wiring.Parts, to *job.Target) ([]kgo.Opt, error) {
	request, own := config.TargetRequest{}, map[string]string{}
	if to != nil {
		request = config.TargetRequest{Brokers: to.Brokers, SameSecurity: to.SameSecurity}
		own = map[string]string{
			"BIFROST_TO_SECURITY_PROTOCOL": to.SecurityProtocol,
			"BIFROST_TO_SASL_MECHANISM":    to.SaslMechanism,
			"BIFROST_TO_SECRET":            to.Secret,
		}
	}
	target, err := config.LoadTarget(parts.Config, request,
		func(variable string) (string, bool) { return own[variable], true })
	if err != nil {
		return nil, err
	}
	options, _, err := parts.Connect(ctx, target)
	return options, err
}

func main() {
	wiring.LimitMemory()
	kept := wiring.OpenOnce(open)
	lambda.Start(func(ctx context.Context, event json.RawMessage) (any, error) {
		return handle(ctx, kept, event)
	})
}
