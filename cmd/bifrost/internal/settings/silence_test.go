package settings

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/bifrost-archive/bifrost/internal/config"
)

// An address that takes connections and never answers is told soon, and not after all repetitions.
func TestAnAWSThatNeverAnswers(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": "http://" + silent.Addr().String(), "AWS_REGION": "eu-west-1",
		"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"} {
		t.Setenv(name, value)
	}
	defer func(before time.Duration) { answerPatience = before }(answerPatience)
	answerPatience = 200 * time.Millisecond
	s := NewSettings()
	s.AddFlags(pflag.NewFlagSet("test", pflag.ContinueOnError))
	for name, value := range map[string]string{"BIFROST_GROUP": "g", "BIFROST_BUCKET": "b", "BIFROST_PROGRESS_TABLE": "p", "BIFROST_OBJECTS_TABLE": "o"} {
		s.SetVariable(name, value)
	}
	parts, err := s.OpenUnchecked(t.Context(), config.Reader)
	if err != nil {
		t.Fatal(err)
	}
	defer parts.Close()
	_, opened := s.OpenParts(t.Context(), config.Reader)
	for what, err := range map[string]error{"open": opened, "await": AwaitAWS(t.Context(), parts)} {
		if err == nil || !strings.Contains(err.Error(), "AWS has not answered within 200ms: look at AWS_REGION") {
			t.Errorf("%s: error %v", what, err)
		}
	}
}
