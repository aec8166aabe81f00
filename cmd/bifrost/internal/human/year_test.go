package human

import (
	"strings"
	"testing"
	"time"
)

// A year alone is answered with how a day of it is written, and not taken for milliseconds.
func TestAYearAlone(t *testing.T) {
	t.Parallel()
	_, err := ParseTime("2020", time.Time{})
	if err == nil || !strings.Contains(err.Error(), "such as 2020-01-01") || strings.Contains(err.Error(), "1970") {
		t.Errorf("error %v", err)
	}
	if _, err := ParseTime("20200", time.Time{}); err == nil || !strings.Contains(err.Error(), "milliseconds since 1970") {
		t.Errorf("error %v", err)
	}
}
