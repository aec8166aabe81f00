package config

import (
	"reflect"
	"strings"
	"testing"
)

var secured = Config{Brokers: []string{"one:9092", "two:9092"}, Kafka: Kafka{SASL: true, TLS: true, Mechanism: "SCRAM-SHA-512", Secret: arn}}

func targetOf(t *testing.T, source Config, request TargetRequest, variables ...string) (Target, error) {
	t.Helper()
	values := map[string]string{}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		values[name] = value
	}
	return LoadTarget(source, request, func(name string) (string, bool) { value, ok := values[name]; return value, ok })
}

// Another address never gets the credentials of the archived cluster unasked.
func TestTargetSecurity(t *testing.T) {
	t.Parallel()
	const other = "BIFROST_TO_SECURITY_PROTOCOL=SASL_SSL BIFROST_TO_SASL_MECHANISM=PLAIN BIFROST_TO_SECRET=file:/other.json"
	own := Kafka{SASL: true, TLS: true, Mechanism: "PLAIN", Secret: "file:/other.json"}
	for name, c := range map[string]struct {
		request   TargetRequest
		variables string
		brokers   []string
		want      Kafka
		withheld  bool
	}{
		"the archived cluster":         {TargetRequest{}, other, secured.Brokers, secured.Kafka, false},
		"one of its brokers":           {TargetRequest{Brokers: "two:9092"}, "", []string{"two:9092"}, secured.Kafka, false},
		"one of its with others":       {TargetRequest{Brokers: "two:9092,three:9092"}, "", []string{"two:9092", "three:9092"}, Kafka{}, true},
		"another port":                 {TargetRequest{Brokers: "one:9093"}, "", []string{"one:9093"}, Kafka{}, true},
		"another, by its own":          {TargetRequest{Brokers: "three:9092"}, other, []string{"three:9092"}, own, false},
		"the archived one, as another": {TargetRequest{Brokers: "one:9092"}, other, []string{"one:9092"}, own, false},
		"another, plaintext":           {TargetRequest{Brokers: "three:9092"}, "BIFROST_TO_SECURITY_PROTOCOL=PLAINTEXT", []string{"three:9092"}, Kafka{}, true},
		"another, by the same":         {TargetRequest{Brokers: "three:9092", SameSecurity: true}, other, []string{"three:9092"}, secured.Kafka, false},
	} {
		got, err := targetOf(t, secured, c.request, strings.Fields(c.variables)...)
		if err != nil || !reflect.DeepEqual(got.Brokers, c.brokers) || got.Kafka != c.want || got.Withheld != c.withheld {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// Nothing is kept from another cluster where the archived one has nothing to keep.
func TestNothingIsWithheldThatIsNotThere(t *testing.T) {
	t.Parallel()
	open := Config{Brokers: []string{"one:9092"}}
	for _, brokers := range []string{"", "one:9092", "three:9092"} {
		if got, err := targetOf(t, open, TargetRequest{Brokers: brokers}); err != nil || got.Withheld {
			t.Errorf("%q: %+v, %v", brokers, got, err)
		}
	}
}

func TestTargetsThatAreWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ brokers, variables, want string }{
		{"PLAINTEXT://three:9092", "", `--to-brokers "PLAINTEXT://three:9092"`},
		{"::1:9092", "", "an IPv6 address stands in brackets"},
		{"three:9092,", "", "a broker is missing"},
		{"three:9092", "BIFROST_TO_SECURITY_PROTOCOL=TLS", `BIFROST_TO_SECURITY_PROTOCOL is "TLS"`},
		{"three:9092", "BIFROST_TO_SASL_MECHANISM=PLAIN", "--to-sasl-mechanism is PLAIN, but --to-security-protocol asks for no SASL"},
		{"three:9092", "BIFROST_TO_SECURITY_PROTOCOL=SASL_SSL", "--to-sasl-mechanism is not set"},
		{"three:9092", "BIFROST_TO_SECURITY_PROTOCOL=SASL_SSL BIFROST_TO_SASL_MECHANISM=PLAIN", "--to-secret is not set"},
		{"three:9092", "BIFROST_TO_SECURITY_PROTOCOL=SASL_PLAINTEXT BIFROST_TO_SASL_MECHANISM=AWS_MSK_IAM", "set it to SASL_SSL, which Amazon MSK requires"},
		{"three:9092", "BIFROST_TO_SECRET=file:/other.json", "--to-secret is set, but --to-security-protocol is PLAINTEXT"},
	} {
		if _, err := targetOf(t, secured, TargetRequest{Brokers: c.brokers}, strings.Fields(c.variables)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s with %s: error %v, want %q in it", c.brokers, c.variables, err, c.want)
		}
	}
	_, err := targetOf(t, secured, TargetRequest{Brokers: "three:9092"}, "BIFROST_TO_SECURITY_PROTOCOL=TLS", "BIFROST_TO_SASL_MECHANISM=SCRAM")
	for _, word := range []string{`"TLS"`, `"SCRAM"`} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("of two that are wrong: error %v, want %s in it", err, word)
		}
	}
	_, err = targetOf(t, secured, TargetRequest{Brokers: "three:9092"}, "BIFROST_TO_SECRET=hunter2")
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "BIFROST_TO_SECRET") {
		t.Errorf("error %v", err)
	}
}
