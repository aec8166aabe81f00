//go:build real

package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// guarded is a sandbox with a cluster that asks who is there. The tests themselves reach it
// by its plaintext listener, where they may do anything; the gateway by the one that has
// TLS and passwords, with the rights that docs/gateway.md names and no others.
type guarded struct {
	*sandbox
	authority string // file with the certificate of the authority that all certificates are of
	users     string // file for --users
}

func newGuarded(t *testing.T) guarded {
	t.Helper()
	const password = "password-of-the-gateway"
	ctx, broker, dir := t.Context(), localservices.SecureKafkaForTest(t), t.TempDir()
	s, err := newSandbox(ctx, broker.Addr(), localservices.DynamoDB(t), localservices.S3(t))
	must(t, err)
	must(t, broker.SetPassword(ctx, "gateway", password))
	client, err := s.client()
	must(t, err)
	defer client.Close()
	for _, rules := range []*kadm.ACLBuilder{
		kadm.NewACLs().Topics("*").Operations(kadm.OpRead, kadm.OpDescribe),
		kadm.NewACLs().Groups("*").Operations(kadm.OpRead, kadm.OpDescribe),
		kadm.NewACLs().Clusters().Operations(kadm.OpDescribe),
	} {
		rules = rules.ResourcePatternType(kadm.ACLPatternLiteral).Allow("User:gateway").AllowHosts("*")
		allowed, err := kadm.NewClient(client).CreateACLs(ctx, rules)
		for _, one := range allowed {
			err = errors.Join(err, one.Err)
		}
		must(t, err)
	}
	certificate, key, err := broker.Authority.Issue("gateway")
	must(t, err)
	secret, err := json.Marshal(map[string]string{"username": "gateway", "password": password, "ca": broker.Authority.Certificate})
	must(t, err)
	g := guarded{s, filepath.Join(dir, "authority.pem"), filepath.Join(dir, "users.txt")}
	for file, content := range map[string]string{
		"authority.pem": broker.Authority.Certificate, "cert.pem": certificate, "key.pem": key, "secret.json": string(secret),
	} {
		must(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600))
	}
	s.env = append(s.env, "GATEWAY_BROKERS="+broker.Listener(localservices.ListenerSASL), "GATEWAY_SECRET=file:"+filepath.Join(dir, "secret.json"))
	return g
}

// listen starts a gateway with TLS and users.
func (g guarded) listen(t *testing.T) (address string) {
	t.Helper()
	own, dir := *g.sandbox, filepath.Dir(g.users)
	own.env = slices.Clone(g.env)
	for i, setting := range own.env {
		if value, is := strings.CutPrefix(setting, "GATEWAY_BROKERS="); is {
			own.env[i] = "BIFROST_BROKERS=" + value
		} else if value, is := strings.CutPrefix(setting, "GATEWAY_SECRET="); is {
			own.env[i] = "BIFROST_KAFKA_SECRET=" + value
		}
	}
	own.env = append(own.env, "BIFROST_SECURITY_PROTOCOL=SASL_SSL", "BIFROST_SASL_MECHANISM=SCRAM-SHA-512")
	address, stop := own.serving(t, "--listen", "127.0.0.1:0", "--users", g.users,
		"--tls-cert", filepath.Join(dir, "cert.pem"), "--tls-key", filepath.Join(dir, "key.pem"))
	t.Cleanup(func() { stop(syscall.SIGTERM) })
	return address
}

// addUser adds a line to the file of users.
func (g guarded) addUser(t *testing.T, name, password, topics, groups string) {
	t.Helper()
	command := g.command(t.Context(), "serve", "hash-password", name, "--topics", topics, "--groups", groups)
	command.Stdin = strings.NewReader(password + "\n")
	line, err := command.Output()
	must(t, err)
	file, err := os.OpenFile(g.users, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = file.Write(line)
	must(t, errors.Join(err, file.Close()))
}

// as makes a program of testdata/gateway log in.
func (g guarded) as(command *exec.Cmd, mechanism, user, password string) *exec.Cmd {
	command.Env = append(command.Environ(), "KAFKA_LOGIN="+mechanism+":"+user+":"+password, "KAFKA_CA="+g.authority)
	return command
}

// kcatAs is kcat that logs in.
func (g guarded) kcatAs(t *testing.T, mechanism, user, password string, args ...string) *exec.Cmd {
	t.Helper()
	for _, setting := range []string{"security.protocol=SASL_SSL", "sasl.mechanisms=" + mechanism, "sasl.username=" + user,
		"sasl.password=" + password, "ssl.ca.location=" + g.authority, "auto.offset.reset=earliest"} {
		args = append([]string{"-X", setting}, args...)
	}
	return kcat(t, args...)
}

// franzAs makes franz-go log in.
func (g guarded) franzAs(t *testing.T, user, password string) []kgo.Opt {
	t.Helper()
	authority, err := os.ReadFile(g.authority)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return []kgo.Opt{
		kgo.DialTLSConfig(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}),
		kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism()),
	}
}

// mustFail runs a program that has to end with an error and to name the problem.
func mustFail(t *testing.T, command *exec.Cmd, problem string) {
	t.Helper()
	out, err := command.CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte(problem)) {
		t.Errorf("%v: %v, want an error with %q in\n%.3000s", command.Args[len(command.Args)-1], err, problem, out)
	}
}

// Clients log in to a gateway by TLS, and the gateway to the cluster: each reads as a
// group from the archive to the live end. What is not allowed to the user is refused, and so is
// another password.
func TestClientsLogInToAGateway(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	topic, ctx := g.topics+"-orders", t.Context()
	must(t, g.topic(ctx, topic, 2))
	must(t, g.topic(ctx, g.topics+"-secrets", 1))
	var want []string
	write := func(from, to int) {
		for number := range int32(2) {
			records := numbered(topic, number, from, to)
			must(t, g.produceBy(t, kgo.GzipCompression(), topic, records...))
			for i, r := range records {
				r.Offset = int64(from + i)
				want = append(want, recordLine(r))
			}
		}
	}
	write(0, 50)
	must(t, g.produce(ctx, numbered(g.topics+"-secrets", 0, 0, 1)...))
	g.bifrost(t, "flush")
	write(50, 100)
	g.cutBelow(t, topic, 2, 40)
	want = withoutHeaders(want)
	g.addUser(t, "alice", "wonderland", g.topics+"-orders", "alice-*")
	g.addUser(t, "bob", "builder", g.topics+"-secrets", "bob-*")
	gateway := g.listen(t)

	for name, c := range map[string]struct {
		program        readingProgram
		mechanism      string
		group, produce string // what is refused to alice: a group that is not hers, and to write
	}{
		"java":         {java, "SCRAM-SHA-512", "GroupAuthorizationException", "TopicAuthorizationException"},
		"librdkafka":   {librdkafka, "SCRAM-SHA-256", "GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED"},
		"kafka-python": {python, "SCRAM-SHA-512", "GroupAuthorizationFailedError", "TopicAuthorizationFailedError"},
		"aiokafka":     {aiokafka, "PLAIN", "GroupAuthorizationFailedError", "TopicAuthorizationFailedError"},
		"kafkajs":      {kafkajs, "PLAIN", "GROUP_AUTHORIZATION_FAILED", "TOPIC_AUTHORIZATION_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			read := fmt.Sprintf("group:alice-%s:%d:1", name, len(want))
			printed := sectionsOf(printedBy(t, g.as(c.program(t, gateway, topic, read, "subscribe", "produce"), c.mechanism, "alice", "wonderland")))
			sameRecords(t, strings.Join(printed[0].lines, "\n"), want)
			if group, produce := printed[1].lines[0], printed[2].lines[0]; group != "error "+c.group || produce != "error "+c.produce {
				t.Errorf("a group that is not hers: %q, a write: %q", group, produce)
			}
		})
	}
	t.Run("aiokafka's errors", func(t *testing.T) {
		t.Parallel()
		group := fmt.Sprintf("group:bob-aiokafka:%d:1", len(want))
		mustFail(t, g.as(aiokafka(t, gateway, topic, group), "SCRAM-SHA-256", "bob", "builder"), "TopicAuthorizationFailedError")
		mustFail(t, g.as(aiokafka(t, gateway, topic, "earliest"), "PLAIN", "alice", "guess"), "SaslAuthenticationFailed")
	})
	t.Run("franz-go", func(t *testing.T) {
		t.Parallel()
		alice := g.franzAs(t, "alice", "wonderland")
		sameRecords(t, franzGroup(t, gateway, topic, "alice-franz", len(want), 1, alice...), want)
		client, err := kgo.NewClient(append(alice, kgo.SeedBrokers(gateway))...)
		must(t, err)
		defer client.Close()
		listed, err := kadm.NewClient(client).ListTopics(ctx)
		must(t, err)
		if names := listed.Names(); !slices.Equal(names, []string{topic}) {
			t.Errorf("alice sees %v", names)
		}
		read := kadm.Offsets{}
		read.AddOffset(topic, 0, 1, -1)
		if err := kadm.NewClient(client).CommitAllOffsets(ctx, "bob-franz", read); !errors.Is(err, kerr.GroupAuthorizationFailed) {
			t.Errorf("a commit for a group of bob's: %v", err)
		}
		others, err := g.client()
		must(t, err)
		defer others.Close()
		if committed, err := kadm.NewClient(others).FetchOffsets(ctx, "bob-franz"); err != nil || len(committed) > 0 {
			t.Errorf("in the cluster it has committed %v, %v", committed, err)
		}
	})
	t.Run("kcat", func(t *testing.T) {
		t.Parallel()
		group := []string{"-q", "-b", gateway, "-f", kcatFormat, "-c", fmt.Sprint(len(want)), "-G"}
		printed := printedBy(t, g.kcatAs(t, "PLAIN", "alice", "wonderland", append(group, "alice-kcat", topic)...))
		sameRecords(t, kcatLines(t, printed), want)
		endsWith(t, g.kcatAs(t, "PLAIN", "alice", "wonderland", append(group, "bob-kcat", topic)...), "Group authorization failed", nil)
		endsWith(t, g.kcatAs(t, "SCRAM-SHA-512", "bob", "builder", "-C", "-e", "-b", gateway, "-t", topic), "Topic authorization failed", nil)
		endsWith(t, g.kcatAs(t, "PLAIN", "alice", "guess", "-C", "-e", "-b", gateway, "-t", topic), "user name or password is wrong", nil)
	})
	goClients := map[string][2]string{"sarama": {"SCRAM-SHA-512", fmt.Sprint("earliest:", len(want))}, "kafka-go": {"SCRAM-SHA-256", "earliest"}}
	for name, how := range goClients {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := goProgram(name)
			printed := sectionsOf(printedBy(t, g.as(program(t, gateway, topic, how[1]), how[0], "alice", "wonderland")))
			sameRecords(t, strings.Join(printed[0].lines, "\n"), want)
			mustFail(t, g.as(program(t, gateway, topic, how[1]), how[0], "bob", "builder"), "uthoriz")
		})
	}
	t.Run("who does not say who it is", func(t *testing.T) { g.mustRefuseStrangers(t, gateway) })
}

// mustRefuseStrangers checks that one who speaks no TLS, or does not log in, is told nothing.
func (g guarded) mustRefuseStrangers(t *testing.T, gateway string) {
	t.Helper()
	for name, options := range map[string][]kgo.Opt{
		"no TLS":   nil,
		"no login": g.franzAs(t, "", "")[:1], // TLS alone
	} {
		client, err := kgo.NewClient(append(options, kgo.SeedBrokers(gateway), kgo.RetryTimeout(time.Second))...)
		must(t, err)
		if listed, err := kadm.NewClient(client).ListTopics(t.Context()); err == nil {
			t.Errorf("%s: sees %v", name, listed.Names())
		}
		client.Close()
	}
}
