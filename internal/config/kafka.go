// The settings by which to get into a cluster.

package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Kafka is how to get into the cluster.
type Kafka struct {
	TLS       bool
	SASL      bool
	Mechanism string // of SASL; empty without
	Secret    string // ARN in AWS Secrets Manager, or file: and a path; empty for none
}

// File returns the path of the file that holds the credentials in a local run;
// empty if they are in AWS Secrets Manager, or nowhere.
func (k Kafka) File() string {
	path, ok := strings.CutPrefix(k.Secret, filePrefix)
	if !ok {
		return ""
	}
	return path
}

const filePrefix = "file:"

// InTheClear reports whether the network between can read the credentials. Of
// SCRAM it cannot.
func (k Kafka) InTheClear() bool {
	return k.SASL && !k.TLS && !strings.HasPrefix(k.Mechanism, "SCRAM-")
}

// awsIAM is the mechanism whose credentials are those of the function's role.
const awsIAM = "AWS_MSK_IAM"

// SettingNames are what the operator calls the settings of one cluster, for advice
// in errors.
type SettingNames struct{ Protocol, Mechanism, Secret string }

// SourceSettings are those of the archived cluster, TargetSettings those of
// another one that is written into.
var (
	SourceSettings = SettingNames{"BIFROST_SECURITY_PROTOCOL", "BIFROST_SASL_MECHANISM", "BIFROST_KAFKA_SECRET"}
	TargetSettings = SettingNames{"--to-security-protocol", "--to-sasl-mechanism", "--to-secret"}
)

// fits makes sure that the settings go together, and says which one to change.
func (k Kafka) fits(names SettingNames) error {
	switch {
	case k.SASL && k.Mechanism == "":
		return fmt.Errorf("%s asks for SASL, but %s is not set: set it to what the brokers' listener offers",
			names.Protocol, names.Mechanism)
	case !k.SASL && k.Mechanism != "":
		return fmt.Errorf("%s is %s, but %s asks for no SASL: "+
			"set it to SASL_SSL (SASL_PLAINTEXT sends credentials for the network to read)", names.Mechanism,
			k.Mechanism, names.Protocol)
	case k.Mechanism == awsIAM && !k.TLS:
		return fmt.Errorf("%s is AWS_MSK_IAM, but %s has no TLS: set it to SASL_SSL, which Amazon MSK requires",
			names.Mechanism, names.Protocol)
	case k.SASL && k.Mechanism != awsIAM && k.Secret == "":
		return fmt.Errorf("%s is %s, but %s is not set: set it to the ARN of the secret with the credentials",
			names.Mechanism, k.Mechanism, names.Secret)
	case k.Secret != "" && !k.TLS && !k.SASL:
		return fmt.Errorf("%s is set, but %s is PLAINTEXT, which uses none: set it to SSL or SASL_SSL",
			names.Secret, names.Protocol)
	}
	return nil
}

func readSecurityProtocol(value string, c *Config) error {
	switch value {
	case "PLAINTEXT":
	case "SSL":
		c.Kafka.TLS = true
	case "SASL_PLAINTEXT":
		c.Kafka.SASL = true
	case "SASL_SSL":
		c.Kafka.TLS, c.Kafka.SASL = true, true
	default:
		return errors.New("unknown")
	}
	return nil
}

var mechanisms = []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", awsIAM}

func readMechanism(value string, c *Config) error {
	if !slices.Contains(mechanisms, value) {
		return errors.New("unknown")
	}
	c.Kafka.Mechanism = value
	return nil
}

var secretPattern = regexp.MustCompile(`^(arn:aws[a-z-]*:secretsmanager:[^:]+:[0-9]{12}:secret:[^:]+|file:.+)$`)

// errNotASecret does without the value: it may be what should have been kept in
// the secret.
var errNotASecret = errors.New("neither an ARN nor a file")

func readSecret(value string, c *Config) error {
	if !secretPattern.MatchString(value) {
		return errNotASecret
	}
	c.Kafka.Secret = value
	return nil
}
