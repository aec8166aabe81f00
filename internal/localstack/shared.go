package localstack

import (
	"context"
	"os"
	"sync"
	"testing"
)

// Addresses of parts that already run, for the tests of this process. They are
// set by "localstack run".
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
	sharedKafka = shared{env: EnvKafka, start: func() (string, error) {
		b, err := StartKafka(context.Background(), KafkaOptions{})
		if err != nil {
			return "", err
		}
		return b.Addr(), nil
	}}
	sharedDynamoDB = shared{env: EnvDynamoDB, start: startedURL(StartDynamoDB)}
	sharedS3       = shared{env: EnvS3, start: startedURL(StartS3)}
)

func startedURL(start func(context.Context) (*Server, error)) func() (string, error) {
	return func() (string, error) {
		s, err := start(context.Background())
		if err != nil {
			return "", err
		}
		return s.Endpoint.URL, nil
	}
}

// A shared part is taken from the environment or started once. Nobody stops it:
// it ends with the process, by its watchdog.
type shared struct {
	env     string
	start   func() (string, error)
	once    sync.Once
	address string
	err     error
}

func (s *shared) get(t testing.TB) string {
	t.Helper()
	s.once.Do(func() {
		if s.address = os.Getenv(s.env); s.address == "" {
			s.address, s.err = s.start()
		}
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.address
}
