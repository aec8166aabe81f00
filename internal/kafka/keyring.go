// How long credentials are kept.

package kafka

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// A keyring keeps credentials for as long as the brokers take them. A secret
// costs money and time to read, so it is read once; when a broker refuses what
// it said, it is read again. That is all there is to rotation: whoever changes a
// password at the brokers and then in the secret has no function to restart.
type keyring struct {
	security Security

	mu     sync.Mutex
	text   []byte // the secret as it was read
	kept   *credentials
	readAt time.Time
}

// readSecret replaces what is kept by what the secret says now.
func (k *keyring) readSecret(ctx context.Context) error {
	text := []byte("{}")
	if k.security.Secret != nil {
		var err error
		if text, err = k.security.Secret.Read(ctx); err != nil {
			return fmt.Errorf("read the credentials for Kafka: %w", err)
		}
	}
	c, err := readCredentials(k.security, text)
	if err != nil {
		return fmt.Errorf("the credentials for Kafka in %s cannot be used: %w (docs/kafka.md lists the fields)",
			k.security.Secret, err)
	}
	k.text, k.kept, k.readAt = text, c, time.Now()
	return nil
}

// readyOptions reads the secret unless it has been read. Where a connection does that,
// its error is one of many that look like the network's.
func (k *keyring) readyOptions(ctx context.Context) error {
	if _, err := k.getCredentials(ctx); err != nil {
		return &secretError{err}
	}
	return nil
}

// renewSecret reads the secret again after an error of a request that was begun at
// that time. It reports whether there is a reason to try once more.
func (k *keyring) renewSecret(ctx context.Context, refused error, begun time.Time) (bool, error) {
	if k.security.Secret == nil || !isRefusal(refused) {
		return false, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.readAt.After(begun) {
		return true, nil // by another request; the connection may be older
	}
	before, hadTokens := k.text, k.kept != nil && k.kept.tokens != nil
	if err := k.readSecret(ctx); err != nil {
		return false, &secretError{err}
	}
	return hadTokens || !bytes.Equal(before, k.text), nil
}

// isRefusal reports whether other credentials, certificates or authorities may
// help: the broker refuses ours, or we refuse the broker's. Brokers before
// KIP-152, and some that only speak the protocol, just hang up.
func isRefusal(err error) bool {
	var unknown x509.UnknownAuthorityError
	return errors.Is(err, kerr.SaslAuthenticationFailed) || errors.Is(err, io.EOF) || isAlert(err) ||
		errors.As(err, &unknown)
}

// isAlert reports whether a broker ended a TLS handshake with an alert, which it
// does with a certificate that it does not like (RFC 8446, section 6.2).
func isAlert(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) && network.Op == "remote error"
}

// dialBroker connects and, with TLS, shakes hands.
func (k *keyring) dialBroker(ctx context.Context, network, broker string, timeout time.Duration) (net.Conn, error) {
	plain := net.Dialer{Timeout: timeout}
	if !k.security.TLS {
		return plain.DialContext(ctx, network, broker)
	}
	c, err := k.getCredentials(ctx)
	if err != nil {
		return nil, err
	}
	dialer := tls.Dialer{NetDialer: &plain, Config: c.tls}
	return dialer.DialContext(ctx, network, broker)
}
