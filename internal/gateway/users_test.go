package gateway

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/bifrost-archive/bifrost/baldr"
)

// certificate is one for 127.0.0.1, and who believes it.
func certificate(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	web := httptest.NewTLSServer(http.NotFoundHandler())
	defer web.Close()
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	return &tls.Config{Certificates: web.TLS.Certificates}, &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

func users(t *testing.T, lines ...string) *Users {
	t.Helper()
	u, err := ReadUsers(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func hashed(t *testing.T, name, password string, topics ...string) string {
	t.Helper()
	line, err := HashPassword(name, password, topics, nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(line, password) {
		t.Fatalf("the line has the password: %s", line)
	}
	return line
}

// A user sees and reads the allowed topics, by each way of saying who it is; nobody
// else gets in.
func TestUsersSeeTheirTopics(t *testing.T) {
	t.Parallel()
	a := newArchive()
	for _, name := range []string{"orders", "pages"} {
		a.archive(partitionOf(name, 0), 5, baldr.Options{}, some(0, 5)...)
	}
	server, believes := certificate(t)
	all := users(t, "# who may read", "", hashed(t, "alice", "wonderland", "ord*"), hashed(t, "bob", "builder"))
	s := serve(t, a, func(o *Options) { o.Users, o.TLS = all, server })
	ways := map[string]func(user, password string) sasl.Mechanism{
		"256":   func(u, p string) sasl.Mechanism { return scram.Auth{User: u, Pass: p}.AsSha256Mechanism() },
		"512":   func(u, p string) sasl.Mechanism { return scram.Auth{User: u, Pass: p}.AsSha512Mechanism() },
		"plain": func(u, p string) sasl.Mechanism { return plain.Auth{User: u, Pass: p}.AsMechanism() },
	}
	for way, as := range ways {
		client := s.client(t, kgo.DialTLSConfig(believes), kgo.SASL(as("alice", "wonderland")), kgo.FetchMaxWait(10*time.Millisecond),
			kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"orders": {0: kgo.NewOffset().AtStart()}}))
		topics, err := kadm.NewClient(client).ListTopics(t.Context())
		if err != nil || strings.Join(topics.Names(), " ") != "orders" {
			t.Errorf("%s: topics %v, %v", way, topics.Names(), err)
		}
		if fetches := client.PollFetches(t.Context()); fetches.Err() != nil || len(fetches.Records()) != 5 {
			t.Errorf("%s: %d records, %v", way, len(fetches.Records()), fetches.Err())
		}
		for _, name := range []string{"pages", "nothing"} { // which one exists is not told
			if _, err := kadm.NewClient(client).ListTopics(t.Context(), name); !errors.Is(err, kerr.TopicAuthorizationFailed) {
				t.Errorf("%s: topic %s: %v", way, name, err)
			}
			request := sample(2, 6).(*kmsg.ListOffsetsRequest)
			request.Topics[0].Topic = name
			listed, err := client.Broker(nodeID).Request(t.Context(), request)
			if err != nil || listed.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode != kerr.TopicAuthorizationFailed.Code {
				t.Errorf("%s: offsets of topic %s: %+v, %v", way, name, listed, err)
			}
		}
		if got := s.pull(t, client, "pages", 0, 0, 0).answer; got.ErrorCode == 0 || len(got.RecordBatches) > 0 {
			t.Errorf("%s: a fetch by the ID of another topic has %d bytes", way, len(got.RecordBatches))
		}
		for _, wrong := range [][2]string{{"alice", "Wonderland"}, {"bob", "wonderland"}, {"mallory", "wonderland"}, {"alice", ""}} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			other := s.client(t, kgo.DialTLSConfig(believes), kgo.SASL(as(wrong[0], wrong[1])), kgo.RequestRetries(0))
			if err := other.Ping(ctx); err == nil {
				t.Errorf("%s: %v got in", way, wrong)
			}
			cancel()
		}
	}
	nobody := s.client(t, kgo.DialTLSConfig(believes), kgo.RequestRetries(0))
	if err := nobody.Ping(t.Context()); err == nil {
		t.Error("who does not say who it is got in")
	}
}

// librdkafka before 2.6.1 says its nonce twice in its last message. Kafka lets it in, and so
// does the gateway, if the password is right and nothing else is wrong.
func TestClientsThatRepeatTheirNonce(t *testing.T) {
	t.Parallel()
	a, _ := small()
	all := users(t, hashed(t, "alice", "wonderland", "*"))
	s := serve(t, a, func(o *Options) { o.Users = all })
	for name, c := range map[string]struct {
		repeating
		in bool
	}{
		"right":               {repeating{"alice", "wonderland", "nonce", ""}, true},
		"another password":    {repeating{"alice", "wonderlanD", "nonce", ""}, false},
		"nobody":              {repeating{"mallory", "wonderland", "nonce", ""}, false},
		"another nonce":       {repeating{"alice", "wonderland", "ecnon", ""}, false},
		"thrice":              {repeating{"alice", "wonderland", "noncenonce", ""}, false},
		"on behalf of others": {repeating{"alice", "wonderland", "nonce", "a=bob"}, false},
		"as a library does":   {repeating{"alice", "wonderland", "", ""}, true},
	} {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			client := s.client(t, kgo.SASL(repeatingMechanism{c.repeating, mechanism}), kgo.RequestRetries(0))
			if err := client.Ping(t.Context()); (err == nil) != c.in {
				t.Errorf("%s, %s: %v", name, mechanism, err)
			}
		}
	}
}

// repeating is a client that says something before the nonce that it was given.
type repeating struct{ user, password, says, header string }

type repeatingMechanism struct {
	repeating
	name string
}

func (m repeatingMechanism) Name() string { return m.name }

func (m repeatingMechanism) Authenticate(context.Context, string) (sasl.Session, []byte, error) {
	bare := "n=" + m.user + ",r=nonce"
	return &repeatingSession{m, bare, ""}, []byte("n," + m.header + "," + bare), nil
}

type repeatingSession struct {
	repeatingMechanism
	bare, signature string
}

func (s *repeatingSession) Challenge(challenge []byte) (bool, []byte, error) {
	if bytes.HasPrefix(challenge, []byte("v=")) {
		if string(challenge) != s.signature {
			return false, nil, fmt.Errorf("the gateway signs %s, want %s", challenge, s.signature)
		}
		return true, nil, nil
	}
	hash := mechanisms[s.name].hash
	fields := strings.Split(string(challenge), ",")
	salt, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(fields[1], "s="))
	if err != nil {
		return false, nil, err
	}
	iterations, err := strconv.Atoi(strings.TrimPrefix(fields[2], "i="))
	if err != nil {
		return false, nil, err
	}
	salted, err := pbkdf2.Key(hash, s.password, salt, iterations, hash().Size())
	if err != nil {
		return false, nil, err
	}
	signed := func(key []byte, text string) []byte {
		sum := hmac.New(hash, key)
		sum.Write([]byte(text))
		return sum.Sum(nil)
	}
	final := "c=" + base64.StdEncoding.EncodeToString([]byte("n,"+s.header+",")) + ",r=" + s.says + strings.TrimPrefix(fields[0], "r=")
	clientKey := signed(salted, "Client Key")
	stored := hash()
	stored.Write(clientKey)
	proof := signed(stored.Sum(nil), s.bare+","+string(challenge)+","+final)
	subtle.XORBytes(proof, proof, clientKey)
	signature := signed(signed(salted, "Server Key"), s.bare+","+string(challenge)+","+final)
	s.signature = "v=" + base64.StdEncoding.EncodeToString(signature)
	return false, []byte(final + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// Without TLS no password goes over the wire, and before a client has said who it is,
// no other request is answered.
func TestBeforeTheLogin(t *testing.T) {
	t.Parallel()
	a, _ := small()
	all := users(t, hashed(t, "alice", "wonderland", "*"))
	s := serve(t, a, func(o *Options) { o.Users = all })
	refused := s.client(t, kgo.SASL(plain.Auth{User: "alice", Pass: "wonderland"}.AsMechanism()), kgo.RequestRetries(0))
	if err := refused.Ping(t.Context()); err == nil {
		t.Error("PLAIN without TLS got in")
	}
	if client := s.client(t, kgo.SASL(scram.Auth{User: "alice", Pass: "wonderland"}.AsSha512Mechanism())); client.Ping(t.Context()) != nil {
		t.Error("SCRAM without TLS did not get in")
	}
	for key, offered := range offers {
		answer, err := ask(t, dial(t, s), encoded(sample(key, offered.most), offered.most))
		if (err == nil) != offered.beforeLogin {
			t.Errorf("request %s before the login: %d bytes, %v", kmsg.NameForKey(key), len(answer), err)
		}
	}
	if _, err := ask(t, dial(t, s), make([]byte, smallRequest+1)); err == nil {
		t.Error("a large request before the login was read")
	}
}

func TestLinesOfUsersThatAreWrong(t *testing.T) {
	t.Parallel()
	good := hashed(t, "alice", "wonderland", "*")
	for _, file := range []string{
		"", "# nobody\n", "alice", "alice topics=*", good + "\n" + good, good + " topics=x", strings.Replace(good, "16384", "100", 1),
		strings.Replace(good, "SCRAM-SHA-256", "SCRAM-SHA-1", 1), strings.Replace(good, "topics=*", "topics=[", 1), "alice SCRAM-SHA-256=16384:AAAA:BBBB:CCCC",
		strings.Replace(good, "topics=*", "topcis=*", 1),
	} {
		if _, err := ReadUsers(strings.NewReader(file)); err == nil {
			t.Errorf("%q was taken", file)
		}
	}
	for _, name := range []string{"", "a b", "a=b", "#a"} {
		if _, err := HashPassword(name, "x", nil, nil); err == nil {
			t.Errorf("user %q was taken", name)
		}
	}
}
