package wiring_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/kafka"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// Every mechanism that the client knows can be configured, and opens nothing.
func TestEveryMechanismIsWired(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kafka.json")
	if err := os.WriteFile(path, []byte(`{"username":"archive","password":"secret"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"file:" + path, "arn:aws:secretsmanager:eu-west-1:123456789012:secret:kafka-a1b2c3"} {
		for _, mechanism := range kafka.Mechanisms {
			values := map[string]string{
				"BIFROST_BROKERS": "127.0.0.1:1", "BIFROST_GROUP": "archive", "BIFROST_BUCKET": "bucket", "BIFROST_PROGRESS_TABLE": "progress", "BIFROST_OBJECTS_TABLE": "objects",
				"BIFROST_SECURITY_PROTOCOL": "SASL_SSL", "BIFROST_SASL_MECHANISM": mechanism, "BIFROST_KAFKA_SECRET": secret,
			}
			c, err := config.Load(config.Archiver, func(name string) (string, bool) { v, ok := values[name]; return v, ok })
			if err != nil {
				t.Fatal(err)
			}
			parts, err := wiring.Open(t.Context(), c, awsconfig.WithRegion("eu-west-1"))
			if err != nil {
				t.Fatal(err)
			}
			parts.Close()
			s := parts.TargetSecurity(config.Target{Kafka: parts.Config.Kafka})
			if !s.TLS || s.Mechanism != mechanism || s.Secret == nil || s.IAM == nil || !strings.Contains(s.Secret.String(), strings.TrimPrefix(secret, "file:")) {
				t.Errorf("security %+v", s)
			}
			if !strings.HasPrefix(secret, "file:") {
				continue
			}
			if text, err := s.Secret.Read(t.Context()); err != nil || !strings.Contains(string(text), "archive") {
				t.Errorf("read %d bytes, error %v", len(text), err)
			}
		}
	}
}
