package main

import (
	"crypto/tls"
	"testing"

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
