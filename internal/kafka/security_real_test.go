//go:build real

package kafka

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// Everything in these tests that nobody else may ever see.
const (
	scramPassword = "scram-password-of-archive"
	nextPassword  = "the-password-after-that"
	clientSecret  = "secret-of-the-oauth-client"
	tokenMark     = "mark-inside-the-token" // a claim of every token
)

// memorySecret is a secret that a test can change.
type memorySecret struct {
	mu    sync.Mutex
	text  []byte
	reads int
}

func newSecret(t *testing.T, fields map[string]any) *memorySecret {
	t.Helper()
	s := new(memorySecret)
	s.set(t, fields)
	return s
}

func (s *memorySecret) set(t *testing.T, fields map[string]any) {
	t.Helper()
	text, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = text
}

func (s *memorySecret) Read(context.Context) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.text, nil
}

func (s *memorySecret) readTimes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

func (s *memorySecret) String() string { return "secret of the test" }

// emitted gathers all that a client says to anybody but the broker.
type emitted struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (e *emitted) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.text.Write(p)
}

// checkSecrets looks for what should not be there.
func (e *emitted) checkSecrets(t *testing.T, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(e.text.String(), secret) {
			t.Errorf("what was logged or answered holds %q", secret)
		}
	}
	if !strings.Contains(e.text.String(), "SASL_AUTHENTICATION_FAILED") || !strings.Contains(e.text.String(), "beginning sasl authentication") {
		t.Error("what was logged and answered has neither the errors nor the log of logins: the test looks at nothing")
	}
}

type secureTest struct {
	broker *localservices.SecureKafka
	topic  *real
	out    *emitted
}

// TestSecurity takes every way into an Apache Kafka, and every way that must not
// lead there.
func TestSecurity(t *testing.T) {
	t.Parallel()
	broker := localservices.SecureKafkaForTest(t)
	s := &secureTest{broker: broker, topic: newRealOn(t, broker.Addr(), nil), out: new(emitted)}
	s.topic.produce(t, values(3, "%d")...)
	for _, user := range []string{"archive", "rotated"} {
		s.must(t, broker.SetPassword(t.Context(), user, scramPassword))
	}
	for _, principal := range []string{"User:archive", "User:rotated", "User:CN=archive", "User:ANONYMOUS"} {
		s.must(t, broker.Allow(t.Context(), principal, kadm.OpRead, kadm.OpDescribeConfigs))
	}
	t.Run("ways in", s.waysIn)
	t.Run("ways that lead nowhere", s.waysNowhere)
	t.Run("wrong doors", s.wrongDoors)
	t.Run("rotation", s.rotation)
	t.Run("permissions", s.permissions)
	s.out.checkSecrets(t, scramPassword, nextPassword, localservices.PlainPassword, clientSecret,
		base64.RawURLEncoding.EncodeToString([]byte(tokenMark))[:16], "PRIVATE KEY")
}

func (s *secureTest) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fields are those of a secret: the authority and what else is given.
func (s *secureTest) fields(more map[string]any) map[string]any {
	fields := map[string]any{"ca": s.broker.Authority.Certificate}
	maps.Copy(fields, more)
	return fields
}

func (s *secureTest) login(password string) map[string]any {
	return s.fields(map[string]any{"username": "archive", "password": password})
}

// How long clients wait for brokers: those that are to succeed, and those that cannot.
const (
	longPatience  = 30 * time.Second
	shortPatience = 5 * time.Second
)

func (s *secureTest) client(t *testing.T, listener string, security Security, patience time.Duration) *Client {
	t.Helper()
	client, err := newClient(Config{
		Brokers: []string{s.broker.Listener(listener)}, Security: security,
		Options: []kgo.Opt{kgo.WithLogger(kgo.BasicLogger(s.out, kgo.LogLevelDebug, nil))},
	}, patience)
	s.must(t, err)
	t.Cleanup(client.Close)
	return client
}

// token is what Kafka's validator of unsecured tokens takes (KIP-255).
func token(subject string, lives time.Duration) string {
	now := time.Now()
	claims := fmt.Sprintf(`{"mark":%q,"sub":%q,"iat":%d,"exp":%d}`, tokenMark, subject, now.Add(-time.Minute).Unix(), now.Add(lives).Unix())
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "."
}

// authorize is a token endpoint by RFC 6749 that repeats the secret in its
// errors, as nobody should.
func authorize(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		id, secret, _ := r.BasicAuth()
		if id != "archive" || secret != clientSecret || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "kafka read" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error":"invalid_client","error_description":"%s is not the secret %s"}`, secret, clientSecret)
			return
		}
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":3600}`, token("archive", time.Hour))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (s *secureTest) waysIn(t *testing.T) {
	certificate, key, err := s.broker.Authority.Issue("archive")
	s.must(t, err)
	pair := map[string]any{"certificate": certificate, "privateKey": key}
	oauth := map[string]any{"tokenEndpoint": authorize(t), "clientId": "archive", "clientSecret": clientSecret, "scope": "kafka read"}
	for name, way := range map[string]struct {
		listener string
		tls      bool
		sasl     string
		fields   map[string]any
	}{
		"TLS":                       {localservices.ListenerTLS, true, "", s.fields(nil)},
		"mutual TLS":                {localservices.ListenerMutual, true, "", s.fields(pair)},
		"PLAIN":                     {localservices.ListenerSASL, true, Plain, s.login(localservices.PlainPassword)},
		"PLAIN without TLS":         {localservices.ListenerInsecure, false, Plain, s.login(localservices.PlainPassword)},
		"SCRAM-SHA-256":             {localservices.ListenerSASL, true, ScramSHA256, s.login(scramPassword)},
		"SCRAM-SHA-512":             {localservices.ListenerSASL, true, ScramSHA512, s.login(scramPassword)},
		"OAUTHBEARER with a token":  {localservices.ListenerSASL, true, OAuthBearer, s.fields(map[string]any{"token": token("archive", time.Hour)})},
		"OAUTHBEARER with a client": {localservices.ListenerSASL, true, OAuthBearer, s.fields(oauth)},
	} {
		t.Run(name, func(t *testing.T) {
			secret := newSecret(t, way.fields)
			client := s.client(t, way.listener, Security{TLS: way.tls, Mechanism: way.sasl, Secret: secret}, longPatience)
			s.useAll(t, client)
			if n := secret.readTimes(); n != 1 {
				t.Errorf("the secret was read %d times, want once", n)
			}
		})
	}
}

// useAll sends every request that Bifrost sends.
func (s *secureTest) useAll(t *testing.T, client *Client) {
	t.Helper()
	_, topics, err := client.Topics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(topics) != 1 || topics[0].Name != s.topic.topic {
		t.Fatalf("topics %v", topics)
	}
	tp := bifrost.TopicPartition{Topic: s.topic.topic}
	offsets, err := client.Offsets(t.Context(), topics)
	if err = errors.Join(err, offsets[tp].Err); err != nil || offsets[tp].HighWatermark != 3 {
		t.Errorf("offsets %+v, error %v", offsets, err)
	}
	at, err := client.OffsetsAt(t.Context(), []bifrost.TopicPartition{tp}, time.Now().Add(-time.Hour))
	if err = errors.Join(err, at[tp].Err); err != nil {
		t.Error(err)
	}
	epochs, err := client.EpochEnds(t.Context(), map[bifrost.TopicPartition]int32{tp: 0})
	if err = errors.Join(err, epochs[tp].Err); err != nil || epochs[tp].End != 3 {
		t.Errorf("epochs %+v, error %v", epochs, err)
	}
	retention, err := client.Retention(t.Context(), []string{s.topic.topic})
	if err = errors.Join(err, retention[s.topic.topic].Err); err != nil {
		t.Error(err)
	}
	if records, err := s.read(t, client); err != nil || records != 3 {
		t.Errorf("read %d records, error %v", records, err)
	}
}

func (s *secureTest) read(t *testing.T, client *Client) (int, error) {
	records, _, err := readAll(t, client, s.topic.topic, s.topic.id, 0, bifrost.Range{Start: 0, End: 3})
	return len(records), err
}

// waysNowhere makes sure that each error says what to do, and nothing more.
func (s *secureTest) waysNowhere(t *testing.T) {
	stranger, err := localservices.NewAuthority()
	s.must(t, err)
	certificate, key, err := stranger.Issue("archive")
	s.must(t, err)
	oauth := map[string]any{"tokenEndpoint": authorize(t), "clientId": "archive", "clientSecret": clientSecret + "-no-more", "scope": "kafka read"}
	for name, way := range map[string]struct {
		listener string
		tls      bool
		sasl     string
		fields   map[string]any
		want     string
	}{
		"no authority":            {localservices.ListenerTLS, true, "", map[string]any{}, "into the field ca: see secret of the test"},
		"another authority":       {localservices.ListenerTLS, true, "", map[string]any{"ca": stranger.Certificate}, "into the field ca: see secret of the test"},
		"no client certificate":   {localservices.ListenerMutual, true, "", s.fields(nil), "fields certificate and privateKey: see secret of the test"},
		"strange certificate":     {localservices.ListenerMutual, true, "", s.fields(map[string]any{"certificate": certificate, "privateKey": key}), "fields certificate and privateKey: see secret of the test"},
		"wrong password":          {localservices.ListenerSASL, true, ScramSHA512, s.login(nextPassword), "refuse the credentials"},
		"wrong PLAIN password":    {localservices.ListenerSASL, true, Plain, s.login(nextPassword), "refuse the credentials"},
		"old token":               {localservices.ListenerSASL, true, OAuthBearer, s.fields(map[string]any{"token": token("archive", -time.Minute/2)}), "refuse the credentials"},
		"no token to be had":      {localservices.ListenerSASL, true, OAuthBearer, s.fields(oauth), "HTTP status 401, invalid_client: check clientId"},
		"mechanism not offered":   {localservices.ListenerReauth, true, ScramSHA256, s.login(scramPassword), "do not take the SASL mechanism SCRAM-SHA-256"},
		"no SASL":                 {localservices.ListenerSASL, true, "", s.fields(nil), "SASL"},
		"no TLS":                  {localservices.ListenerTLS, false, "", map[string]any{}, "TLS"},
		"TLS where there is none": {localservices.ListenerInsecure, true, Plain, s.login(localservices.PlainPassword), "TLS"},
		"no password":             {localservices.ListenerSASL, true, ScramSHA512, map[string]any{"username": "archive"}, "it has no field password, which SCRAM-SHA-512 needs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := s.client(t, way.listener, Security{TLS: way.tls, Mechanism: way.sasl, Secret: newSecret(t, way.fields)}, shortPatience)
			_, _, err := client.Topics(t.Context())
			if err == nil || !strings.Contains(err.Error(), way.want) {
				t.Errorf("error %v, want %q in it", err, way.want)
			}
			fmt.Fprintln(s.out, err)
		})
	}
}

// wrongDoors comes to every kind of listener with every security that is another's,
// and looks for what has to be changed.
func (s *secureTest) wrongDoors(t *testing.T) {
	const (
		needsTLS  = "they speak TLS at this port: set BIFROST_SECURITY_PROTOCOL to "
		needsNone = "no TLS there: give the port of their TLS listener, or set BIFROST_SECURITY_PROTOCOL to "
		noSASL    = "take no SASL at this port"
		needsSASL = "they hang up as those do who want SASL: set BIFROST_SECURITY_PROTOCOL to "
		other     = "and set BIFROST_SASL_MECHANISM to one of them"
		pair      = "fields certificate and privateKey"
	)
	const plaintext = "PLAINTEXT" // the listener of administrators, which has no name
	for _, door := range []struct {
		listener string
		tls      bool
		sasl     string
		want     string
	}{
		{plaintext, true, "", needsNone + "PLAINTEXT"},
		{plaintext, false, Plain, noSASL},
		{plaintext, false, ScramSHA512, "its listener is PLAINTEXT: give the port of one with SASL, or set BIFROST_SECURITY_PROTOCOL to PLAINTEXT and leave out BIFROST_SASL_MECHANISM"},
		{plaintext, false, OAuthBearer, noSASL},
		{plaintext, true, ScramSHA512, needsNone + "SASL_PLAINTEXT"},
		{localservices.ListenerTLS, false, "", needsTLS + "SSL (or to SASL_SSL)"},
		{localservices.ListenerTLS, true, ScramSHA512, "its listener is SSL"},
		{localservices.ListenerTLS, true, AWSIAM, noSASL},
		{localservices.ListenerTLS, false, Plain, needsTLS + "SASL_SSL"},
		{localservices.ListenerMutual, true, ScramSHA512, pair},
		{localservices.ListenerSASL, false, "", needsTLS + "SSL (or to SASL_SSL)"},
		{localservices.ListenerSASL, true, "", needsSASL + "SASL_SSL"},
		{localservices.ListenerSASL, false, ScramSHA512, needsTLS + "SASL_SSL"},
		{localservices.ListenerSASL, true, AWSIAM, other},
		{localservices.ListenerReauth, true, Plain, other},
		{localservices.ListenerInsecure, false, "", needsSASL + "SASL_PLAINTEXT"},
		{localservices.ListenerInsecure, true, "", needsNone + "PLAINTEXT"},
		{localservices.ListenerInsecure, false, ScramSHA256, other},
	} {
		t.Run(fmt.Sprintf("%s to %s", Security{TLS: door.tls}.protocolName(door.sasl)+door.sasl, door.listener), func(t *testing.T) {
			t.Parallel()
			fields := s.login(scramPassword)
			fields["token"] = token("archive", time.Hour)
			security := Security{TLS: door.tls, Mechanism: door.sasl, Secret: newSecret(t, fields)}
			security.IAM = func(context.Context) (IAMCredentials, error) {
				return IAMCredentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: clientSecret}, nil
			}
			address := s.broker.Listener(door.listener)
			if door.listener == plaintext {
				address = s.broker.Addr()
			}
			client, err := newClient(Config{Brokers: []string{address}, Security: security, Options: []kgo.Opt{kgo.WithLogger(kgo.BasicLogger(s.out, kgo.LogLevelDebug, nil))}}, shortPatience)
			s.must(t, err)
			defer client.Close()
			_, _, err = client.Topics(t.Context())
			if err == nil || !strings.Contains(err.Error(), door.want) || !strings.Contains(err.Error(), address) {
				t.Errorf("error %v, want %q in it", err, door.want)
			}
			fmt.Fprintln(s.out, err)
		})
	}
}

// rotation changes the password, first at the broker and then in the secret, while
// a client is warm. The listener makes it log in again every few seconds.
func (s *secureTest) rotation(t *testing.T) {
	fields := s.login(scramPassword)
	fields["username"] = "rotated"
	secret := newSecret(t, fields)
	client := s.client(t, localservices.ListenerReauth, Security{TLS: true, Mechanism: ScramSHA512, Secret: secret}, longPatience)
	if n, err := s.read(t, client); err != nil || n != 3 {
		t.Fatalf("read %d records, error %v", n, err)
	}
	s.must(t, s.broker.SetPassword(t.Context(), "rotated", nextPassword))
	eventually(t, "the broker to refuse the old password", func() bool {
		_, _, err := client.Topics(t.Context())
		return errors.Is(err, kerr.SaslAuthenticationFailed)
	})
	fields["password"] = nextPassword
	secret.set(t, fields)
	s.useAll(t, client) // the very next one
	before := secret.readTimes()
	s.useAll(t, client)
	if after := secret.readTimes(); after != before {
		t.Errorf("the secret was read %d times more although the broker takes what it said", after-before)
	}
}

// permissions shows what each of the permissions in docs/kafka.md is for.
func (s *secureTest) permissions(t *testing.T) {
	for user, operations := range map[string][]kadm.ACLOperation{
		"describes": {kadm.OpDescribe, kadm.OpDescribeConfigs}, "reads": {kadm.OpRead}, "configures": {kadm.OpDescribeConfigs},
	} {
		s.must(t, s.broker.SetPassword(t.Context(), user, scramPassword))
		s.must(t, s.broker.Allow(t.Context(), "User:"+user, operations...))
	}
	for user, want := range map[string]struct{ sees, reads, knowsRetention bool }{
		"describes":  {true, false, true},
		"reads":      {true, true, false},
		"configures": {false, false, true},
	} {
		fields := s.login(scramPassword)
		fields["username"] = user
		client := s.client(t, localservices.ListenerSASL, Security{TLS: true, Mechanism: ScramSHA512, Secret: newSecret(t, fields)}, longPatience)
		eventually(t, "the password and the ACLs of "+user, func() bool { // of which the controller has told the broker
			_, topics, err := client.Topics(t.Context())
			if err != nil || (len(topics) == 1) != want.sees {
				return false
			}
			retention, err := client.Retention(t.Context(), []string{s.topic.topic})
			return err == nil && (retention[s.topic.topic].Err == nil) == want.knowsRetention
		})
		n, err := s.read(t, client)
		if (n == 3) != want.reads || !want.reads && !errors.Is(err, kerr.TopicAuthorizationFailed) {
			t.Errorf("%s: read %d records, error %v", user, n, err)
		}
	}
}
