// DynamoDB Local or an S3 server, as endpoints for the SDK.

package localservices

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Region is where everything that runs here says it is.
const Region = "eu-west-1"

// AccessKeyID is what everything that runs here takes.
const AccessKeyID = "test"

// An Endpoint is where an AWS service is served on this machine, and the
// credentials that it takes.
type Endpoint struct {
	URL             string // http://127.0.0.1:port or https://127.0.0.1:port
	Region          string
	AccessKeyID     string
	SecretAccessKey string
	CABundle        string // file with the certificate to trust; empty without TLS
}

// Config returns the settings for a client of the AWS SDK. The host of the URL
// is an address, so the S3 client uses path-style requests by itself.
func (e Endpoint) Config() aws.Config {
	config := aws.Config{
		Region:       e.Region,
		BaseEndpoint: aws.String(e.URL),
		Credentials:  credentials.NewStaticCredentialsProvider(e.AccessKeyID, e.SecretAccessKey, ""),
	}
	if e.CABundle != "" {
		config.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(e.trust)
	}
	return config
}

// Env returns the endpoint as the environment variables that AWS's own tools and
// libraries read.
func (e Endpoint) Env() []string {
	env := []string{
		"AWS_ENDPOINT_URL=" + e.URL,
		"AWS_REGION=" + e.Region,
		"AWS_DEFAULT_REGION=" + e.Region,
		"AWS_ACCESS_KEY_ID=" + e.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + e.SecretAccessKey,
	}
	if e.CABundle != "" {
		env = append(env, "AWS_CA_BUNDLE="+e.CABundle)
	}
	return env
}

// HTTPClient returns a client that trusts the endpoint and keeps no connection.
func (e Endpoint) HTTPClient() *http.Client {
	transport := &http.Transport{DisableKeepAlives: true}
	if e.CABundle != "" {
		e.trust(transport)
	}
	return &http.Client{Transport: transport}
}

// trust makes a transport trust the certificate of the endpoint and no other. A
// bundle that cannot be read leaves none, so that every request fails.
func (e Endpoint) trust(transport *http.Transport) {
	roots := x509.NewCertPool()
	if bundle, err := os.ReadFile(e.CABundle); err == nil {
		roots.AppendCertsFromPEM(bundle)
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	// As the services of AWS, which speak HTTP/1.1: the local one stalls for more than a
	// minute on HTTP/2 when it is busy.
	transport.ForceAttemptHTTP2, transport.TLSNextProto = false, map[string]func(string, *tls.Conn) http.RoundTripper{}
}

func endpoint(url string) Endpoint {
	return Endpoint{URL: url, Region: Region, AccessKeyID: AccessKeyID, SecretAccessKey: "test-secret"}
}

// A Server is a running part that speaks HTTP.
type Server struct {
	Endpoint Endpoint
	dir      string
	process  *process
}

// PID returns the process id of the server, which leads its own process group.
func (s *Server) PID() int { return s.process.cmd.Process.Pid }

// Remove kills the server and removes its data.
func (s *Server) Remove() error {
	return errors.Join(s.process.stop(syscall.SIGKILL), os.RemoveAll(s.dir))
}

// StartDynamoDB installs DynamoDB Local if need be and starts it, without tables,
// in memory. It listens on every interface: it has no option for one.
func StartDynamoDB(ctx context.Context) (*Server, error) {
	return startServer(ctx, PartDynamoDB, func(_ string, port int) ([]string, error) {
		jars, err := PartDynamoDB.folder()
		if err != nil {
			return nil, err
		}
		return java(PartDynamoDB, "-Xmx1g", "-Djava.library.path="+jars,
			"com.amazonaws.services.dynamodbv2.local.main.ServerRunner",
			"-inMemory", "-sharedDb", "-disableTelemetry", "-port", strconv.Itoa(port))
	})
}

// StartS3 installs versitygw if need be and starts it, without buckets. A bucket
// keeps versions once it is told to.
func StartS3(ctx context.Context) (*Server, error) {
	return startServer(ctx, PartS3, func(dir string, port int) ([]string, error) {
		program, err := Tool("versitygw")
		if err != nil {
			return nil, err
		}
		data, metadata := filepath.Join(dir, "data"), filepath.Join(dir, "metadata")
		versions := filepath.Join(dir, "versions")
		if err := errors.Join(os.Mkdir(data, 0o755), os.Mkdir(metadata, 0o755), os.Mkdir(versions, 0o755)); err != nil {
			return nil, fmt.Errorf("localservices: start %s: %w", PartS3, err)
		}
		login := endpoint("")
		// The sidecar keeps metadata in files: not every file system has
		// extended attributes.
		return []string{program, "--access", login.AccessKeyID, "--secret", login.SecretAccessKey,
			"--region", login.Region, "--port", address(port), "--quiet", "--keep-alive",
			"posix", "--sidecar", metadata, "--versioning-dir", versions, data}, nil
	})
}

// startServer starts a part on a free port and returns when it answers anything.
func startServer(ctx context.Context, part Part, args func(dir string, port int) ([]string, error)) (*Server, error) {
	if err := Install(ctx, nil, part); err != nil {
		return nil, err
	}
	dir, err := runDir(part.name)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	command, err := args(dir, port)
	if err != nil {
		return nil, err
	}
	s := &Server{Endpoint: endpoint("http://" + address(port)), dir: dir}
	if s.process, err = (launch{name: part.name, dir: dir, args: command}).start(); err != nil {
		return nil, err
	}
	if err := s.process.waitFor(ctx, s.answers); err != nil {
		return nil, errors.Join(err, s.Remove())
	}
	return s, nil
}

// answers returns nil if the server answers a request, with whatever status.
func (s *Server) answers(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint.URL, nil)
	if err != nil {
		return err
	}
	response, err := s.Endpoint.HTTPClient().Do(request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}
