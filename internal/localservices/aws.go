// The local AWS.

package localservices

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

// startMinistack starts ministack. It takes what a function has written within 50
// ms of its answer for the log of that invocation; what comes later, on a busy
// machine, stays in its memory until the same environment is invoked again, which
// may be never. AWS loses no line of a log, so here an invocation waits for its
// lines.
const startMinistack = `import sys
from ministack.core.lambda_runtime import Worker
Worker._drain_stderr_bounded.__defaults__ = (2, 0.3, 60) # seconds: to the first line, after a line, in all
from ministack.app import main
sys.exit(main())`

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
	authority, certificate, key, err := writeCertificate(dir)
	if err != nil {
		return nil, err
	}
	python, err := Tool("python-ministack")
	if err != nil {
		return nil, err
	}
	s := &Server{Endpoint: endpoint("https://" + address(port)), dir: dir}
	s.Endpoint.CABundle = authority
	env := append(s.Endpoint.Env(),
		"PATH="+os.Getenv("PATH"), "HOME="+dir, "TMPDIR="+dir,
		"BIND_HOST=127.0.0.1", "GATEWAY_PORT="+strconv.Itoa(port), "MINISTACK_REGION="+Region,
		"USE_SSL=1", "MINISTACK_SSL_CERT="+certificate, "MINISTACK_SSL_KEY="+key,
		"AUTH=true", "IOT_MTLS_ENABLED=0",
	)
	s.process, err = launch{name: PartAWS.name, dir: dir, args: []string{python, "-c", startMinistack}, env: env}.start()
	if err != nil {
		return nil, err
	}
	if err := s.process.waitFor(ctx, s.answers); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

// writeCertificate writes a certificate for 127.0.0.1, the authority behind it,
// and its key, and returns the paths.
func writeCertificate(dir string) (authority, certificate, key string, err error) {
	a, err := NewAuthority()
	if err != nil {
		return "", "", "", err
	}
	certificatePEM, keyPEM, err := a.Issue("bifrost local stack")
	if err != nil {
		return "", "", "", err
	}
	authority = filepath.Join(dir, "ca.crt")
	certificate, key = filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key")
	return authority, certificate, key, errors.Join(
		os.WriteFile(authority, []byte(a.Certificate), 0o644),
		os.WriteFile(certificate, []byte(certificatePEM), 0o644),
		os.WriteFile(key, []byte(keyPEM), 0o600),
	)
}
