// The environment variables that there are.

package config

import (
	"errors"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Variable is one environment variable. docs/configuration.md has a row for
// each; a test compares the two.
type Variable struct {
	Name    string
	Meaning string
	Unit    string // empty for text
	Default string // empty: none
	Allowed string // what a value may be, for people

	required bool
	role     Role // the first role that requires it
	read     func(value string, into *Config) error
}

// Variables are all variables that Bifrost reads, in the order of the docs.
var Variables = []Variable{
	{
		Name:     "BIFROST_BROKERS",
		Meaning:  "brokers to ask for the cluster first",
		Allowed:  "host:port, several with commas between them",
		required: true,
		role:     Archiver,
		read:     readBrokers,
	},
	{
		Name:    "BIFROST_SECURITY_PROTOCOL",
		Meaning: "how to connect to the brokers, in Kafka's own words",
		Default: "PLAINTEXT",
		Allowed: "`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`",
		read:    readSecurityProtocol,
	},
	{
		Name:    "BIFROST_SASL_MECHANISM",
		Meaning: "how to authenticate, with `SASL_SSL` or `SASL_PLAINTEXT`",
		Allowed: "`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`, `OAUTHBEARER` or `AWS_MSK_IAM`",
		read:    readMechanism,
	},
	{
		Name:    "BIFROST_KAFKA_SECRET",
		Meaning: "where the credentials and certificates for Kafka are; never the credentials themselves",
		Allowed: "ARN of a secret in AWS Secrets Manager; `file:` and a path for local runs",
		read:    readSecret,
	},
	{
		Name: "BIFROST_CLIENT_RACK",
		Meaning: "zone of the functions, as `broker.rack` spells it; " +
			"they read from a replica there (KIP-392); empty: from the leaders",
		Allowed: "any text",
		read:    text(func(c *Config) *string { return &c.ClientRack }),
	},
	{
		Name:     "BIFROST_GROUP",
		Meaning:  "first element of every key in the bucket",
		Allowed:  "letters, digits, `.`, `_`, `-`; at most 100, the first a letter or digit",
		required: true,
		read:     readGroup,
	},
	{Name: "BIFROST_BUCKET", Meaning: "bucket that holds the archive", Allowed: "the name of a bucket",
		required: true, read: text(func(c *Config) *string { return &c.Bucket })},
	{Name: "BIFROST_PROGRESS_TABLE", Meaning: "table with one row per partition", Allowed: "the name of a table",
		required: true, read: text(func(c *Config) *string { return &c.ProgressTable })},
	{Name: "BIFROST_OBJECTS_TABLE", Meaning: "table with one row per range", Allowed: "the name of a table",
		required: true, read: text(func(c *Config) *string { return &c.ObjectsTable })},
	{
		Name:     "BIFROST_ARCHIVE_FUNCTION",
		Meaning:  "function that discover starts for a range",
		Allowed:  "a function's name or ARN",
		required: true,
		role:     Discoverer,
		read:     text(func(c *Config) *string { return &c.ArchiveFunction }),
	},
	{
		Name:    "BIFROST_INCLUDE_TOPICS",
		Meaning: "topics to archive; those that Kafka flags internal never are",
		Default: "*",
		Allowed: "globs with commas between them",
		read:    readGlobs(func(c *Config) *[]string { return &c.Topics.Include }),
	},
	{
		Name: "BIFROST_EXCLUDE_TOPICS",
		Meaning: "topics to leave out; wins over the ones to archive. Where `bifrost replay` keeps its positions is " +
			"left out unless `BIFROST_INCLUDE_TOPICS` has it by its whole name",
		Allowed: "globs with commas between them",
		read:    readGlobs(func(c *Config) *[]string { return &c.Topics.Exclude }),
	},
	{
		Name:    "BIFROST_START",
		Meaning: "where a partition begins that was never seen before; what lies below is recorded as a gap",
		Default: "earliest",
		Allowed: "`earliest`, `latest` or a time as in RFC 3339",
		read:    readStart,
	},
	{
		Name:    "BIFROST_TARGET_BYTES",
		Meaning: "raw bytes of records that an object aims at",
		Unit:    "bytes",
		Default: "134217728",
		Allowed: "1048576 to 5368709120",
		read:    readTargetBytes,
	},
	{
		Name:    "BIFROST_MAX_AGE_SECONDS",
		Meaning: "how long records below the target may wait for their object; 0 archives all there is on every tick",
		Unit:    "seconds",
		Default: "900",
		Allowed: "0 to 86400",
		read:    readMaxAge,
	},
	{
		Name: "BIFROST_QUIET_MAX_AGE_SECONDS",
		Meaning: "how long less than a megabyte of records may wait for its object, " +
			"never longer than a quarter of the time that Kafka still keeps it; 0: as the maximum age",
		Unit:    "seconds",
		Default: "7200",
		Allowed: "0 to 86400",
		read:    number(0, 86400, func(c *Config, n int64) { c.QuietMaxAge = time.Duration(n) * time.Second }),
	},
	{
		Name:    "BIFROST_TOPIC_OVERRIDES",
		Meaning: "another target or age for some topics; the first glob that matches counts",
		Allowed: "`glob:target_bytes=n,max_age_seconds=n`, one setting or both, several with semicolons between them",
		read:    readOverrides,
	},
	{
		Name:    "BIFROST_MAX_IN_FLIGHT",
		Meaning: "functions that are at work at the same time",
		Unit:    "functions",
		Default: "8",
		Allowed: "1 to 1000",
		read:    number(1, 1000, func(c *Config, n int64) { c.MaxInFlight = int(n) }),
	},
	{
		Name:    "BIFROST_ARCHIVE_TIMEOUT_SECONDS",
		Meaning: "time limit of the archive function",
		Unit:    "seconds",
		Default: "900",
		Allowed: "10 to 900",
		read:    number(10, 900, func(c *Config, n int64) { c.ArchiveTimeout = time.Duration(n) * time.Second }),
	},
	{
		Name: "BIFROST_TIME_TO_LOSS_SECONDS",
		Meaning: "a record is near to loss when Kafka may delete it sooner; " +
			"what was read of a range is then archived even if the rest cannot be read, however little it is",
		Unit:    "seconds",
		Default: "21600",
		Allowed: "60 to 2592000",
		read:    number(60, 2592000, func(c *Config, n int64) { c.TimeToLoss = time.Duration(n) * time.Second }),
	},
	{
		Name: "BIFROST_FENCE_PAUSE_SECONDS",
		Meaning: "how long a partition whose progress row was lost waits for uploads that S3 may still be " +
			"completing; longer than S3 takes for one",
		Unit:    "seconds",
		Default: "900",
		Allowed: "0 to 86400",
		read:    number(0, 86400, func(c *Config, n int64) { c.FencePause = time.Duration(n) * time.Second }),
	},
	{
		Name: "BIFROST_FORMAT",
		Meaning: "what an object keeps: `full` records; `values` only; `single`, values in one gzip member, " +
			"for readers that stop after the first",
		Default: "full",
		Allowed: "`full`, `values` or `single`",
		read:    readFormat,
	},
	{
		Name:    "BIFROST_COMPRESSION_LEVEL",
		Meaning: "level of gzip, from fast to small",
		Default: strconv.Itoa(baldr.DefaultLevel),
		Allowed: "1 to 9",
		read:    number(1, 9, func(c *Config, n int64) { c.Format.Level = int(n) }),
	},
	{
		Name: "BIFROST_CAPTURE_MINUTES",
		Meaning: "how often discover captures topics, settings, " +
			"ACLs and the positions of groups (`docs/capture.md`); 0: never",
		Unit:    "minutes",
		Default: "15",
		Allowed: "0 to 1440",
		read:    number(0, 1440, func(c *Config, n int64) { c.CaptureEvery = time.Duration(n) * time.Minute }),
	},
	{
		Name:    "BIFROST_LOG_LEVEL",
		Meaning: "the least important log line that is written",
		Default: "info",
		Allowed: "`info`, `warn` or `error`",
		read:    readLogLevel,
	},
	{
		Name:    "BIFROST_EXPIRATION_DAYS",
		Meaning: "days after which the bucket deletes objects, so that `bifrost verify` does not miss them; 0: never",
		Unit:    "days",
		Default: "0",
		Allowed: "0 to 36500",
		read:    number(0, 36500, func(c *Config, n int64) { c.Expiration = time.Duration(n) * 24 * time.Hour }),
	},
	{
		Name: "BIFROST_STALLED_SECONDS",
		Meaning: "how long ago a tick may have looked at a partition, for `bifrost status` to call it healthy; " +
			"the stack's `StalledSeconds`",
		Unit:    "seconds",
		Default: "2700",
		Allowed: "`900`, `1800`, `2700`, `3600`, `7200`, `14400`, `43200` or `86400`",
		read:    readStalled,
	},
	{
		Name:    "BIFROST_STACK",
		Meaning: "name of the stack, by which its metrics are told from those of others",
		Default: "bifrost",
		Allowed: "any text",
		read:    text(func(c *Config) *string { return &c.Stack }),
	},
}

var (
	readTargetBytes = number(1<<20, 5<<30, func(c *Config, n int64) { c.TargetBytes = n })
	readMaxAge      = number(0, 86400, func(c *Config, n int64) { c.MaxAge = time.Duration(n) * time.Second })
)

func text(field func(*Config) *string) func(string, *Config) error {
	return func(value string, c *Config) error {
		*field(c) = value
		return nil
	}
}

func number(least, most int64, set func(*Config, int64)) func(string, *Config) error {
	return func(value string, c *Config) error {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return errors.New("not a whole number")
		}
		if n < least || n > most {
			return errors.New("out of bounds")
		}
		set(c, n)
		return nil
	}
}

var groupPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func readGroup(value string, c *Config) error {
	if !groupPattern.MatchString(value) {
		return errors.New("not a path element")
	}
	c.Group = value
	return nil
}

func readGlobs(field func(*Config) *[]string) func(string, *Config) error {
	return func(value string, c *Config) error {
		for glob := range strings.SplitSeq(value, ",") {
			*field(c) = append(*field(c), strings.TrimSpace(glob))
		}
		_, err := bifrost.NewTopicFilter(*field(c), nil)
		return err
	}
}

func readStart(value string, c *Config) error {
	switch value {
	case "earliest":
		return nil
	case "latest":
		c.Start.Latest = true
		return nil
	}
	at, err := time.Parse(time.RFC3339, value)
	c.Start.At = at
	return err
}

func readFormat(value string, c *Config) error {
	switch value {
	case "full":
	case "values":
		c.Format.ValuesOnly = true
	case "single":
		c.Format.SingleMember = true
	default:
		return errors.New("unknown")
	}
	return nil
}

// readStalled takes the periods that an alarm of CloudWatch can have.
func readStalled(value string, c *Config) error {
	periods := map[string]time.Duration{
		"900": 15 * time.Minute, "1800": 30 * time.Minute, "2700": 45 * time.Minute, "3600": time.Hour,
		"7200": 2 * time.Hour, "14400": 4 * time.Hour, "43200": 12 * time.Hour, "86400": 24 * time.Hour,
	}
	period, ok := periods[value]
	if !ok {
		return errors.New("no period of an alarm")
	}
	c.Stalled = period
	return nil
}

func readLogLevel(value string, c *Config) error {
	switch value {
	case "info", "warn", "error":
		return c.LogLevel.UnmarshalText([]byte(value))
	}
	return errors.New("unknown")
}

// Logger writes JSON lines to where the runtime collects them. The keys are the
// same everywhere: topic, partition, start_offset, end_offset, object, attempt.
func (c Config) Logger(to interface{ Write([]byte) (int, error) }) *slog.Logger {
	return slog.New(slog.NewJSONHandler(to, &slog.HandlerOptions{Level: c.LogLevel}))
}
