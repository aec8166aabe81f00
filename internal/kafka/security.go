// How a client gets into a cluster.

package kafka

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// The SASL mechanisms, by the names that brokers offer them under
// (sasl.enabled.mechanisms).
const (
	Plain       = "PLAIN"         // RFC 4616
	ScramSHA256 = "SCRAM-SHA-256" // RFC 7677
	ScramSHA512 = "SCRAM-SHA-512"
	OAuthBearer = "OAUTHBEARER" // RFC 7628, KIP-255
	AWSIAM      = "AWS_MSK_IAM" // Amazon MSK Developer Guide, "IAM access control"
)

// Mechanisms are all SASL mechanisms that a client knows.
var Mechanisms = []string{Plain, ScramSHA256, ScramSHA512, OAuthBearer, AWSIAM}

// Security is how a client gets into a cluster. The zero value is plaintext
// without credentials.
type Security struct {
	TLS       bool
	Mechanism string // one of [Mechanisms]; empty without SASL
	// Secret is where the credentials are kept, and the certificate authority of
	// the brokers if the system does not know it. Nil if neither is needed.
	Secret Secret
	// IAM answers with the credentials for [AWSIAM], which has no secret of its own.
	IAM func(context.Context) (IAMCredentials, error)
	// Names are what the operator calls these settings, for advice in errors. The
	// zero value stands for the variables of the archived cluster.
	Names SettingNames
	// Withheld says that there are credentials which these brokers are not given.
	Withheld bool
}

// SettingNames are the names of the settings that make a [Security].
type SettingNames struct{ Protocol, Mechanism, Secret string }

func (s Security) nameSecret() SettingNames {
	if s.Names == (SettingNames{}) {
		return SettingNames{"BIFROST_SECURITY_PROTOCOL", "BIFROST_SASL_MECHANISM", "BIFROST_KAFKA_SECRET"}
	}
	return s.Names
}

// IAMCredentials are those of AWS, as its own libraries find them.
type IAMCredentials struct{ AccessKeyID, SecretAccessKey, SessionToken string }

// A Secret is where credentials are kept. What they are is a JSON object with
// the fields that docs/kafka.md lists.
type Secret interface {
	// Read returns the secret as it is now. Its error must hold nothing of it.
	Read(ctx context.Context) ([]byte, error)
	// String names the place, for errors.
	String() string
}

// Options are what any client of franz-go needs to get into the cluster. The
// secret is read now, so that what is wrong with it is the error. They take no part
// in the renewal of refused credentials: that is the work of [Client].
func (s Security) Options(ctx context.Context) ([]kgo.Opt, error) {
	k, err := newKeyring(s)
	if err != nil {
		return nil, err
	}
	if err := k.readyOptions(ctx); err != nil {
		return nil, err
	}
	return k.clientOptions(defaultPatience / 3), nil
}

func newKeyring(s Security) (*keyring, error) {
	switch {
	case s.Mechanism != "" && !slices.Contains(Mechanisms, s.Mechanism):
		return nil, fmt.Errorf("kafka: SASL mechanism %q is unknown: want one of %s",
			s.Mechanism, strings.Join(Mechanisms, ", "))
	case s.Mechanism == AWSIAM && (s.IAM == nil || !s.TLS):
		return nil, fmt.Errorf("kafka: SASL mechanism %s needs TLS and credentials of AWS", s.Mechanism)
	case s.Mechanism != "" && s.Mechanism != AWSIAM && s.Secret == nil:
		return nil, fmt.Errorf("kafka: SASL mechanism %s needs a secret with credentials", s.Mechanism)
	}
	return &keyring{security: s}, nil
}

// clientOptions connect with whatever the keyring holds at that moment, so that new
// credentials need no new client.
func (k *keyring) clientOptions(dialTimeout time.Duration) []kgo.Opt {
	options := []kgo.Opt{kgo.Dialer(func(ctx context.Context, network, broker string) (net.Conn, error) {
		conn, err := k.dialBroker(ctx, network, broker, dialTimeout)
		if err != nil {
			return nil, err
		}
		return &slowConn{Conn: conn}, nil
	})}
	if k.security.Mechanism != "" {
		options = append(options, kgo.SASL(k.newMechanism()))
	}
	return options
}

func (k *keyring) newMechanism() sasl.Mechanism {
	switch k.security.Mechanism {
	case Plain:
		return plain.Plain(func(ctx context.Context) (plain.Auth, error) {
			c, err := k.getCredentials(ctx)
			return plain.Auth{User: c.Username, Pass: c.Password}, err
		})
	case OAuthBearer:
		return bearer{oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
			c, err := k.getCredentials(ctx)
			if err != nil {
				return oauth.Auth{}, err
			}
			token, err := c.bearerToken()
			return oauth.Auth{Token: token, Extensions: c.Extensions}, err
		})}
	case AWSIAM:
		return aws.ManagedStreamingIAM(func(ctx context.Context) (aws.Auth, error) {
			c, err := k.security.IAM(ctx)
			return aws.Auth{
				AccessKey:    c.AccessKeyID,
				SecretKey:    c.SecretAccessKey,
				SessionToken: c.SessionToken,
				UserAgent:    "bifrost",
			}, err
		})
	}
	auth := func(ctx context.Context) (scram.Auth, error) {
		c, err := k.getCredentials(ctx)
		return scram.Auth{User: c.Username, Pass: c.Password}, err
	}
	if k.security.Mechanism == ScramSHA256 {
		return scram.Sha256(auth)
	}
	return scram.Sha512(auth)
}
