package config

import (
	"strings"
	"testing"
)

const arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AmazonMSK_archive-a1b2c3"

func security(protocol, mechanism, secret string) func(string) (string, bool) {
	return with(map[string]string{
		"BIFROST_SECURITY_PROTOCOL": protocol, "BIFROST_SASL_MECHANISM": mechanism, "BIFROST_KAFKA_SECRET": secret,
	})
}

func TestKafka(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		protocol, mechanism, secret string
		want                        Kafka
		inTheClear                  bool
	}{
		{"", "", "", Kafka{}, false},
		{"SSL", "", "", Kafka{TLS: true}, false},
		{"SSL", "", "file:/etc/kafka.json", Kafka{TLS: true, Secret: "file:/etc/kafka.json"}, false},
		{"SASL_SSL", "SCRAM-SHA-512", arn, Kafka{TLS: true, SASL: true, Mechanism: "SCRAM-SHA-512", Secret: arn}, false},
		{"SASL_SSL", "AWS_MSK_IAM", "", Kafka{TLS: true, SASL: true, Mechanism: "AWS_MSK_IAM"}, false},
		{"SASL_PLAINTEXT", "SCRAM-SHA-256", arn, Kafka{SASL: true, Mechanism: "SCRAM-SHA-256", Secret: arn}, false},
		{"SASL_PLAINTEXT", "PLAIN", arn, Kafka{SASL: true, Mechanism: "PLAIN", Secret: arn}, true},
	} {
		c, err := Load(Discoverer, security(test.protocol, test.mechanism, test.secret))
		if err != nil || c.Kafka != test.want || c.Kafka.InTheClear() != test.inTheClear {
			t.Errorf("%q %q %q: %+v, %v", test.protocol, test.mechanism, test.secret, c.Kafka, err)
		}
	}
	if path := (Kafka{Secret: "file:/etc/kafka.json"}).File(); path != "/etc/kafka.json" {
		t.Errorf("file %q", path)
	}
	if path := (Kafka{Secret: arn}).File(); path != "" {
		t.Errorf("an ARN is the file %q", path)
	}
}

// Settings that do not go together are told apart, each with the variable to change.
func TestKafkaThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ protocol, mechanism, secret, want string }{
		{"SASL_SSL", "", arn, "BIFROST_SASL_MECHANISM is not set"},
		{"", "PLAIN", arn, "set it to SASL_SSL"},
		{"SSL", "SCRAM-SHA-512", arn, "set it to SASL_SSL"},
		{"SASL_PLAINTEXT", "AWS_MSK_IAM", "", "set it to SASL_SSL, which Amazon MSK requires"},
		{"SASL_SSL", "SCRAM-SHA-512", "", "BIFROST_KAFKA_SECRET is not set: set it to the ARN"},
		{"PLAINTEXT", "", arn, "set it to SSL or SASL_SSL"},
	} {
		_, err := Load(Discoverer, security(test.protocol, test.mechanism, test.secret))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q %q %q: error %v, want %q in it", test.protocol, test.mechanism, test.secret, err, test.want)
		}
	}
}

// Each partition of AWS spells its ARNs in its own way; a name alone, or the ARN of something else, is no secret.
func TestSecretsOfEveryPartition(t *testing.T) {
	t.Parallel()
	for partition, fits := range map[string]bool{"aws": true, "aws-us-gov": true, "aws-cn": true, "azure": false, "": false} {
		secret := strings.Replace(arn, ":aws:", ":"+partition+":", 1)
		c, err := Load(Discoverer, security("SASL_SSL", "PLAIN", secret))
		if (err == nil) != fits || fits && c.Kafka.Secret != secret {
			t.Errorf("%s: %+v, error %v", secret, c.Kafka, err)
		}
	}
	for _, other := range []string{"AmazonMSK_archive", strings.Replace(arn, "secretsmanager", "ssm", 1), "file:"} {
		if _, err := Load(Discoverer, security("SASL_SSL", "PLAIN", other)); err == nil {
			t.Errorf("%s is taken for a secret", other)
		}
	}
}

// Somebody will give the password itself one day. It must not get into a log.
func TestSecretInTheVariableIsNotTold(t *testing.T) {
	t.Parallel()
	const secret = `{"username":"archive","password":"hunter2"}`
	_, err := Load(Discoverer, security("SASL_SSL", "PLAIN", secret))
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "BIFROST_KAFKA_SECRET") {
		t.Errorf("error %v", err)
	}
}
