package kafka

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
)

// secretText is a secret whose text and error a test decides.
type secretText struct {
	text string
	err  error
}

func (s secretText) Read(context.Context) ([]byte, error) { return []byte(s.text), s.err }
func (s secretText) String() string                       { return "secret one" }

// What is wrong with a secret is told by the name of its field, never by what is
// in it: each of these secrets has "hunter2" in it somewhere.
func TestSecretsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ mechanism, text, want string }{
		{Plain, `hunter2`, "not a JSON object"},
		{Plain, `"hunter2"`, "not a JSON object"},
		{Plain, `{"username":"hunter2","password":1234567}`, `field "password" is not of the right kind`},
		{ScramSHA256, `{"username":"hunter2"}`, "no field password, which SCRAM-SHA-256 needs"},
		{ScramSHA512, `{"password":"hunter2"}`, "no field username, which SCRAM-SHA-512 needs"},
		{OAuthBearer, `{"password":"hunter2"}`, "no field token (or tokenEndpoint)"},
		{OAuthBearer, `{"tokenEndpoint":"https://hunter2","clientId":"hunter2"}`, "no field clientSecret"},
		{OAuthBearer, `{"tokenEndpoint":"http://example.com/hunter2","clientId":"a","clientSecret":"b"}`, "tokenEndpoint is not an https URL"},
		{OAuthBearer, `{"tokenEndpoint":"%hunter2","clientId":"a","clientSecret":"b"}`, "tokenEndpoint is not an https URL"},
		{OAuthBearer, `{"tokenEndpoint":"http://10.0.0.7/hunter2","clientId":"a","clientSecret":"b"}`, "tokenEndpoint is not an https URL"},
		{OAuthBearer, `{"tokenEndpoint":"http://localhost/hunter2","clientId":"a","clientSecret":"b"}`, "tokenEndpoint is not an https URL"},
		{OAuthBearer, `{"tokenEndpoint":"https:///hunter2","clientId":"a","clientSecret":"b"}`, "tokenEndpoint is not an https URL"},
		{"", `{"ca":"hunter2"}`, "ca holds no certificate in PEM"},
		{"", `{"certificate":"hunter2","privateKey":"hunter2"}`, "are not a certificate in PEM and its private key"},
		{"", `{"privateKey":"hunter2"}`, "are not a certificate in PEM and its private key"},
	} {
		keyring, err := newKeyring(Security{TLS: true, Mechanism: test.mechanism, Secret: secretText{text: test.text}})
		if err != nil {
			t.Fatal(err)
		}
		err = keyring.readyOptions(t.Context())
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "secret one") {
			t.Errorf("%s with %s: error %v, want %q in it", test.mechanism, test.text, err, test.want)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "1234567")) {
			t.Errorf("%s: the error tells what is in the secret: %v", test.mechanism, err)
		}
	}
}

// utf16Text is what PowerShell writes with >.
func utf16Text(text string, order binary.AppendByteOrder, mark bool) string {
	var out []byte
	if mark {
		out = order.AppendUint16(out, 0xFEFF)
	}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, unit)
	}
	return string(out)
}

// What editors and shells put around a secret is no part of it.
func TestSecretsAsEditorsWriteThem(t *testing.T) {
	t.Parallel()
	const text = `{"username":"archive","password":"grüße ß"}`
	for name, written := range map[string]string{
		"plain":                 text,
		"a line end":            text + "\n",
		"Windows line ends":     strings.ReplaceAll(text, ",", ",\r\n") + "\r\n",
		"a byte order mark":     "\ufeff" + text,
		"a mark and a line end": "\ufeff\r\n" + text + "\r\n",
		"UTF-16 of PowerShell":  utf16Text(text+"\r\n", binary.LittleEndian, true),
		"big-endian UTF-16":     utf16Text(text, binary.BigEndian, true),
		"UTF-16 without a mark": utf16Text(text, binary.LittleEndian, false),
		"big-endian, no mark":   utf16Text(text, binary.BigEndian, false),
	} {
		c, err := readCredentials(Security{Mechanism: Plain}, []byte(written))
		if err != nil || c.Username != "archive" || c.Password != "grüße ß" {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	c, err := readCredentials(Security{Mechanism: OAuthBearer}, []byte(`{"token":" a.b.c\n"}`))
	if err != nil || c.Token != "a.b.c" {
		t.Errorf("a token with a line end: %+v, %v", c, err)
	}
}

// Texts that are no JSON object say what they are, and nothing of what is in them.
func TestSecretsThatAreNoObject(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":         "it is empty",
		"\ufeff\n": "it is empty",
		`'{"username":"hunter2","password":"hunter2"}'`:                       "begins with a single quote",
		`{'username':'hunter2','password':'hunter2'}`:                         "line 1, column 2: names and texts stand in double quotes",
		`{"username":'hunter2'}`:                                              "names and texts stand in double quotes",
		"{\n  “username”: “hunter2”\n}":                                       "line 2, column 3: names and texts stand in plain double quotes",
		`"{\"username\":\"hunter2\"}"`:                                        "a JSON text in quotes",
		`[{"username":"hunter2"}]`:                                            "it is a list",
		`username=hunter2`:                                                    "does not begin with {",
		"username: hunter2\npassword: hunter2":                                "does not begin with {",
		`hunter2`:                                                             "does not begin with {",
		"eyJ1c2VybmFtZSI6Imh1bnRlcjIiLCJwYXNzd29yZCI6Imh1bnRlcjIifQ==":        "it is base64",
		`{"username":"hunter2","password":"hunter2",}`:                        "a comma may stand before it",
		`{"username":"hunter2","password":"hunt`:                              "its end is missing",
		`{"username":"hunter2"`:                                               "its end is missing",
		`{"username":"hunter2"} {"password":"hunter2"}`:                       "line 1, column 24",
		"{\"ca\":\"-----BEGIN CERTIFICATE-----\nhunter2\"}":                   `written \n`,
		"{\"username\":\"hunter2\",\"password\":\"gr\xfc\xdfe\"}":             "it is not UTF-8",
		`{"username":"hunter2","ca":"-----BEGIN CERTIFICATE-----\\nhunter2"}`: "the two characters",
	} {
		_, err := readCredentials(Security{TLS: true}, []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v, want %q in it", text, err, want)
		}
	}
}

// A password with a line end at its end is tried as it is; when the brokers refuse
// it, the error tells.
func TestWhiteSpaceInAPasswordIsTold(t *testing.T) {
	t.Parallel()
	keyring, err := newKeyring(Security{Mechanism: Plain, Secret: secretText{text: `{"username":"archive","password":"hunter2\n"}`}})
	if err != nil {
		t.Fatal(err)
	}
	if err := keyring.readyOptions(t.Context()); err != nil {
		t.Fatal(err)
	}
	if where := keyring.secretPlace(); !strings.Contains(where, "field password begins or ends with white space") || strings.Contains(where, "hunter2") {
		t.Errorf("where: %s", where)
	}
}

func TestSecurityThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for want, security := range map[string]Security{
		`"GSSAPI" is unknown`:                          {Mechanism: "GSSAPI"},
		"PLAIN needs a secret":                         {Mechanism: Plain},
		"AWS_MSK_IAM needs TLS and credentials of AWS": {Mechanism: AWSIAM, TLS: true},
	} {
		if _, err := New(Config{Brokers: []string{"127.0.0.1:1"}, Security: security}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}

// A secret that cannot be read is not the network's fault.
func TestSecretThatCannotBeRead(t *testing.T) {
	t.Parallel()
	cluster, _ := startCluster(t)
	cause := errors.New("access denied")
	client := connect(t, Config{Brokers: cluster.ListenAddrs(), Security: Security{Mechanism: Plain, Secret: secretText{err: cause}}})
	_, _, err := client.Topics(t.Context())
	if !errors.Is(err, cause) || strings.Contains(err.Error(), "the network between") {
		t.Errorf("topics: error %v", err)
	}
}

// changing is a secret that changes at every read.
type changing struct{ texts chan string }

func (c changing) Read(context.Context) ([]byte, error) { return []byte(<-c.texts), nil }
func (c changing) String() string                       { return "secret two" }

func login(password string) string {
	text, _ := json.Marshal(map[string]string{"username": "archive", "password": password})
	return string(text)
}

// One refusal leads to one more read and, if that says something else, to one
// more try; a secret that says the same is not tried again.
func TestRefusedCredentialsAreReadAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		passwords []string
		works     bool
	}{
		"changed":       {[]string{"old", "new"}, true},
		"not changed":   {[]string{"old", "old"}, false},
		"changed wrong": {[]string{"old", "older"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := changing{make(chan string, 10)}
			for _, password := range test.passwords {
				secret.texts <- login(password)
			}
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-256", "archive", "new"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Close)
			client, err := newClient(Config{Brokers: cluster.ListenAddrs(), Security: Security{Mechanism: ScramSHA256, Secret: secret}}, 5*testPatience)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(client.Close)
			_, topics, err := client.Topics(t.Context())
			if test.works && (err != nil || len(topics) != 1) {
				t.Errorf("%d topics, error %v", len(topics), err)
			}
			if !test.works && !errors.Is(err, io.EOF) { // kfake hangs up
				t.Errorf("error %v", err)
			}
			if left := len(secret.texts); left != 0 {
				t.Errorf("%d reads of the secret are left", left)
			}
		})
	}
}

// A token is asked for once, and again only when a broker refuses it.
func TestTokensAreKept(t *testing.T) {
	t.Parallel()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"token","token_type":"bearer","expires_in":3600}`))
	}))
	t.Cleanup(server.Close)
	secret := secretText{text: `{"tokenEndpoint":"` + server.URL + `","clientId":"a","clientSecret":"b"}`}
	keyring, err := newKeyring(Security{TLS: true, Mechanism: OAuthBearer, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	get := func() {
		t.Helper()
		c, err := keyring.getCredentials(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if token, err := c.bearerToken(); err != nil || token != "token" {
			t.Errorf("token %q, error %v", token, err)
		}
	}
	get()
	get()
	if asked != 1 {
		t.Errorf("asked for %d tokens, want 1", asked)
	}
	again, err := keyring.renewSecret(t.Context(), kerr.SaslAuthenticationFailed, time.Now())
	if err != nil || !again {
		t.Errorf("renewed %v, error %v", again, err)
	}
	get()
	if asked != 2 {
		t.Errorf("asked for %d tokens after a refusal, want 2", asked)
	}
}

// Credentials never follow a redirect, and an answer is never repeated.
func TestTokenEndpointIsNotTrusted(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
		"echo":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "hunter2", http.StatusBadRequest) },
		"nothing": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"hunter2":1}`)) },
		"garbage": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`hunter2`)) },
	} {
		elsewhere := false
		mux := http.NewServeMux()
		mux.HandleFunc("/", answer)
		mux.HandleFunc("/elsewhere", func(http.ResponseWriter, *http.Request) { elsewhere = true })
		server := httptest.NewServer(mux)
		t.Cleanup(server.Close)
		c, err := readCredentials(Security{Mechanism: OAuthBearer}, []byte(`{"tokenEndpoint":"`+server.URL+`/","clientId":"a","clientSecret":"hunter2"}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.bearerToken(); err == nil || strings.Contains(err.Error(), "hunter2") || elsewhere {
			t.Errorf("%s: error %v, redirect followed: %v", name, err, elsewhere)
		}
	}
}

// All that the secret says reaches the broker, by each mechanism: what is read and not sent shows
// only with a cluster that asks for it, such as for extensions (KIP-342).
func TestWhatASecretSaysIsSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mechanism string
		secret    string
		first     string // that the client sends
	}{
		{Plain, `{"username":"a","password":"b"}`, "\x00a\x00b"},
		{OAuthBearer, `{"token":"abc"}`, "n,,\x01auth=Bearer abc\x01\x01"},
		{OAuthBearer, `{"token":"abc","extensions":{"logicalCluster":"lkc-1","identityPoolId":"pool-2"}}`,
			"n,,\x01auth=Bearer abc\x01identityPoolId=pool-2\x01logicalCluster=lkc-1\x01\x01"},
		{ScramSHA256, `{"username":"a","password":"b"}`, "n,,n=a,r="},
		{ScramSHA512, `{"username":"a","password":"b"}`, "n,,n=a,r="},
	} {
		keyring, err := newKeyring(Security{TLS: true, Mechanism: c.mechanism, Secret: secretText{text: c.secret}})
		if err != nil {
			t.Fatal(err)
		}
		mechanism := keyring.newMechanism()
		_, sent, err := mechanism.Authenticate(t.Context(), "broker:9092")
		if err != nil || mechanism.Name() != c.mechanism || !strings.HasPrefix(string(sent), c.first) {
			t.Errorf("%s, %s: sends %q as %s, error %v; want %q", c.mechanism, c.secret, sent, mechanism.Name(), err, c.first)
		}
	}
}
