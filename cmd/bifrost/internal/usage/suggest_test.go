package usage

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	names := []string{"status", "topics", "ls", "cat", "verify", "rebuild", "rebuild", "payments", "order-log", "order-lines"}
	for word, want := range map[string]string{
		"statsu": ", did you mean status?", "verfiy": ", did you mean verify?", "topic": ", did you mean topics?",
		"nonsense": "", "xy": "", "pay": ", did you mean payments?", "pa": "", "order": "", "reb": ", did you mean rebuild?",
		"Status": ", did you mean status?",
		"verify": ", did you mean verify?", "ebriuld": "", "rebiuldd": ", did you mean rebuild?", "rbeudil": "", "sl": ", did you mean ls?", "act": ", did you mean cat?",
	} {
		if got := DidYouMean(word, names); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}

// Changes lead back as they lead there, and a detour is never shorter than the way, but for
// a swap that another change divides.
func TestDistance(t *testing.T) {
	t.Parallel()
	words := []string{""}
	for from := 0; len(words) < 1+3+9+27; from++ {
		for _, letter := range "abc" {
			words = append(words, words[from]+string(letter))
		}
	}
	swapped := func(a, b string) bool {
		for i := 1; i < len(a); i++ {
			if a[:i-1]+string(a[i])+string(a[i-1])+a[i+1:] == b {
				return true
			}
		}
		return false
	}
	for _, a := range words {
		for _, b := range words {
			n, longer := distance(a, b), max(len(a), len(b))
			if n != distance(b, a) || (n == 0) != (a == b) || n > longer || n < longer-min(len(a), len(b)) {
				t.Errorf("%q and %q: %d, and %d back", a, b, n, distance(b, a))
			}
			different := 0
			for i := range min(len(a), len(b)) {
				if a[i] != b[i] {
					different++
				}
			}
			if a != b && (len(a) == len(b) && (different == 1 || swapped(a, b))) != (n == 1 && len(a) == len(b)) {
				t.Errorf("%q and %q: %d", a, b, n)
			}
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
