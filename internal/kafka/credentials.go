// What a secret with credentials says.

package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/oauth2"
)

// credentials are what a secret says. Nothing of them may get into an error: the
// errors of the libraries that parse them quote what they do not understand.
type credentials struct {
	// For PLAIN and SCRAM, as in the secrets of Amazon MSK.
	Username string `json:"username"`
	Password string `json:"password"`
	// For OAUTHBEARER: a token, or where to get one (KIP-768).
	Token         string            `json:"token"`
	TokenEndpoint string            `json:"tokenEndpoint"`
	ClientID      string            `json:"clientId"`
	ClientSecret  string            `json:"clientSecret"`
	Scope         string            `json:"scope"`
	Extensions    map[string]string `json:"extensions"` // KIP-342
	// For TLS, all of them PEM. The first two are named as AWS Lambda names them in
	// the secrets of its own Kafka event sources.
	Certificate string `json:"certificate"`
	PrivateKey  string `json:"privateKey"`
	CA          string `json:"ca"`

	tls    *tls.Config
	tokens oauth2.TokenSource
}

// readCredentials makes sure that a secret holds what the security needs.
func readCredentials(s Security, text []byte) (*credentials, error) {
	c := new(credentials)
	text = plainText(text)
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8: what is not ASCII in it would be read as " +
			"something else; save it as UTF-8")
	}
	if err := json.Unmarshal(text, c); err != nil {
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) && wrong.Field != "" {
			return nil, fmt.Errorf("its field %q is not of the right kind: fields are text, "+
				"extensions an object of text", wrong.Field)
		}
		return nil, notAnObject(text, err)
	}
	// no token holds white space (RFC 6750, section 2.1), but files end with a line
	c.Token = strings.TrimSpace(c.Token)
	if err := c.checkComplete(s.Mechanism); err != nil {
		return nil, err
	}
	if err := c.readTLS(); err != nil {
		return nil, err
	}
	return c, c.readTokens()
}

// checkComplete names the first field that is missing.
func (c *credentials) checkComplete(mechanism string) error {
	type field struct{ name, value string }
	var needed []field
	switch mechanism {
	case Plain, ScramSHA256, ScramSHA512:
		needed = []field{{"username", c.Username}, {"password", c.Password}}
	case OAuthBearer:
		if c.Token == "" {
			needed = []field{
				{"token (or tokenEndpoint)", c.TokenEndpoint},
				{"clientId", c.ClientID},
				{"clientSecret", c.ClientSecret},
			}
		}
	}
	for _, f := range needed {
		if f.value == "" {
			return fmt.Errorf("it has no field %s, which %s needs", f.name, mechanism)
		}
	}
	return nil
}

// readTLS prepares the connections. Without a CA the brokers' certificates are
// checked against those of the system.
func (c *credentials) readTLS() error {
	c.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		c.tls.RootCAs = x509.NewCertPool()
		if !c.tls.RootCAs.AppendCertsFromPEM([]byte(c.CA)) {
			return errors.New("its field ca holds no certificate in PEM" + escapedTwice(c.CA))
		}
	}
	if c.Certificate == "" && c.PrivateKey == "" {
		return nil
	}
	pair, err := tls.X509KeyPair([]byte(c.Certificate), []byte(c.PrivateKey))
	if err != nil {
		return errors.New("its fields certificate and privateKey are not a certificate in PEM and its private key, " +
			"unencrypted (PKCS #8, PKCS #1 or SEC 1)" + escapedTwice(c.Certificate+c.PrivateKey))
	}
	// Not by Certificates: that would send none where the broker's list of
	// authorities leaves out ours, and the broker's complaint is the better error.
	c.tls.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return nil
}

// escapedTwice tells of line ends that were escaped once more on their way.
func escapedTwice(pem string) string {
	if strings.Contains(pem, `\n`) {
		return `: its line ends have come as the two characters \ and n`
	}
	return ""
}

// getCredentials returns the credentials; they are read once.
func (k *keyring) getCredentials(ctx context.Context) (credentials, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.kept == nil {
		if err := k.readSecret(ctx); err != nil {
			return credentials{}, err
		}
	}
	return *k.kept, nil
}
