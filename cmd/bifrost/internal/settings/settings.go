// Package settings is the flags that several commands share: where the archive is, which
// cluster is written into, which part of a topic a command is about.
package settings

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/spf13/pflag"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/dynamoledger"
	"github.com/bifrost-archive/bifrost/internal/health"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/s3store"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// Settings say where the archive is. A flag wins over the environment variable
// that it stands for; the variables are those of the deployed functions and of
// .local/env.
type Settings struct {
	flags   *pflag.FlagSet
	profile string
	region  string
	values  map[string]string // by variable, over the environment
}

// environment is every flag that stands for a variable of the functions.
var environment = []struct{ flag, variable, usage string }{
	{"brokers", "BIFROST_BROKERS", "Kafka brokers, host:port with commas between"},
	{"bucket", "BIFROST_BUCKET", "bucket of the archive"},
	{"group", "BIFROST_GROUP", "first element of every key in the bucket"},
	{"progress-table", "BIFROST_PROGRESS_TABLE", "DynamoDB table with one row per partition"},
	{"objects-table", "BIFROST_OBJECTS_TABLE", "DynamoDB table with one row per range"},
	{"job-machine", JobMachine, "ARN of the state machine of jobs, the stack's output JobMachine"},
	{"endpoint-url", "AWS_ENDPOINT_URL", "another address of AWS, such as a local one"},
}

// JobMachine is the variable that says which state machine runs jobs.
const JobMachine = "BIFROST_JOB_MACHINE"

// NewSettings returns settings without flags; AddFlags adds them.
func NewSettings() *Settings { return &Settings{values: map[string]string{}} }

// AddFlags adds the flags of all commands.
func (s *Settings) AddFlags(flags *pflag.FlagSet) {
	s.flags = flags
	for _, e := range environment {
		flags.String(e.flag, "", e.usage+" ($"+e.variable+")")
	}
	flags.StringVar(&s.profile, "profile", "", "AWS profile, as in the AWS CLI ($AWS_PROFILE)")
	flags.StringVar(&s.region, "region", "", "AWS region, as in the AWS CLI ($AWS_REGION)")
}

// LookupVariable reads a variable: what a command has set, the flag that stands for it,
// or the environment. It has the form of os.LookupEnv.
func (s *Settings) LookupVariable(variable string) (string, bool) {
	if value, ok := s.values[variable]; ok {
		return value, true
	}
	for _, e := range environment {
		if e.variable == variable && s.flags.Changed(e.flag) {
			value, err := s.flags.GetString(e.flag)
			return value, err == nil
		}
	}
	return os.LookupEnv(variable)
}

// SetVariable gives a variable a value that goes over flag and environment.
func (s *Settings) SetVariable(variable, value string) { s.values[variable] = value }

// HowToSet says where the variables come from.
const HowToSet = `eval "$(bifrost env --stack NAME)" sets those of a deployed stack, and . .local/env those of make up; ` +
	"flags go over both (bifrost help)"

// HowToMake says what makes a table or a bucket that is not there.
const HowToMake = "if the name is right, bifrost init makes what is not there (docs/standalone.md)"

// loadConfig checks all settings that the role needs.
func (s *Settings) loadConfig(role config.Role) (config.Config, error) {
	c, err := config.Load(role, s.LookupVariable)
	if err != nil {
		return c, usage.Errorf("%w\n%s", err, HowToSet)
	}
	return c, nil
}

// AWSOptions is where the AWS SDK takes its settings from, with the flags over them.
func (s *Settings) AWSOptions() []func(*awsconfig.LoadOptions) error {
	// What the SDK writes by itself is not for people: an error that matters is returned.
	options := []func(*awsconfig.LoadOptions) error{awsconfig.WithLogger(logging.Nop{})}
	if s.profile != "" {
		options = append(options, awsconfig.WithSharedConfigProfile(s.profile))
	}
	if s.region != "" {
		options = append(options, awsconfig.WithRegion(s.region))
	}
	// The variable is the SDK's own: it knows others that go over it.
	if url, err := s.flags.GetString("endpoint-url"); err == nil && url != "" {
		options = append(options, awsconfig.WithBaseEndpoint(url))
	}
	return options
}

// OpenParts makes the parts that a command works with. The first use of each connects,
// so that a command which reads tables needs no Kafka.
// Group, tables and bucket that are not there, or belong to different archives, are refused
// as wrong settings.
func (s *Settings) OpenParts(ctx context.Context, role config.Role) (*wiring.Parts, error) {
	parts, err := s.OpenUnchecked(ctx, role)
	if err != nil {
		return nil, err
	}
	compare := func(ctx context.Context) error { return checkBelonging(ctx, parts) }
	if err := askInTime(ctx, parts, compare); err != nil {
		parts.Close()
		return nil, err
	}
	return parts, nil
}

// whereAWSIs are the settings that decide where AWS is asked.
const whereAWSIs = "look at AWS_REGION (--region), at AWS_ENDPOINT_URL (--endpoint-url), and at the network"

// answerPatience is how long AWS may take to answer the few first requests of a command: those that come
// after it are repeated for minutes. It is a variable because a test makes it short.
var answerPatience = 30 * time.Second

// AwaitAWS fails where there are no credentials, or where DynamoDB or S3 does not answer in time. What they
// answer is of no interest.
func AwaitAWS(ctx context.Context, parts *wiring.Parts) error {
	list := func(ctx context.Context) error {
		_, err := parts.Store.List(ctx, parts.Config.Group+"/", "", 1)
		return err
	}
	return askInTime(ctx, parts, func(ctx context.Context) error {
		for _, ask := range []func(context.Context) error{parts.Ledger.CheckProgressTable, list} {
			if err := ask(ctx); silenceOf(err) != "" {
				return explainSilence(err)
			}
		}
		return nil
	})
}

// askInTime asks AWS for no longer than its patience, once there are credentials: those may take a person's time.
func askInTime(ctx context.Context, parts *wiring.Parts, ask func(context.Context) error) error {
	if err := parts.CheckCredentials(ctx); err != nil {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	err := ask(asking)
	if asking.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("AWS has not answered within %s: %s between (VPC endpoints, proxies)", answerPatience,
			whereAWSIs)
	}
	return err
}

// checkBelonging compares settings and archive.
func checkBelonging(ctx context.Context, parts *wiring.Parts) error {
	if err := checkTables(ctx, parts.Ledger); err != nil {
		return err
	}
	if err := Belonging(parts).CheckGroup(ctx); err != nil {
		if isWrongSetting(err) {
			return refuseSetting(err)
		}
		return explainSilence(err)
	}
	// A bucket that cannot be asked is no proof: what needs it says so, and the tables can be
	// read without it.
	if err := CheckBucket(ctx, parts); usage.Is(err) {
		return err
	}
	return nil
}

// checkTables refuses names of tables that lead nowhere, or to the other table. Credentials that
// may not read a row prove nothing: what needs to read one says so.
func checkTables(ctx context.Context, ledger *dynamoledger.Ledger) error {
	for _, check := range []func(context.Context) error{ledger.CheckProgressTable, ledger.CheckObjectsTable} {
		err := check(ctx)
		if isWrongSetting(err) {
			return refuseSetting(err)
		}
		if _, silent := errors.AsType[*smithyhttp.RequestSendError](err); silent {
			return explainSilence(err)
		}
	}
	return nil
}

// isWrongSetting reports whether a name leads nowhere, or to another archive.
func isWrongSetting(err error) bool {
	return errors.Is(err, health.ErrOtherArchive) || errors.Is(err, s3store.ErrNoBucket) ||
		errors.Is(err, dynamoledger.ErrNoTable) || errors.Is(err, dynamoledger.ErrOtherTable)
}

// refuseSetting makes a wrong setting a wrong usage, with what to do about it.
func refuseSetting(err error) error {
	if errors.Is(err, dynamoledger.ErrNoTable) {
		err = fmt.Errorf("%w; %s", err, HowToMake)
	}
	return usage.Of(err)
}

// explainSilence says which settings decide where AWS is, if nothing answers there.
func explainSilence(err error) error {
	if why := silenceOf(err); why != "" {
		return fmt.Errorf("%w; %s", err, why)
	}
	return err
}

// silenceOf says why nothing that is known to be AWS has answered; empty if something has.
func silenceOf(err error) string {
	if _, unknown := errors.AsType[*tls.CertificateVerificationError](err); unknown {
		return "what answers there is not known to be AWS: look at AWS_ENDPOINT_URL (--endpoint-url), and give the " +
			"certificate of its authority in AWS_CA_BUNDLE (make up writes it to .local/env)"
	}
	if _, silent := errors.AsType[*smithyhttp.RequestSendError](err); silent && !areMissing(err) {
		return "nothing answers for AWS there: " + whereAWSIs
	}
	return ""
}

// Belonging compares the settings of the parts with what tables and bucket know.
func Belonging(parts *wiring.Parts) health.Belonging {
	return health.Belonging{Group: parts.Config.Group, BucketName: parts.Config.Bucket, Tables: parts.Ledger,
		Bucket: parts.Store}
}

// CheckBucket is what OpenParts looks for in the bucket, for what calls objects missing, or
// changes the tables: a bucket that cannot be asked is refused too.
func CheckBucket(ctx context.Context, parts *wiring.Parts) error {
	err := Belonging(parts).CheckBucket(ctx)
	if isWrongSetting(err) {
		err = refuseSetting(err)
	}
	return err
}

// OpenUnchecked is OpenParts for what works before there is an archive, or looks at the
// settings itself.
func (s *Settings) OpenUnchecked(ctx context.Context, role config.Role) (*wiring.Parts, error) {
	c, err := s.loadConfig(role)
	if err != nil {
		return nil, err
	}
	if err := s.checkEndpoint(); err != nil {
		return nil, err
	}
	parts, err := wiring.Open(ctx, c, s.AWSOptions()...)
	if file, _ := s.LookupVariable("AWS_CA_BUNDLE"); file != "" && errors.Is(err, fs.ErrNotExist) {
		err = usage.Errorf("%w; AWS_CA_BUNDLE names a file that is not there: if it was that of make up, the stack was "+
			"stopped, and . .local/env takes its settings away", err)
	}
	return parts, err
}

// checkEndpoint refuses an address that no request can be sent to.
func (s *Settings) checkEndpoint() error {
	address, _ := s.LookupVariable("AWS_ENDPOINT_URL")
	if address == "" {
		return nil
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.Scheme != "http" && parsed.Scheme != "https" {
		return usage.Errorf("AWS_ENDPOINT_URL (--endpoint-url) is %q: want an address such as http://127.0.0.1:4566",
			address)
	}
	return nil
}

// NewReader reads the archive on the given number of cores.
func NewReader(parts *wiring.Parts, workers int) *readback.Reader {
	return &readback.Reader{Catalogue: parts.Ledger, Objects: parts.Store, Workers: workers}
}
