// Package wiring puts the parts together: configuration, SDK clients, adapters,
// rules. The two functions and the command line start from here, so that they
// run the same thing.
package wiring

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/bifrost-archive/bifrost/internal/awsmeter"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/capture"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/kafka"
	"github.com/bifrost-archive/bifrost/internal/lambdadispatch"
	"github.com/bifrost-archive/bifrost/internal/metrics"
	"github.com/bifrost-archive/bifrost/internal/s3store"
	"github.com/bifrost-archive/bifrost/internal/stepfunctions"
)

// Version is what is written into every object. A release sets it with
// -ldflags "-X".
var Version = "devel"

// Parts are the adapters of one process, ready for use.
type Parts struct {
	Config config.Config
	Kafka  *kafka.Client // nil without brokers
	Store  *s3store.Store
	Ledger *dynamoledger.Ledger
	Log    *slog.Logger

	aws        aws.Config
	metrics    metrics.Emitter
	dispatcher bifrost.Dispatcher
	meter      *awsmeter.Meter // nil when nothing is counted
}

// Used is what S3 and DynamoDB have counted so far, if the parts have a meter.
func (p *Parts) Used() awsmeter.Usage {
	if p.meter == nil {
		return awsmeter.Usage{}
	}
	return p.meter.Total()
}

// Bucket returns another bucket of the same account, which shows with its first use
// whether it is there.
func (p *Parts) Bucket(name string) *s3store.Store { return s3store.NewOther(p.aws, name) }

// OpenFromEnvironment builds the parts of a function in the role, with the configuration
// that its environment has.
func OpenFromEnvironment(role config.Role) (*Parts, error) {
	c, err := config.FromEnvironment(role)
	if err != nil {
		return nil, err
	}
	return Open(context.Background(), c)
}

// OpenMetered is OpenFromEnvironment with a meter on S3 and DynamoDB: Parts.Used.
func OpenMetered(role config.Role) (*Parts, error) {
	c, err := config.FromEnvironment(role)
	if err != nil {
		return nil, err
	}
	meter := &awsmeter.Meter{}
	parts, err := Open(context.Background(), c, func(o *awsconfig.LoadOptions) error {
		o.APIOptions = append(o.APIOptions, meter.AddTo)
		return nil
	})
	if err != nil {
		return nil, err
	}
	parts.meter = meter
	return parts, nil
}

// Open builds the parts that the configuration asks for. It opens no connection: the
// first use of each adapter does. The options override where the AWS SDK takes its
// settings from.
func Open(ctx context.Context, c config.Config, options ...func(*awsconfig.LoadOptions) error) (*Parts, error) {
	options = append([]func(*awsconfig.LoadOptions) error{awsconfig.WithHTTPClient(newHTTPClient())}, options...)
	account, err := awsconfig.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w", err)
	}
	parts := &Parts{
		Config:     c,
		Store:      s3store.New(account, c.Bucket),
		Ledger:     dynamoledger.New(account, dynamoledger.Tables{Progress: c.ProgressTable, Objects: c.ObjectsTable}),
		Log:        c.Logger(os.Stderr),
		aws:        account,
		metrics:    metrics.Emitter{Stack: c.Stack, To: os.Stdout, Now: time.Now},
		dispatcher: lambdadispatch.New(account, c.ArchiveFunction),
	}
	if len(c.Brokers) > 0 {
		if parts.Kafka, err = kafka.New(kafkaConfig(c, account)); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func kafkaConfig(c config.Config, account aws.Config) kafka.Config {
	return kafka.Config{
		Brokers:      c.Brokers,
		Rack:         c.ClientRack,
		Security:     security(c.Kafka, account),
		LargestBatch: largestBatch(),
	}
}

// answerTimeout is how long a service may take to begin its answer. Without it a
// connection that died silently holds a worker until its function is killed. S3
// begins to answer while it still puts the parts of a large upload together.
const answerTimeout = time.Minute

// newHTTPClient is the SDK's own with that timeout, and with as many connections kept
// open to one service as a tick works on partitions concurrently.
func newHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.ResponseHeaderTimeout = answerTimeout
		t.MaxIdleConnsPerHost = 2 * discoverParallel
	})
}

// Machines asks Step Functions for the executions of jobs.
func (p *Parts) Machines() stepfunctions.Client { return stepfunctions.New(p.aws) }

// Executions is how many functions the account runs at the same time, for all that it
// has not reserved.
func (p *Parts) Executions(ctx context.Context) (int, error) {
	return lambdadispatch.Executions(ctx, p.aws)
}

// Close releases what Open acquired.
func (p *Parts) Close() {
	if p.Kafka != nil {
		p.Kafka.Close()
	}
}

// discoverParallel is how many partitions a tick works on concurrently. Their work is
// mostly waiting for DynamoDB and S3.
const discoverParallel = 32

// retentionKept is how long a topic's retention is cached. Kafka looks for what it may
// delete every five minutes by default (log.retention.check.interval.ms).
const retentionKept = 5 * time.Minute

// startedTogether is how many small ranges one function is started for: half a minute of
// work, which is long compared with the time it takes to start one.
const startedTogether = 512

// Discoverer is the rule of the discover function; it starts workers through
// dispatcher, or through Lambda when that is nil.
func (p *Parts) Discoverer(dispatcher bifrost.Dispatcher) *bifrost.Discoverer {
	if dispatcher == nil {
		dispatcher = p.dispatcher
	}
	settings := p.Config.Settings()
	settings.Together = startedTogether
	return &bifrost.Discoverer{
		Cluster: p.Kafka, History: p.Kafka, Retention: bifrost.RememberRetention(p.Kafka, retentionKept, time.Now),
		Ledger: p.Ledger, Store: p.Store, Bucket: p.Store,
		Dispatcher: dispatcher, Settings: settings,
		Now: time.Now, NewGeneration: rand.Text, Parallel: discoverParallel, Log: p.Log,
		Journal: p.Ledger, By: NameTicker("a process"),
		LastSeen: new(bifrost.LastSeen), CaughtUp: new(bifrost.CaughtUp),
	}
}

// NameTicker says whose the ticks of this process are, for the records that they leave: the function's,
// or those of a command on its machine, which ticks into the tables of a stack with settings of its own.
func NameTicker(command string) string {
	if lambdacontext.FunctionName != "" {
		return "function " + lambdacontext.FunctionName
	}
	host, err := os.Hostname()
	if err != nil {
		return command
	}
	return command + " on " + host
}

// Capturer captures the cluster alongside the ticks of the discover function.
func (p *Parts) Capturer() *capture.Capturer {
	return &capture.Capturer{
		Group: p.Config.Group, Cluster: p.Kafka, Bucket: p.Store,
		Every: p.Config.CaptureEvery, Writer: "bifrost " + Version, Now: time.Now, Log: p.Log,
	}
}

// rangeLimit is how far beyond the target a range may grow before it ends early,
// as a multiple.
const rangeLimit = 2

// smallTogether is how many small ranges a worker archives in parallel: as many as it
// takes to fill a core while each of them waits for S3 and DynamoDB.
const smallTogether = 32

// renewing calls renew every bifrost.RenewEvery until stop is called. When that
// returns none is on its way: one that came behind the end of the function's work
// would say that it goes on.
func renewing(renew func()) (stop func()) {
	ticker, done, ended := time.NewTicker(bifrost.RenewEvery), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				renew()
			case <-done:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
		<-ended
	}
}

// workReserve is the least time in which a worker begins another range.
const workReserve = time.Minute

// Worker is the rule of the archive function.
func (p *Parts) Worker() *bifrost.Worker {
	format := p.Config.Format
	format.Workers = runtime.GOMAXPROCS(0) // one per core: a function's memory decides how many it has
	archiver := &bifrost.Archiver{
		Group:       p.Config.Group,
		Source:      p.Kafka,
		Store:       p.Store,
		Ledger:      p.Ledger,
		Format:      format,
		MaxRawBytes: rangeLimit * p.Config.LargestTarget(),
		Writer:      "bifrost " + Version,
		NearLoss:    p.Config.TimeToLoss,
		Now:         time.Now,
		Retention:   p.Kafka,
	}
	return &bifrost.Worker{
		Archiver: archiver, Ledger: p.Ledger, Lease: p.Config.Lease(), Reserve: workReserve, Together: smallTogether,
		Now: time.Now, NewID: rand.Text, Renewing: renewing, Processor: cpuTime,
	}
}

// Deadline is when work has to be finished: the context's deadline, less the time that
// finishing takes. Zero when there is none.
func Deadline(ctx context.Context) time.Time {
	deadline, ok := ctx.Deadline()
	if !ok {
		return time.Time{}
	}
	const most = 30 * time.Second
	return deadline.Add(-min(most, time.Until(deadline)/5))
}
