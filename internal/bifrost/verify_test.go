package bifrost_test

import (
	"testing"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

func TestVerifyFindsNothingInAnUndamagedArchive(t *testing.T) {
	t.Parallel()
	s := seasoned(t)
	for _, options := range []bifrost.VerifyOptions{{}, {Deep: true}, {Kafka: true}, {Deep: true, Kafka: true}} {
		found, summary := s.verify(options)
		for _, v := range found {
			t.Errorf("%+v: %+v", options, v)
		}
		if summary.Rows == 0 || summary.Violations != 0 {
			t.Errorf("%+v: summary %+v", options, summary)
		}
	}
}
