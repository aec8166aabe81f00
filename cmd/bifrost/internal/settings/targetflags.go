// The flags of the cluster that is written into.

package settings

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/job"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// TargetFlags say which cluster a command writes into and how it gets in there.
type TargetFlags struct {
	config.TargetRequest
	variables map[string]string // by variable: the settings of that cluster
}

// targetOptions are the flags that stand for a variable of their own.
var targetOptions = []struct{ flag, variable, usage string }{
	{"to-security-protocol", "BIFROST_TO_SECURITY_PROTOCOL",
		"how to connect to --to-brokers: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"},
	{"to-sasl-mechanism", "BIFROST_TO_SASL_MECHANISM",
		"how to authenticate there: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM"},
	{"to-secret", "BIFROST_TO_SECRET", "where the credentials and certificates for it are: an ARN, or file:/path"},
}

// AddTo adds --to-brokers and the other flags of a target.
func (f *TargetFlags) AddTo(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.Brokers, "to-brokers", "", "brokers of the target cluster; the archived one if not given")
	flags.BoolVar(&f.SameSecurity, "to-same-security", false,
		"get into --to-brokers with the credentials of the archived cluster")
	for _, o := range targetOptions {
		flags.String(o.flag, "", o.usage+" ($"+o.variable+")")
	}
	f.variables = map[string]string{}
	c.PreRunE = func(*cobra.Command, []string) error {
		for _, o := range targetOptions {
			if flag := flags.Lookup(o.flag); flag.Changed {
				f.variables[o.variable] = flag.Value.String()
			}
		}
		switch {
		case f.Brokers == "" && flags.Changed("to-brokers"):
			return usage.Errorf("--to-brokers is empty: want host:port of the target cluster, " +
				"or leave it out to write into the archived one")
		case f.SameSecurity && len(f.variables) > 0:
			return usage.Errorf("--to-same-security is the security of the archived cluster: " +
				"leave out the other --to- flags about it, or this one")
		case f.Brokers == "" && (f.SameSecurity || len(f.variables) > 0):
			return usage.Errorf("the --to- flags are about the cluster of --to-brokers, which is not given")
		}
		return nil
	}
}

// Connection is a way into the cluster that is written into.
type Connection struct {
	Options []kgo.Opt
	Explain func(error) error // adds to an error what it says about the way in
}

// ConnectTarget prepares the way. The first request connects.
func (f *TargetFlags) ConnectTarget(
	ctx context.Context, parts *wiring.Parts, lookup func(string) (string, bool),
) (Connection, error) {
	target, err := config.LoadTarget(parts.Config, f.TargetRequest, func(variable string) (string, bool) {
		if value, ok := f.variables[variable]; ok {
			return value, ok
		}
		return lookup(variable)
	})
	if err != nil {
		return Connection{}, usage.Of(err)
	}
	options, explain, err := parts.Connect(ctx, target)
	return Connection{options, explain}, err
}

// JobTarget is the target of a job. Its settings are those that the command would take,
// but that a secret has to be one of AWS.
func (f *TargetFlags) JobTarget(lookup func(string) (string, bool)) *job.Target {
	if f.Brokers == "" {
		return nil
	}
	to := &job.Target{Brokers: f.Brokers, SameSecurity: f.SameSecurity}
	if f.SameSecurity {
		return to
	}
	own := map[string]*string{
		"BIFROST_TO_SECURITY_PROTOCOL": &to.SecurityProtocol,
		"BIFROST_TO_SASL_MECHANISM":    &to.SaslMechanism,
		"BIFROST_TO_SECRET":            &to.Secret,
	}
	for _, v := range config.TargetVariables {
		value, ok := f.variables[v.Name]
		if !ok {
			value, _ = lookup(v.Name)
		}
		*own[v.Name] = strings.TrimSpace(value)
	}
	return to
}
