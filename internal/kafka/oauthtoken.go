// How tokens are got for OAUTHBEARER.

package kafka

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/sasl"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// tokenTimeout bounds the wait for a token.
const tokenTimeout = 10 * time.Second

// readTokens prepares to ask an authorization server for tokens with the
// client's credentials in the Authorization header, as Kafka's own clients do
// (KIP-768; RFC 6749, section 4.4). A token is kept until it is about to expire.
func (c *credentials) readTokens() error {
	if c.Token != "" || c.TokenEndpoint == "" {
		return nil
	}
	if endpoint, err := url.Parse(c.TokenEndpoint); err != nil || !isPrivate(endpoint) {
		return errors.New("its field tokenEndpoint is not an https URL: the client's secret goes there")
	}
	var scopes []string
	if c.Scope != "" {
		scopes = strings.Fields(c.Scope)
	}
	client := &http.Client{Timeout: tokenTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the secret goes to nobody else
	}}
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, client)
	c.tokens = (&clientcredentials.Config{
		ClientID:     c.ClientID,
		ClientSecret: c.ClientSecret,
		TokenURL:     c.TokenEndpoint,
		Scopes:       scopes,
		AuthStyle:    oauth2.AuthStyleInHeader,
	}).TokenSource(ctx)
	return nil
}

// isPrivate reports whether what is sent to the URL stays between the two, or on
// this machine.
func isPrivate(endpoint *url.URL) bool {
	if endpoint.Scheme == "https" && endpoint.Host != "" {
		return true
	}
	return endpoint.Scheme == "http" && net.ParseIP(endpoint.Hostname()).IsLoopback()
}

func (c *credentials) bearerToken() (string, error) {
	if c.tokens == nil {
		return c.Token, nil
	}
	token, err := c.tokens.Token()
	if err != nil {
		return "", fmt.Errorf("get a token from the endpoint in the secret: %w", withoutAnswer(err))
	}
	return token.AccessToken, nil
}

// What an authorization server may say (RFC 6749, section 5.2).
var tokenErrors = []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client",
	"unsupported_grant_type", "invalid_scope"}

// withoutAnswer keeps the status and the standard error of a refused request for
// a token. The rest of the answer, which the library quotes, is the server's
// choice: it may repeat the secret.
func withoutAnswer(err error) error {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		var network net.Error
		if errors.As(err, &network) {
			return err
		}
		return errors.New("the answer holds no token")
	}
	why := "without a reason from RFC 6749"
	if slices.Contains(tokenErrors, answer.ErrorCode) {
		why = answer.ErrorCode
	}
	return fmt.Errorf("HTTP status %d, %s: check clientId, clientSecret and scope", answer.Response.StatusCode, why)
}

// bearer makes a refused token the same error as a refused password. A broker
// answers it with a JSON object where it would send nothing else (RFC 7628,
// section 3.2.2).
type bearer struct{ sasl.Mechanism }

// Authenticate implements [sasl.Mechanism].
func (b bearer) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	session, first, err := b.Mechanism.Authenticate(ctx, host)
	return bearerSession{session}, first, err
}

type bearerSession struct{ sasl.Session }

// Challenge implements [sasl.Session].
func (s bearerSession) Challenge(answer []byte) (bool, []byte, error) {
	if len(answer) > 0 {
		var refusal struct{ Status string }
		_ = json.Unmarshal(answer, &refusal) // whatever it says, it is a refusal
		return false, nil, fmt.Errorf("%w: the token's status is %q", kerr.SaslAuthenticationFailed, refusal.Status)
	}
	return s.Session.Challenge(answer)
}
