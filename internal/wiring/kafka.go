// How the configuration becomes a way into Kafka.

package wiring

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/kafka"
	"github.com/bifrost-archive/bifrost/internal/secretsmanager"
)

// security is how to connect to the cluster that the configuration describes.
func security(c config.Kafka, cfg aws.Config) kafka.Security {
	s := kafka.Security{TLS: c.TLS, Mechanism: c.Mechanism, IAM: iam(cfg)}
	switch {
	case c.File() != "":
		s.Secret = file(c.File())
	case c.Secret != "":
		s.Secret = secretsmanager.New(cfg, c.Secret)
	}
	return s
}

// TargetSecurity is how to connect to a cluster that is written to.
func (p *Parts) TargetSecurity(t config.Target) kafka.Security {
	s := security(t.Kafka, p.aws)
	s.Names, s.Withheld = kafka.SettingNames(t.Names), t.Withheld
	return s
}

// Connect prepares the way into a cluster that is written to; the first request
// connects. What explain adds to an error is what it says about the way in.
func (p *Parts) Connect(
	ctx context.Context, t config.Target,
) (options []kgo.Opt, explain func(error) error, err error) {
	security := p.TargetSecurity(t)
	if options, err = security.Options(ctx); err != nil {
		return nil, nil, err
	}
	options = append(options, kgo.SeedBrokers(t.Brokers...), kgo.ClientID("bifrost-replay"), kgo.DisableClientMetrics())
	return options, func(err error) error { return security.Explain(t.Brokers, err) }, nil
}

// iam signs for Amazon MSK with the SDK's credentials: in a function, its role.
func iam(cfg aws.Config) func(context.Context) (kafka.IAMCredentials, error) {
	return func(ctx context.Context) (kafka.IAMCredentials, error) {
		c, err := cfg.Credentials.Retrieve(ctx)
		if err != nil {
			return kafka.IAMCredentials{}, fmt.Errorf("find the AWS credentials to sign with: %w", err)
		}
		return kafka.IAMCredentials{
			AccessKeyID:     c.AccessKeyID,
			SecretAccessKey: c.SecretAccessKey,
			SessionToken:    c.SessionToken,
		}, nil
	}
}

// file is a secret of a local run.
type file string

// String implements [kafka.Secret].
func (f file) String() string { return "file " + string(f) }

// Read implements [kafka.Secret].
func (f file) Read(context.Context) ([]byte, error) { return os.ReadFile(string(f)) }
