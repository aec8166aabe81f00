package localservices

import (
	"crypto/tls"
	"crypto/x509"
	"testing"
)

// A certificate is one that its authority vouches for, and not one that vouches
// for itself, which some libraries tell by the names alone.
func TestAuthority(t *testing.T) {
	t.Parallel()
	authority, err := NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	certificate, key, err := authority.Issue("bifrost local stack")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(authority.Certificate))
	for _, name := range []string{"localhost", "127.0.0.1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if pair.Leaf.Subject.String() == pair.Leaf.Issuer.String() {
		t.Errorf("%s is its own issuer", pair.Leaf.Subject)
	}
}
