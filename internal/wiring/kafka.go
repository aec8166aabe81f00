package wiring

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"

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

// iam signs for Amazon MSK with the SDK's credentials: in a function, its role.
func iam(cfg aws.Config) func(context.Context) (kafka.IAMCredentials, error) {
	return func(ctx context.Context) (kafka.IAMCredentials, error) {
		c, err := cfg.Credentials.Retrieve(ctx)
		if err != nil {
			return kafka.IAMCredentials{}, fmt.Errorf("find the AWS credentials to sign with: %w", err)
		}
		return kafka.IAMCredentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, nil
	}
}

// file is a secret of a local run.
type file string

// String implements [kafka.Secret].
func (f file) String() string { return "file " + string(f) }

// Read implements [kafka.Secret].
func (f file) Read(context.Context) ([]byte, error) { return os.ReadFile(string(f)) }
