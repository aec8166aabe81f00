package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
)

// A secret that is nowhere but in its name.
type namedSecret string

func (s namedSecret) String() string                       { return string(s) }
func (s namedSecret) Read(context.Context) ([]byte, error) { return nil, errors.New("not for tests") }

// An error as the clients of AWS give it.
type ofAWS struct {
	service string
	error
}

func (e ofAWS) Service() string { return e.service }
func (e ofAWS) Unwrap() error   { return e.error }

// TestWhatErrorsOfConnectionsMean: each error names the brokers, its own cause, and the
// setting that mends it by the name that the operator knows; and no other error's advice.
func TestWhatErrorsOfConnectionsMean(t *testing.T) {
	t.Parallel()
	secret := namedSecret("secret arn:of:it")
	plainWithTLS := Security{TLS: true, Mechanism: Plain, Secret: secret}
	tlsOnly := Security{TLS: true, Secret: secret}
	scramWithout := Security{Mechanism: ScramSHA512, Secret: secret}
	alert := &net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}
	eof := func(guess string) error { return fmt.Errorf("broker closed the connection; %s: %w", guess, io.EOF) }
	named := Security{Names: SettingNames{"--to-security-protocol", "--to-sasl-mechanism", "--to-secret"}}
	for name, c := range map[string]struct {
		security Security
		err      error
		words    []string
	}{
		"credentials refused":              {plainWithTLS, kerr.SaslAuthenticationFailed, []string{"refuse the credentials", "see secret arn:of:it"}},
		"credentials of IAM refused":       {Security{TLS: true, Mechanism: AWSIAM}, kerr.SaslAuthenticationFailed, []string{"refuse the credentials", "kafka-cluster statements of this role"}},
		"refused without a secret":         {Security{}, kerr.SaslAuthenticationFailed, []string{"no secret is given"}},
		"another mechanism":                {plainWithTLS, kerr.UnsupportedSaslMechanism, []string{"do not take the SASL mechanism PLAIN", "set BIFROST_SASL_MECHANISM"}},
		"no SASL at a port without TLS":    {scramWithout, kerr.IllegalSaslState, []string{"take no SASL at this port", "set BIFROST_SECURITY_PROTOCOL to PLAINTEXT and leave out BIFROST_SASL_MECHANISM"}},
		"no SASL at a port with TLS":       {plainWithTLS, kerr.IllegalSaslState, []string{"BIFROST_SECURITY_PROTOCOL to SSL and leave"}},
		"an answer of Kafka":               {plainWithTLS, kerr.TopicAuthorizationFailed, nil},
		"no secret to try":                 {plainWithTLS, &secretError{errors.New("no such secret")}, nil},
		"an unknown authority":             {tlsOnly, x509.UnknownAuthorityError{}, []string{"field ca: see secret arn:of:it"}},
		"another name":                     {tlsOnly, x509.HostnameError{Certificate: &x509.Certificate{}, Host: "b"}, []string{"a name that is in their certificates", "advertised.listeners"}},
		"expired":                          {tlsOnly, x509.CertificateInvalidError{Reason: x509.Expired}, []string{"has to be renewed, or the clock here set"}},
		"they want a certificate":          {tlsOnly, alert, []string{"a client certificate that they trust", "fields certificate and privateKey: see secret arn:of:it"}},
		"no TLS there":                     {tlsOnly, tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, []string{"no TLS there", "BIFROST_SECURITY_PROTOCOL to PLAINTEXT"}},
		"no TLS there, SASL":               {plainWithTLS, eof("using TLS when the broker is not"), []string{"no TLS there", "BIFROST_SECURITY_PROTOCOL to SASL_PLAINTEXT"}},
		"TLS there":                        {Security{}, errors.New("invalid response: tls alert record"), []string{"they speak TLS at this port", "BIFROST_SECURITY_PROTOCOL to SSL (or to SASL_SSL)"}},
		"TLS there, SASL":                  {scramWithout, errors.New("invalid response: tls alert record"), []string{"they speak TLS", "BIFROST_SECURITY_PROTOCOL to SASL_SSL,"}},
		"TLS there, credentials withheld":  {Security{Withheld: true}, errors.New("invalid response: tls alert record"), []string{"they speak TLS", "--to-same-security"}},
		"a web server":                     {Security{}, errors.New("got the beginning of an HTTP response"), []string{"that is a web server"}},
		"SASL is missing":                  {Security{}, eof("is SASL missing?"), []string{"who want SASL: set BIFROST_SECURITY_PROTOCOL to SASL_PLAINTEXT, with BIFROST_SASL_MECHANISM and BIFROST_KAFKA_SECRET"}},
		"SASL is missing, by flags":        {named, eof("is SASL missing?"), []string{"set --to-security-protocol to SASL_PLAINTEXT, with --to-sasl-mechanism and --to-secret"}},
		"SASL is missing, TLS":             {tlsOnly, eof("is SASL missing?"), []string{"BIFROST_SECURITY_PROTOCOL to SASL_SSL"}},
		"they hang up on credentials":      {plainWithTLS, eof("?"), []string{"may refuse the credentials", "see secret arn:of:it"}},
		"no such name":                     {Security{}, &net.DNSError{Err: "no such host", Name: "b"}, []string{"no machine has that name here"}},
		"nothing listens":                  {Security{}, fmt.Errorf("dial: %w", syscall.ECONNREFUSED), []string{"nothing listens there"}},
		"nobody answers":                   {Security{}, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, []string{"check their addresses, the network between"}},
		"nobody answered in time":          {Security{}, errImpatient, []string{"check their addresses"}},
		"a dial":                           {Security{}, errors.New("unable to dial: tls: no supported versions"), []string{"check their addresses"}},
		"cut in the middle":                {Security{}, io.ErrUnexpectedEOF, []string{"check their addresses"}},
		"an archive that contradicts":      {Security{Withheld: true}, errors.New("orders/0: offset 7 is in two objects"), nil},
		"an object that is not there":      {Security{}, ofAWS{"S3", errors.New("NoSuchKey")}, nil},
		"nothing listens at S3":            {Security{}, ofAWS{"S3", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}}, nil},
		"nobody answers, and withheld":     {Security{Withheld: true}, os.ErrDeadlineExceeded, []string{"check their addresses", "; they got none of the archived cluster's credentials"}},
		"a hang-up that tells nothing":     {Security{}, eof("?"), []string{"check their addresses"}},
		"TLS that ended for another cause": {tlsOnly, eof("?"), []string{"check their addresses"}},
	} {
		got := c.security.Explain([]string{"b1:9092", "b2:9092"}, c.err)
		if !errors.Is(got, c.err) {
			t.Errorf("%s: %v has lost its cause", name, got)
			continue
		}
		if c.words == nil && got != c.err {
			t.Errorf("%s: %v, want the error as it is", name, got)
		}
		for _, words := range append(c.words, strings.Repeat("b1:9092,b2:9092", min(1, len(c.words)))) {
			if !strings.Contains(got.Error(), words) {
				t.Errorf("%s: %v does not say %q", name, got, words)
			}
		}
		if withheld := strings.Contains(got.Error(), "--to-same-security"); withheld != (c.security.Withheld && c.words != nil) {
			t.Errorf("%s: %v: says that credentials were withheld: %v", name, got, withheld)
		}
	}
	if err := (Security{}).Explain([]string{"b"}, nil); err != nil {
		t.Errorf("no error is explained as %v", err)
	}
}
