package config

import (
	"slices"
	"strings"
	"testing"
)

func TestBrokers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"one:9092":                             {"one:9092"},
		" one:9092 ,\ttwo.example.com.:65535 ": {"one:9092", "two.example.com.:65535"},
		"one:1,two:1,one:1":                    {"one:1", "two:1"},
		"127.0.0.1:9092":                       {"127.0.0.1:9092"},
		"[::1]:9092,[2001:db8::1]:9092":        {"[::1]:9092", "[2001:db8::1]:9092"},
		"[fe80::1%eth0]:9092":                  {"[fe80::1%eth0]:9092"},
		"kafka_1:9092":                         {"kafka_1:9092"},
	} {
		if got, err := ParseBrokers(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

// Each way to write a broker that is none says what is wrong with it.
func TestBrokersThatAreNone(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                "a broker is missing before or after a comma",
		"a:1,":                            "a broker is missing before or after a comma",
		",a:1":                            "a broker is missing before or after a comma",
		"a:1,,b:1":                        "a broker is missing before or after a comma",
		"PLAINTEXT://a:9092":              "begins with PLAINTEXT://, as listeners do: a broker is host:port alone, here a:9092",
		"SASL_SSL://a:9092":               "begins with SASL_SSL://",
		"a:1,http://b:9092":               "begins with http://",
		"a:1 b:1":                         "put commas between brokers",
		"a:1;b:1":                         "put commas between brokers",
		"a:1\nb:1":                        "put commas between brokers",
		"::1:9092":                        "an IPv6 address stands in brackets before its port, such as [::1]:9092",
		"::1":                             "an IPv6 address stands in brackets",
		"[::1]":                           "an IPv6 address stands in brackets before its port",
		"2001:db8::1:99999":               "an IPv6 address stands in brackets",
		"a:9092:9093":                     "an IPv6 address stands in brackets",
		"[a]b:1":                          "is not host:port",
		"a":                               "has no port: it is host:port, such as a:9092",
		"a:":                              "has no port from 1 to 65535",
		"a:0":                             "has no port from 1 to 65535",
		"a:65536":                         "has no port from 1 to 65535",
		"a:-1":                            "has no port from 1 to 65535",
		"a:+1":                            "has no port from 1 to 65535",
		"a:kafka":                         "has no port from 1 to 65535",
		":9092":                           "is not host:port",
		`"a:9092"`:                        "is neither a name nor an address",
		"[::1::2]:9092":                   "is neither a name nor an address",
		"a/kafka:9092":                    "is neither a name nor an address",
		"user@a:9092":                     "is neither a name nor an address",
		"a\u00a0:9092":                    "is neither a name nor an address",
		"arn:aws:kafka:eu-west-1:1:c/x/y": "is not host:port",
	} {
		if got, err := ParseBrokers(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, error %v; want %q in it", text, got, err, want)
		}
	}
}
