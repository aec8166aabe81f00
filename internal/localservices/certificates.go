// Certificates for what runs on this machine.

package localservices

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"time"
)

// An Authority issues certificates for what runs on this machine. Its key is
// nowhere but in memory.
type Authority struct {
	Certificate string // PEM
	parsed      *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes an authority that nobody knows yet.
func NewAuthority() (*Authority, error) {
	a := new(Authority)
	template := certificateFor("bifrost local authority")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	der, key, err := a.sign(template)
	if err != nil {
		return nil, err
	}
	a.parsed, err = x509.ParseCertificate(der)
	a.key, a.Certificate = key, encodePEM("CERTIFICATE", der)
	return a, err
}

// Issue issues a certificate for a server on 127.0.0.1 and localhost, or for a
// client of that common name, and its key, unencrypted in PKCS #8; both PEM.
func (a *Authority) Issue(name string) (certificate, key string, err error) {
	template := certificateFor(name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.IPAddresses, template.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{"localhost"}
	der, private, err := a.sign(template)
	if err != nil {
		return "", "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", fmt.Errorf("localservices: make a certificate: %w", err)
	}
	return encodePEM("CERTIFICATE", der), encodePEM("PRIVATE KEY", secret), nil
}

// sign makes a key and a certificate, signed by the authority or, for its own,
// by itself.
func (a *Authority) sign(template *x509.Certificate) (der []byte, key *ecdsa.PrivateKey, err error) {
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, nil, fmt.Errorf("localservices: make a certificate: %w", err)
	}
	parent, signer := template, key
	if a.parsed != nil {
		parent, signer = a.parsed, a.key
	}
	if der, err = x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer); err != nil {
		return nil, nil, fmt.Errorf("localservices: make a certificate: %w", err)
	}
	return der, key, nil
}

func certificateFor(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
	}
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
