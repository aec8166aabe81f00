package localstack

import "testing"

// OwnKafka starts a broker for one test, which may do to it what others must not
// see, and removes it when the test ends.
func OwnKafka(t testing.TB, options KafkaOptions) *KafkaBroker {
	t.Helper()
	broker, err := StartKafka(t.Context(), options)
	return own(t, broker, err)
}

// OwnSecureKafka starts a broker with TLS and passwords for one test, and removes
// it when the test ends.
func OwnSecureKafka(t testing.TB) *SecureKafka {
	t.Helper()
	broker, err := StartSecureKafka(t.Context())
	return own(t, broker, err)
}

// OwnStack deploys a stack for one test, and removes it when the test ends.
func OwnStack(t testing.TB, options StackOptions) *Stack {
	t.Helper()
	stack, err := StartStack(t.Context(), options)
	return own(t, stack, err)
}

// own removes a part that was started when the test ends.
func own[Part interface{ Remove() error }](t testing.TB, part Part, err error) Part {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := part.Remove(); err != nil {
			t.Error(err)
		}
	})
	return part
}
