// How clients log in.

package gateway

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/xdg-go/scram"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// login is who a client is, or how far it has come in saying so.
type login struct {
	done         bool
	user         *user  // nil when nobody has to say who they are
	name         string // for the log
	mechanism    string
	conversation *scram.ServerConversation
	first        string // the client's first message of the conversation
	challenge    string // the answer to that
	failed       bool   // told so; the connection ends with the next request
}

// mayRead reports whether the client may read the topic of that name in Kafka.
func (l *login) mayRead(kafkaName string) bool {
	return l.user == nil || bifrost.MatchesAny(l.user.topics, kafkaName)
}

// mayUse reports whether the client may use the consumer group.
func (l *login) mayUse(group string) bool {
	return l.user == nil || bifrost.MatchesAny(l.user.groups, group)
}

// mechanismNames are what this connection may use: a password goes over no wire that
// is not encrypted.
func (c *connection) mechanismNames() []string {
	if c.options.Users == nil {
		return []string{}
	}
	names := []string{"SCRAM-SHA-256", "SCRAM-SHA-512"}
	if c.options.TLS != nil {
		names = append(names, "PLAIN")
	}
	return names
}

func (c *connection) saslHandshake(
	_ context.Context, request *kmsg.SASLHandshakeRequest, _ *hold,
) (kmsg.Response, error) {
	response := request.ResponseKind().(*kmsg.SASLHandshakeResponse)
	response.SupportedMechanisms = c.mechanismNames()
	if c.login.done || c.login.mechanism != "" || request.Version == 0 {
		// Version 0 is followed by bytes that are no requests, as clients of before
		// Kafka 1.0 send them.
		response.ErrorCode = kerr.IllegalSaslState.Code
		return response, nil
	}
	for _, name := range response.SupportedMechanisms {
		if name == request.Mechanism {
			c.login.mechanism = name
			return response, nil
		}
	}
	response.ErrorCode = kerr.UnsupportedSaslMechanism.Code
	return response, nil
}

var errRefused = errors.New("user name or password is wrong")

func (c *connection) saslAuthenticate(
	_ context.Context, request *kmsg.SASLAuthenticateRequest, _ *hold,
) (kmsg.Response, error) {
	if c.login.failed {
		return nil, errBye
	}
	response := request.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	response.SASLAuthBytes = []byte{}
	if c.login.done || c.login.mechanism == "" {
		response.ErrorCode = kerr.IllegalSaslState.Code
		return response, nil
	}
	step := c.scram
	if c.login.mechanism == "PLAIN" {
		step = c.plain
	}
	said, err := step(request.SASLAuthBytes)
	if err != nil {
		c.metrics.refusals.WithLabelValues(c.login.mechanism).Inc()
		c.log.Warn("a client was refused", "client", c.conn.RemoteAddr(), "user", c.login.name,
			"mechanism", c.login.mechanism, "error", err)
		c.login.failed = true
		response.ErrorCode = kerr.SaslAuthenticationFailed.Code
		response.ErrorMessage = kmsg.StringPtr(errRefused.Error())
		return response, nil
	}
	response.SASLAuthBytes = said
	return response, nil
}

// plain checks a password (RFC 4616).
func (c *connection) plain(said []byte) ([]byte, error) {
	parts := bytes.Split(said, []byte{0})
	if len(parts) != 3 {
		return nil, errors.New("want an identity, a name and a password")
	}
	identity, name := string(parts[0]), string(parts[1])
	c.login.name = name
	if identity != "" && identity != name || !c.options.Users.checkPassword(name, string(parts[2])) {
		return nil, errRefused
	}
	c.enter(name)
	return []byte{}, nil
}

// scram takes one step of the conversation (RFC 5802).
func (c *connection) scram(said []byte) ([]byte, error) {
	if c.login.conversation == nil {
		users, mechanism := c.options.Users, c.login.mechanism
		server, err := mechanisms[mechanism].hash.NewServer(func(name string) (scram.StoredCredentials, error) {
			return users.find(mechanism, name), nil
		})
		if err != nil {
			return nil, err
		}
		c.login.conversation = server.NewConversation()
	}
	if c.login.challenge != "" {
		if signature, ok := c.checkRepeatedNonce(string(said)); ok {
			c.enter(c.login.name)
			return signature, nil
		}
	}
	answer, err := c.login.conversation.Step(string(said))
	c.login.name = c.login.conversation.Username()
	if err != nil {
		return nil, err
	}
	if c.login.challenge == "" {
		c.login.first, c.login.challenge = string(said), answer
	}
	if c.login.conversation.Done() {
		name, other := c.login.name, c.login.conversation.AuthzID()
		if !c.login.conversation.Valid() || other != "" && other != name || c.options.Users.byName[name] == nil {
			return nil, errRefused
		}
		c.enter(name)
	}
	return []byte(answer), nil
}

// checkRepeatedNonce checks the last message of librdkafka before 2.6.1, which puts its
// nonce in front of the server's, where it stands already (librdkafka 4895). Kafka's
// brokers let that pass, and the library does not. Everything else is as in RFC 5802.
func (c *connection) checkRepeatedNonce(said string) (signature []byte, ok bool) {
	gs2, bare := c.login.first, ""
	if parts := strings.SplitN(c.login.first, ",", 3); len(parts) == 3 {
		gs2, bare = parts[0]+","+parts[1]+",", parts[2]
	}
	_, rest, _ := strings.Cut(bare, ",r=")
	clientNonce, _, _ := strings.Cut(rest, ",")
	nonce, _, _ := strings.Cut(strings.TrimPrefix(c.login.challenge, "r="), ",")
	withoutProof := "c=" + base64.StdEncoding.EncodeToString([]byte(gs2)) + ",r=" + clientNonce + nonce
	encoded, repeats := strings.CutPrefix(said, withoutProof+",p=")
	user := c.options.Users.byName[c.login.name]
	other := c.login.conversation.AuthzID()
	if !repeats || clientNonce == "" || user == nil || other != "" && other != c.login.name {
		return nil, false
	}
	proof, err := base64.StdEncoding.DecodeString(encoded)
	hash, keys := mechanisms[c.login.mechanism].hash, c.options.Users.find(c.login.mechanism, c.login.name)
	signed := func(key []byte) []byte {
		sum := hmac.New(hash, key)
		sum.Write([]byte(bare + "," + c.login.challenge + "," + withoutProof))
		return sum.Sum(nil)
	}
	clientKey := signed(keys.StoredKey)
	if err != nil || len(proof) != len(clientKey) {
		return nil, false
	}
	subtle.XORBytes(clientKey, clientKey, proof)
	sum := hash()
	sum.Write(clientKey)
	if subtle.ConstantTimeCompare(sum.Sum(nil), keys.StoredKey) != 1 {
		return nil, false
	}
	return []byte("v=" + base64.StdEncoding.EncodeToString(signed(keys.ServerKey))), true
}

// enter lets a client in.
func (c *connection) enter(name string) {
	c.login = login{done: true, user: c.options.Users.byName[name], name: name}
}
