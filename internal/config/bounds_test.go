package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// Each number is taken up to both of its bounds, which its text names, and in the unit that it names.
func TestNumbersReachTheirBounds(t *testing.T) {
	t.Parallel()
	units := map[string]time.Duration{"seconds": time.Second, "minutes": time.Minute, "days": 24 * time.Hour}
	bounds := regexp.MustCompile(`^(\d+) to (\d+)$`)
	none, err := Load(Discoverer, with(nil))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, v := range Variables {
		match := bounds.FindStringSubmatch(v.Allowed)
		if match == nil {
			continue
		}
		found++
		for i, beyond := range map[int]int64{1: -1, 2: 1} {
			n, err := strconv.ParseInt(match[i], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Load(Discoverer, with(map[string]string{v.Name: match[i]}))
			if err != nil {
				t.Errorf("%s=%d: %v", v.Name, n, err)
				continue
			}
			want := fmt.Sprint(n)
			if unit, ok := units[v.Unit]; ok {
				want = fmt.Sprint(time.Duration(n) * unit)
			}
			if got := difference(none, c); got != "" && got != want {
				t.Errorf("%s=%d is read as %s, want %s", v.Name, n, got, want)
			}
			if _, err := Load(Discoverer, with(map[string]string{v.Name: fmt.Sprint(n + beyond)})); err == nil {
				t.Errorf("%s=%d was taken", v.Name, n+beyond)
			}
		}
	}
	if found < 10 {
		t.Errorf("%d variables are numbers", found)
	}
}

// difference is the one field of b that is another one in a; empty when none is.
func difference(a, b Config) string {
	for i := range reflect.TypeFor[Config]().NumField() {
		was, is := reflect.ValueOf(a).Field(i), reflect.ValueOf(b).Field(i)
		if is.Kind() == reflect.Struct && is.Type().Name() == "Options" {
			was, is = was.FieldByName("Level"), is.FieldByName("Level")
		}
		if !reflect.DeepEqual(was.Interface(), is.Interface()) {
			return fmt.Sprint(is.Interface())
		}
	}
	return ""
}

// Each period that an alarm can have is taken for the seconds that it says.
func TestPeriodsAreSeconds(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int{900, 1800, 2700, 3600, 7200, 14400, 43200, 86400} {
		c, err := Load(Discoverer, with(map[string]string{"BIFROST_STALLED_SECONDS": fmt.Sprint(seconds)}))
		if err != nil || c.Stalled != time.Duration(seconds)*time.Second {
			t.Errorf("%d: %v, %v", seconds, c.Stalled, err)
		}
	}
}

// All that an operator chooses for the rules reaches them.
func TestSettingsAreWhole(t *testing.T) {
	t.Parallel()
	c, err := Load(Discoverer, with(map[string]string{
		"BIFROST_START": "2024-02-29T12:00:00Z", "BIFROST_TOPIC_OVERRIDES": "a:max_age_seconds=1",
	}))
	if err != nil {
		t.Fatal(err)
	}
	settings := reflect.ValueOf(c.Settings())
	for i := range settings.NumField() {
		name := settings.Type().Field(i).Name
		if settings.Field(i).IsZero() && name != "Together" { // that is no setting of an operator
			t.Errorf("the rules get no %s", name)
		}
	}
}

// The memory is the process's, and so is the variable: this test runs alone.
func TestFunctionMemoryIsInBytes(t *testing.T) {
	for megabytes, want := range map[string]int64{"": 0, "512": 512 << 20, "3008": 3008 << 20, "much": 0} {
		t.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes)
		if got := FunctionMemory(); got != want {
			t.Errorf("%q: %d, want %d", megabytes, got, want)
		}
	}
}
