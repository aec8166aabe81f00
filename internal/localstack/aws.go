package localstack

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// StartAWS installs ministack if need be and starts it, empty, with TLS and with
// the policies of roles and buckets enforced. Deployed functions run as its child
// processes and inherit its environment: that is how they find the endpoint and
// trust its certificate, as in AWS with no parameter of the template.
func StartAWS(ctx context.Context) (*Server, error) {
	if err := Install(ctx, nil, PartAWS); err != nil {
		return nil, err
	}
	dir, err := runDir(PartAWS.name)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	certificate, key, err := writeCertificate(dir)
	if err != nil {
		return nil, err
	}
	program, err := Tool(PartAWS.name)
	if err != nil {
		return nil, err
	}
	s := &Server{Endpoint: endpoint("https://" + address(port)), dir: dir}
	s.Endpoint.CABundle = certificate
	env := append(s.Endpoint.Env(),
		"PATH="+os.Getenv("PATH"), "HOME="+dir, "TMPDIR="+dir,
		"BIND_HOST=127.0.0.1", "GATEWAY_PORT="+strconv.Itoa(port), "MINISTACK_REGION="+Region,
		"USE_SSL=1", "MINISTACK_SSL_CERT="+certificate, "MINISTACK_SSL_KEY="+key,
		"AUTH=true", "IOT_MTLS_ENABLED=0",
	)
	s.process, err = launch{name: PartAWS.name, dir: dir, args: []string{program}, env: env}.start()
	if err != nil {
		return nil, err
	}
	if err := s.process.waitFor(ctx, s.answers); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

// writeCertificate writes a certificate for 127.0.0.1 that vouches for itself,
// and its key, and returns the paths of both.
func writeCertificate(dir string) (certificate, key string, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", fmt.Errorf("localstack: make a certificate: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "bifrost local stack"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:     []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return "", "", fmt.Errorf("localstack: make a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", "", fmt.Errorf("localstack: make a certificate: %w", err)
	}
	certificate, key = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	return certificate, key, errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600),
	)
}
