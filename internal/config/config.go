// Package config is the only reader of the environment. It turns variables into
// one checked Config before any work is done: every wrong value is named, with
// what is allowed, in one error.
package config

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Config is what an operator has chosen, checked.
type Config struct {
	Brokers []string // host:port, where to ask for the cluster first
	Kafka   Kafka    // how to get in there
	// where the functions run, as brokers spell it (client.rack, KIP-392); empty reads from leaders
	ClientRack      string
	Group           string // first element of every key
	Bucket          string
	ProgressTable   string
	ObjectsTable    string
	ArchiveFunction string // name or ARN; discover only
	Topics          bifrost.TopicFilter
	Start           bifrost.StartPosition
	TargetBytes     int64         // raw bytes an object aims at
	MaxAge          time.Duration // how long records below the target may wait
	QuietMaxAge     time.Duration // how long a tail of at most bifrost.SmallRange may wait; 0: as MaxAge
	FencePause      time.Duration // how long a partition made anew waits for uploads that are completing
	Overrides       []Override    // of both, for some topics
	MaxInFlight     int           // functions at work at the same time
	ArchiveTimeout  time.Duration // time limit of the archive function
	// below it a record is near to loss: there is an alarm, and nothing that was read waits
	TimeToLoss   time.Duration
	Format       baldr.Options
	LogLevel     slog.Level
	CaptureEvery time.Duration // time between two captures of the cluster; 0 makes none
	Expiration   time.Duration // age at which the bucket deletes objects; 0 never
	Stack        string        // dimension of the metrics
	Stalled      time.Duration // how long ago the last look of a tick may be
}

// Role says which variables have to be set.
type Role int

const (
	// Reader is whoever reads the archive and its tables.
	Reader Role = iota
	// Archiver is the archive function, and whoever does its work.
	Archiver
	// Discoverer is the discover function.
	Discoverer
)

// FromEnvironment reads the variables of this process.
func FromEnvironment(role Role) (Config, error) { return Load(role, os.LookupEnv) }

// Load reads the variables through lookup, which has the form of os.LookupEnv.
// An empty value counts as not set.
func Load(role Role, lookup func(string) (string, bool)) (Config, error) {
	var config Config
	var wrong []error
	for _, v := range Variables {
		value, _ := lookup(v.Name)
		if value = strings.TrimSpace(value); value == "" {
			value = v.Default
		}
		if value == "" {
			if v.required && role >= v.role {
				wrong = append(wrong, fmt.Errorf("%s is not set: %s (%s)", v.Name, v.Meaning, v.Allowed))
			}
			continue
		}
		if err := v.read(value, &config); err != nil {
			wrong = append(wrong, wrongValue(v, value, err))
		}
	}
	wrong = append(wrong, config.Kafka.fits(SourceSettings))
	if err := errors.Join(wrong...); err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	return config, nil
}

func wrongValue(v Variable, value string, err error) error {
	if errors.Is(err, errNotASecret) {
		value = "…"
	}
	return fmt.Errorf("%s is %q: %w; allowed: %s", v.Name, value, err, v.Allowed)
}

// FunctionMemory is the memory of the Lambda function that this process runs in, in
// bytes; 0 outside of Lambda (AWS Lambda Developer Guide, "Defined runtime
// environment variables").
func FunctionMemory() int64 {
	megabytes, err := strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 64)
	if err != nil {
		return 0
	}
	return megabytes << 20
}

// leaseMargin is how much longer than the function's time limit a range is left
// alone: an asynchronous event may wait a little before it is delivered.
const leaseMargin = time.Minute

// Settings are the part of the configuration that the rules take.
func (c Config) Settings() bifrost.Settings {
	return bifrost.Settings{
		Group: c.Group, Topics: c.Topics, Start: c.Start,
		Sizing:      c.sizing(),
		Overrides:   c.overrides(),
		MaxInFlight: c.MaxInFlight, Lease: c.Lease(), FencePause: c.FencePause,
	}
}

// Lease is how long a dispatched range is left alone.
func (c Config) Lease() time.Duration { return c.ArchiveTimeout + leaseMargin }
