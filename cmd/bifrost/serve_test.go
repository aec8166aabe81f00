package main

import (
	"crypto/tls"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/gateway"
)

// The archive is not shown to a network by mistake.
func TestServeListensOnThisMachineAlone(t *testing.T) {
	t.Parallel()
	both := gateway.Options{TLS: &tls.Config{MinVersion: tls.VersionTLS12}, Users: &gateway.Users{}}
	for _, c := range []struct {
		listen   string
		options  gateway.Options
		insecure bool
		ok       bool
	}{
		{listen: "127.0.0.1:9092", ok: true}, {listen: "[::1]:9092", ok: true}, {listen: "localhost:0", ok: true},
		{listen: "0.0.0.0:9092"}, {listen: ":9092"}, {listen: "10.0.0.7:9092"}, {listen: "archive:9092"}, {listen: "9092"},
		{listen: "0.0.0.0:9092", insecure: true, ok: true}, {listen: "0.0.0.0:9092", options: both, ok: true},
		{listen: "0.0.0.0:9092", options: gateway.Options{Users: both.Users}}, {listen: "0.0.0.0:9092", options: gateway.Options{TLS: both.TLS}},
	} {
		s := &serve{listen: c.listen, insecure: c.insecure}
		if err := s.checkListener(c.options); (err == nil) != c.ok {
			t.Errorf("--listen %s, users %t, TLS %t, --insecure %t: %v", c.listen, c.options.Users != nil, c.options.TLS != nil, c.insecure, err)
		}
	}
}

// What is excluded is not served, whatever else selects it.
func TestServeExcludesTopics(t *testing.T) {
	t.Parallel()
	s := &serve{listen: "127.0.0.1:0", memory: "512MB", compression: "none",
		topics: []string{"orders*"}, exclude: []string{"*-secret"}}
	o, err := s.serveOptions()
	if err != nil {
		t.Fatal(err)
	}
	for topic, want := range map[string]bool{"orders": true, "orders-secret": false, "pages": false} {
		if got := o.Topics.Selects(topic); got != want {
			t.Errorf("%s is served: %t, want %t", topic, got, want)
		}
	}
	s.exclude = []string{"[a"}
	if _, err := s.serveOptions(); err == nil {
		t.Error("a bad glob of --exclude is accepted")
	}
}

// A name of --topics that nobody has is a mistake; a glob may match what comes, and what is in the live cluster alone is
// archived soon.
func TestServeRefusesUnknownNames(t *testing.T) {
	t.Parallel()
	archived := []bifrost.Progress{{Partition: bifrost.Partition{Name: "orders"}},
		{Partition: bifrost.Partition{Name: "pages@" + bifrost.TopicID{1}.String()}}}
	live := []bifrost.Topic{{Name: "orders"}, {Name: "fresh"}}
	for names, says := range map[string]string{
		"": "", "orders": "", "fresh": "", "pages": "", "nothing*": "", "orders,ordr*,fresh": "",
		"ordrs":       `--topics ordrs: it is not in the archive; there are 3, such as "orders"`,
		"orders,frsh": `--topics frsh: it is not in the archive; there are 3, such as "fresh"`,
	} {
		var topics []string
		if names != "" {
			topics = strings.Split(names, ",")
		}
		err := unknownName(topics, archived, live, "the archive")
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", names, err, says)
		}
	}
	if err := unknownName([]string{"orders"}, nil, nil, "the archive"); err == nil || !strings.Contains(err.Error(), "no topic is in the archive yet") {
		t.Errorf("of an empty archive: %v", err)
	}
}
