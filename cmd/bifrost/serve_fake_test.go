//go:build !real

package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
)

// readFrom reads so many records of partition 0 of a topic.
func readFrom(t testing.TB, address, topic string, want int, options ...kgo.Opt) (values []string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(address), kgo.RequestRetries(1),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))...)
	must(t, err)
	defer client.Close()
	for len(values) < want {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return values, err
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values, nil
}

func topicsOf(t testing.TB, address string, options ...kgo.Opt) []string {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(address))...)
	must(t, err)
	defer client.Close()
	topics, err := kadm.NewClient(client).ListTopics(t.Context())
	must(t, err)
	return topics.Names()
}

// ping asks a gateway for anything at all, once.
func ping(t testing.TB, address string, options ...kgo.Opt) error {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(address), kgo.RequestRetries(0))...)
	must(t, err)
	defer client.Close()
	return client.Ping(t.Context())
}

// hashed is the line of a user, from the command.
func hashed(t testing.TB, password string, args ...string) string {
	t.Helper()
	var out strings.Builder
	code := executeCommand(t.Context(), app.New(strings.NewReader(password+"\n"), &out, io.Discard), append([]string{"serve", "hash-password"}, args...))
	if code != 0 {
		t.Fatalf("hash-password %v: %d", args, code)
	}
	return out.String()
}

// TestServeDoesWhatItsFlagsSay: the topics that are named and no others, to users who may
// read them, at the address that is advertised, with metrics; and behind the archive what
// is in the cluster, unless it is served cold.
func TestServeDoesWhatItsFlagsSay(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	orders, payments := s.topics+"-orders", s.topics+"-payments"
	for _, topic := range []string{orders, payments} {
		must(t, s.topic(t.Context(), topic, 1))
		must(t, s.produce(t.Context(), numbered(topic, 0, 0, 20)...))
	}
	s.inside(t, "flush").must(t, 0)
	must(t, s.produce(t.Context(), numbered(orders, 0, 20, 30)...))

	metrics := freeAddress(t)
	for _, mode := range []string{"--cold", "--cold=false"} {
		s.inside(t, "serve", mode, "--topics", "ordrs", "--listen", "127.0.0.1:0").must(t, 1, "--topics ordrs: it is not in the archive", "; there are ")
	}
	cold := s.served(t, "--topics", "*-orders", "--metrics", metrics, "--compression", "lz4", "--skip-lost")
	if topics := topicsOf(t, cold); len(topics) != 1 || topics[0] != orders {
		t.Errorf("cold it has %v", topics)
	}
	values, err := readFrom(t, cold, orders, 20)
	if err != nil || len(values) != 20 || values[19] != "value-0-19" {
		t.Errorf("cold: %d records, error %v", len(values), err)
	}
	for _, path := range []string{"/metrics", "/healthz", "/groups"} {
		answer, err := http.Get("http://" + metrics + path)
		must(t, err)
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}

	live, stop := s.serving(t, "--listen", "127.0.0.1:0")
	if values, err := readFrom(t, live, orders, 30); err != nil || len(values) != 30 || values[29] != "value-0-29" {
		t.Errorf("with the cluster behind it: %d records, error %v", len(values), err)
	}
	stop(syscall.SIGTERM)

	users := filepath.Join(t.TempDir(), "users")
	must(t, os.WriteFile(users, []byte(hashed(t, "the password", "alice", "--topics", "*-payments")), 0o600))
	guarded := s.served(t, "--users", users)
	alice := func(password string) kgo.Opt {
		return kgo.SASL(scram.Auth{User: "alice", Pass: password}.AsSha256Mechanism())
	}
	if values, err := readFrom(t, guarded, payments, 20, alice("the password")); err != nil || len(values) != 20 {
		t.Errorf("alice: %d records, error %v", len(values), err)
	}
	if topics := topicsOf(t, guarded, alice("the password")); len(topics) != 1 || topics[0] != payments {
		t.Errorf("alice sees %v", topics)
	}
	if err := ping(t, guarded, alice("another")); err == nil {
		t.Error("a wrong password is taken")
	}
	if err := ping(t, guarded); err == nil {
		t.Error("nobody has to say who they are")
	}
	if err := ping(t, guarded, alice("the password")); err != nil {
		t.Error(err)
	}
}

// TestServeRefusesWhatCannotBeMeant: before anything is opened.
func TestServeRefusesWhatCannotBeMeant(t *testing.T) {
	t.Parallel()
	f := newFakes(t)
	s := f.sandbox(t)
	for flags, c := range map[string]struct {
		code  int
		words string
	}{
		"--cold --groups x":                        {2, "there are no groups without a live cluster"},
		"--cold --groups [":                        {2, "--groups"},
		"--groups [":                               {2, "--groups"},
		"--cold --topics [":                        {2, "--topics"},
		"--cold --memory lots":                     {2, "--memory"},
		"--cold --memory 63MB":                     {2, "want at least 64MB"},
		"--cold --compression gzip":                {2, "want none, lz4, zstd"},
		"--cold --compression snappy":              {2, "want none, lz4, zstd"},
		"--cold --tls-cert x":                      {2, "want both or neither"},
		"--cold --tls-key x":                       {2, "want both or neither"},
		"--cold --tls-key /no/key --tls-cert /no":  {1, "--tls-cert /no"},
		"--cold --users /no/such/file":             {1, "no such file"},
		"--cold --listen 0.0.0.0:0":                {2, "--insecure"},
		"--cold --listen nowhere":                  {2, "want HOST:PORT"},
		"--cold --listen 127.0.0.1:0 --metrics xy": {1, "--metrics"},
	} {
		got := s.inside(t, append([]string{"serve"}, strings.Fields(flags)...)...)
		if got.code != c.code || !strings.Contains(got.talk, c.words) {
			t.Errorf("%s: exit code %d and %q, want %d and %q", flags, got.code, got.talk, c.code, c.words)
		}
	}
}
