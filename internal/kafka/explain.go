package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
)

// A secretError says that there are no credentials to try.
type secretError struct{ cause error }

func (e *secretError) Error() string { return e.cause.Error() }
func (e *secretError) Unwrap() error { return e.cause }

// explain adds the brokers to an error that did not come from Kafka itself, and
// what to look at. The context is the one that the request was sent with.
func (c *Client) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) { // and not a dial that took too long
		if err = context.Cause(ctx); !errors.Is(err, errImpatient) {
			return err
		}
	}
	var answer *kerr.Error
	var secret *secretError
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fmt.Errorf("brokers %s refuse the credentials: %w (%s)", c.brokers, err, c.keyring.where())
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fmt.Errorf("brokers %s do not take the SASL mechanism %s: %w (see sasl.enabled.mechanisms of that listener)", c.brokers, c.keyring.security.Mechanism, err)
	case errors.As(err, &secret) && !errors.As(err, &answer):
		return err
	case errors.As(err, &answer):
		return err
	}
	return fmt.Errorf("brokers %s: %w (%s)", c.brokers, err, c.adviceOn(err))
}

// adviceOn is the next step after an error of the connection.
func (c *Client) adviceOn(err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		noTLS     tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &authority):
		return "put the certificate of their authority into the field ca: " + c.keyring.where()
	case errors.As(err, &name):
		return "address them by a name that is in their certificates, which advertised.listeners has to do too"
	case errors.As(err, &invalid):
		return "the certificate of the brokers has to be renewed, or the clock here set"
	case errors.As(err, &noTLS):
		return "no TLS there: give the port of their TLS listener, or another security protocol"
	case isAlert(err):
		return "they end the TLS handshake, as they do without a client certificate that they trust; fields certificate and privateKey: " + c.keyring.where()
	}
	return "check their addresses, the network between, and whether they want TLS or SASL"
}

// where says in which place to look for what is wrong with credentials.
func (k *keyring) where() string {
	switch {
	case k.security.Mechanism == AWSIAM:
		return "see the kafka-cluster statements of this role, and the cluster's own policy"
	case k.security.Secret == nil:
		return "no secret is given"
	}
	return "see " + k.security.Secret.String()
}
