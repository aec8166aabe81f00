package usage

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	names := []string{"status", "topics", "ls", "cat", "verify", "rebuild"}
	for word, want := range map[string]string{
		"statsu": ", did you mean status?", "verfiy": ", did you mean verify?", "topic": ", did you mean topics?",
		"nonsense": "", "xy": "", "Status": ", did you mean status?",
	} {
		if got := DidYouMean(word, names); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

// Every way in which Go's parsers refuse a value is said without their names.
func TestPlainWords(t *testing.T) {
	t.Parallel()
	var all []error
	for _, value := range []string{"", "x", "1.5", "99999999999999999999"} {
		_, asInt := strconv.ParseInt(value, 0, 64)
		_, asUint := strconv.ParseUint(value, 0, 64)
		_, asFloat := strconv.ParseFloat(value+"y", 64)
		_, asBool := strconv.ParseBool(value)
		all = append(all, asInt, asUint, asFloat, asBool)
	}
	for _, value := range []string{"", "x", "5", "5parsecs"} {
		_, err := time.ParseDuration(value)
		all = append(all, err)
	}
	for _, err := range all {
		if err == nil {
			t.Fatal("a value that was to be refused is taken")
		}
		got := PlainWords("invalid argument for --flag: " + err.Error())
		for _, leak := range []string{"strconv", "parsing", "time:", "syntax"} {
			if strings.Contains(got, leak) {
				t.Errorf("%v becomes %q", err, got)
			}
		}
	}
}
