// Services that a test has for itself.

package localservices

import "testing"

// KafkaForTest starts a broker for one test, which may do to it what others must not
// see, and removes it when the test ends.
func KafkaForTest(t testing.TB, options KafkaOptions) *KafkaBroker {
	t.Helper()
	broker, err := StartKafka(t.Context(), options)
	return removeAfterTest(t, broker, err)
}

// SecureKafkaForTest starts a broker with TLS and passwords for one test, and removes
// it when the test ends.
func SecureKafkaForTest(t testing.TB) *SecureKafka {
	t.Helper()
	broker, err := StartSecureKafka(t.Context())
	return removeAfterTest(t, broker, err)
}

// StackForTest deploys a stack for one test, and removes it when the test ends.
func StackForTest(t testing.TB, options StackOptions) *Stack {
	t.Helper()
	stack, err := StartStack(t.Context(), options)
	return removeAfterTest(t, stack, err)
}

// PythonForTest installs what query engines and schemas are tried with, and returns the
// Python that has it.
func PythonForTest(t testing.TB) string {
	t.Helper()
	if err := Install(t.Context(), nil, PartEngines); err != nil {
		t.Fatal(err)
	}
	python, err := Tool("python-engines")
	if err != nil {
		t.Fatal(err)
	}
	return python
}

// removeAfterTest removes a part that was started when the test ends.
func removeAfterTest[Part interface{ Remove() error }](t testing.TB, part Part, err error) Part {
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
