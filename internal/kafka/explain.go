// What errors of connections mean, with what to look at.

package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// A secretError says that there are no credentials to try.
type secretError struct{ cause error }

func (e *secretError) Error() string { return e.cause.Error() }
func (e *secretError) Unwrap() error { return e.cause }

// explainError adds the brokers to an error that did not come from Kafka itself, and
// what to look at. The context is the one that the request was sent with.
func (c *Client) explainError(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) { // and not a dial that took too long
		if err = context.Cause(ctx); !errors.Is(err, errImpatient) {
			return err
		}
	}
	return explanation{c.brokers, c.keyring.security, c.keyring.secretPlace()}.explainCause(err)
}

// Explain adds to an error of another client, which was made with [Security.Options],
// what it means for the security and what to do about it. An error that is not of a
// connection to Kafka is returned as it is.
func (s Security) Explain(brokers []string, err error) error {
	return explanation{strings.Join(brokers, ","), s, s.secretPlace()}.explainCause(err)
}

// explanation is what is known about a connection that failed.
type explanation struct {
	brokers  string
	security Security
	where    string // in which place to look for what is wrong with credentials
}

func (e explanation) explainCause(err error) error {
	names := e.security.nameSecret()
	var answer *kerr.Error
	var secret *secretError
	var ofAWS interface{ Service() string } // what every error of an AWS client is in (smithy.OperationError)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &ofAWS):
		return err
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return fmt.Errorf("brokers %s refuse the credentials: %w (%s)", e.brokers, err, e.where)
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return fmt.Errorf("brokers %s do not take the SASL mechanism %s: "+
			"%w (see sasl.enabled.mechanisms of that listener, and set %s to one of them)", e.brokers,
			e.security.Mechanism, err, names.Mechanism)
	case errors.Is(err, kerr.IllegalSaslState):
		return fmt.Errorf("brokers %s take no SASL at this port: %w (its listener is %s: "+
			"give the port of one with SASL, or set %s to %s and leave out %s)",
			e.brokers, err, e.security.protocolName(""), names.Protocol, e.security.protocolName(""), names.Mechanism)
	case errors.As(err, &secret) && !errors.As(err, &answer):
		return err
	case errors.As(err, &answer):
		return err
	}
	advice := e.adviceFor(err)
	if advice == "" {
		return err
	}
	return fmt.Errorf("brokers %s: %w (%s)", e.brokers, err, advice)
}

// adviceFor is the next step after an error of the connection to the brokers; empty for any
// other error, which no address would mend.
func (e explanation) adviceFor(err error) string {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		noTLS     tls.RecordHeaderError
		noName    *net.DNSError
		names     = e.security.nameSecret()
		sasl      = e.security.Mechanism
	)
	switch {
	case errors.As(err, &authority):
		return "put the certificate of their authority into the field ca: " + e.where
	case errors.As(err, &name):
		return "address them by a name that is in their certificates, which advertised.listeners has to do too"
	case errors.As(err, &invalid):
		return "the certificate of the brokers has to be renewed, or the clock here set"
	case isAlert(err):
		return "they end the TLS handshake, as they do without a client certificate that they trust; " +
			"fields certificate and privateKey: " + e.where
	case errors.As(err, &noTLS), e.security.TLS && hungUp(err, "using TLS when the broker is not"):
		return fmt.Sprintf("no TLS there: give the port of their TLS listener, or set %s to %s",
			names.Protocol, Security{}.protocolName(sasl))
	case !e.security.TLS && strings.Contains(err.Error(), "tls alert record"):
		return fmt.Sprintf("they speak TLS at this port: set %s to %s, or give the port of a listener without it%s",
			names.Protocol, either(Security{TLS: true}, sasl), e.withheldCause())
	case strings.Contains(err.Error(), "the beginning of an HTTP response"):
		return "that is a web server: give the port of the brokers"
	case sasl == "" && hungUp(err, "is SASL missing?"):
		return fmt.Sprintf("they hang up as those do who want SASL: set %s to %s, with %s and %s%s",
			names.Protocol, e.security.protocolName("SASL"), names.Mechanism, names.Secret, e.withheldCause())
	case sasl != "" && hungUp(err, ""):
		return "brokers that hang up may refuse the credentials, or the port may be another listener's; " + e.where
	case errors.As(err, &noName):
		return "no machine has that name here: check it, and whether it can only be looked up inside another network"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: check address and port"
	case !isOfConnection(err):
		return ""
	}
	return "check their addresses, the network between, and whether they want TLS or SASL" + e.withheldCause()
}

// isOfConnection reports whether an error came from the network, or from a client that found
// nobody there. The client says of a dial that failed only in words that it was one.
func isOfConnection(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, errImpatient) || errors.Is(err, io.EOF) ||
		kgo.IsRetryableBrokerErr(err) || strings.Contains(err.Error(), "unable to dial")
}

// hungUp reports whether a broker ended the connection where an answer was due.
// The client guesses why from when that was, and says so in words only.
func hungUp(err error, guess string) bool {
	return errors.Is(err, io.EOF) && strings.Contains(err.Error(), guess)
}

// withheldCause tells of credentials that are there and were not given to these brokers.
func (e explanation) withheldCause() string {
	if !e.security.Withheld {
		return ""
	}
	return "; they got none of the archived cluster's credentials, " +
		"which go to other brokers only with --to-same-security"
}

// protocolName is the name of the security protocol with these bytes on the wire, and
// with SASL unless the mechanism is empty.
func (s Security) protocolName(mechanism string) string {
	switch {
	case s.TLS && mechanism != "":
		return "SASL_SSL"
	case s.TLS:
		return "SSL"
	case mechanism != "":
		return "SASL_PLAINTEXT"
	}
	return "PLAINTEXT"
}

// either names the protocol that goes with the mechanism; without one it may be
// that with SASL or that without.
func either(s Security, mechanism string) string {
	if mechanism == "" {
		return s.protocolName("") + " (or to " + s.protocolName("SASL") + ")"
	}
	return s.protocolName(mechanism)
}

// secretPlace says in which place to look for what is wrong with credentials.
func (s Security) secretPlace() string {
	switch {
	case s.Mechanism == AWSIAM:
		return "see the kafka-cluster statements of this role, and the cluster's own policy"
	case s.Secret == nil:
		return "no secret is given"
	}
	return "see " + s.Secret.String()
}

// secretPlace is that of the security, with what is odd about the credentials.
func (k *keyring) secretPlace() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	where := k.security.secretPlace()
	if k.kept == nil {
		return where
	}
	for _, f := range []struct{ name, value string }{{"username", k.kept.Username}, {"password", k.kept.Password}} {
		if strings.TrimSpace(f.value) != f.value {
			where += fmt.Sprintf("; its field %s begins or ends with white space", f.name)
		}
	}
	return where
}
