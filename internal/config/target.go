// The settings of a cluster that is written into.

package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Target is a cluster that is written into: the archived one, or another.
type Target struct {
	Brokers []string // host:port
	Kafka   Kafka    // how to get in there
	// Names are what its settings are called, for advice in errors.
	Names SettingNames
	// Withheld says that the archived cluster has credentials which another cluster,
	// this one, is not given.
	Withheld bool
}

// TargetRequest is what was asked for about the cluster to write into. Everything
// that writes into Kafka takes it: replay, and whatever brings a cluster back.
type TargetRequest struct {
	Brokers string // as text, host:port with commas between; empty for the archived cluster
	// SameSecurity gives the credentials of the archived cluster to these brokers.
	// Without it they get their own, or none: even SCRAM, which tells no password,
	// lets whoever takes the login guess it at leisure.
	SameSecurity bool
}

// TargetVariables are how to get into another cluster that is written into. Nobody
// but the command line reads them, and each is also a flag.
var TargetVariables = []Variable{
	{
		Name:    "BIFROST_TO_SECURITY_PROTOCOL",
		Meaning: "how to connect to the brokers of `--to-brokers`",
		Default: "PLAINTEXT",
		Allowed: "`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`",
		read:    readSecurityProtocol,
	},
	{
		Name:    "BIFROST_TO_SASL_MECHANISM",
		Meaning: "how to authenticate there",
		Allowed: "`PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512`, `OAUTHBEARER` or `AWS_MSK_IAM`",
		read:    readMechanism,
	},
	{
		Name:    "BIFROST_TO_SECRET",
		Meaning: "where the credentials and certificates for it are",
		Allowed: "ARN of a secret in AWS Secrets Manager; `file:` and a path",
		read:    readSecret,
	},
}

// LoadTarget decides where to write and as whom. The source is the configuration
// of the archived cluster; lookup has the form of os.LookupEnv.
func LoadTarget(source Config, request TargetRequest, lookup func(string) (string, bool)) (Target, error) {
	if strings.TrimSpace(request.Brokers) == "" {
		return Target{Brokers: source.Brokers, Kafka: source.Kafka, Names: SourceSettings}, nil
	}
	brokers, err := ParseBrokers(request.Brokers)
	if err != nil {
		return Target{}, fmt.Errorf("--to-brokers %q: %w", request.Brokers, err)
	}
	if request.SameSecurity {
		return Target{Brokers: brokers, Kafka: source.Kafka, Names: SourceSettings}, nil
	}
	var own Config
	var wrong []error
	asked := false
	for _, v := range TargetVariables {
		value, _ := lookup(v.Name)
		if value = strings.TrimSpace(value); value == "" {
			continue
		}
		asked = true
		if err := v.read(value, &own); err != nil {
			wrong = append(wrong, wrongValue(v, value, err))
		}
	}
	if !asked && !slices.ContainsFunc(brokers, func(b string) bool { return !slices.Contains(source.Brokers, b) }) {
		return Target{Brokers: brokers, Kafka: source.Kafka, Names: SourceSettings}, nil // the same addresses
	}
	wrong = append(wrong, own.Kafka.fits(TargetSettings))
	if err := errors.Join(wrong...); err != nil {
		return Target{}, fmt.Errorf("the target cluster: %w", err)
	}
	return Target{
		Brokers:  brokers,
		Kafka:    own.Kafka,
		Names:    TargetSettings,
		Withheld: source.Kafka != Kafka{} && own.Kafka == Kafka{},
	}, nil
}
