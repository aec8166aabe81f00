// Services that tests share.

package localservices

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
)

// Addresses of parts that already run, for the tests of this process. They are
// set by "localservices run".
const (
	EnvKafka    = "BIFROST_TEST_KAFKA"    // host:port
	EnvDynamoDB = "BIFROST_TEST_DYNAMODB" // URL
	EnvS3       = "BIFROST_TEST_S3"       // URL
)

// Kafka returns host:port of a broker that all tests of the process share.
func Kafka(t testing.TB) string {
	t.Helper()
	return sharedKafka.get(t)
}

// DynamoDB returns a DynamoDB that all tests of the process share.
func DynamoDB(t testing.TB) Endpoint {
	t.Helper()
	return endpoint(sharedDynamoDB.get(t))
}

// S3 returns an S3 service that all tests of the process share.
func S3(t testing.TB) Endpoint {
	t.Helper()
	return endpoint(sharedS3.get(t))
}

var (
	sharedKafka    = shared{env: EnvKafka, start: startSharedKafka}
	sharedDynamoDB = shared{env: EnvDynamoDB, start: startServerURL(StartDynamoDB)}
	sharedS3       = shared{env: EnvS3, start: startServerURL(StartS3)}
)

func startSharedKafka(ctx context.Context) (string, error) {
	b, err := StartKafka(ctx, KafkaOptions{})
	if err != nil {
		return "", err
	}
	return b.Addr(), nil
}

func startServerURL(start func(context.Context) (*Server, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		s, err := start(ctx)
		if err != nil {
			return "", err
		}
		return s.Endpoint.URL, nil
	}
}

// StartShared starts all parts that tests share, at the same time, and returns
// their addresses as environment variables. They end with this process.
func StartShared(ctx context.Context) ([]string, error) {
	all := []*shared{&sharedKafka, &sharedDynamoDB, &sharedS3}
	env, failed := make([]string, len(all)), make([]error, len(all))
	var wait sync.WaitGroup
	for i, s := range all {
		wait.Go(func() {
			failed[i] = s.ensure(ctx)
			env[i] = s.env + "=" + s.address
		})
	}
	wait.Wait()
	return env, errors.Join(failed...)
}

// A shared part is taken from the environment or started once. Nobody stops it:
// it ends with the process, by its watchdog.
type shared struct {
	env     string
	start   func(context.Context) (string, error)
	once    sync.Once
	address string
	err     error
}

func (s *shared) ensure(ctx context.Context) error {
	s.once.Do(func() {
		if s.address = os.Getenv(s.env); s.address == "" {
			s.address, s.err = s.start(ctx)
		}
	})
	return s.err
}

func (s *shared) get(t testing.TB) string {
	t.Helper()
	if err := s.ensure(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s.address
}
