// Which folders Athena finds for a table with partition projection.

package templates

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Projection says where the partitions of a table are (Amazon Athena User Guide,
// "Partition projection" and "Supported types for partition projection"). It knows the
// types injected and date, with days as 2006-01-02.
type Projection struct {
	location *regexp.Regexp
	keys     []string          // in the order of the location
	dates    map[string]string // ranges, of the keys with days
}

// ProjectionOf reads the parameters of a table with these partition keys.
func ProjectionOf(parameters map[string]string, keys ...string) (Projection, error) {
	p := Projection{dates: map[string]string{}}
	known := map[string]bool{"projection.enabled": true}
	if parameters["projection.enabled"] != "true" {
		return p, fmt.Errorf("templates: projection.enabled is %q", parameters["projection.enabled"])
	}
	for _, key := range keys {
		of := func(what string) string {
			known["projection."+key+what] = true
			return parameters["projection."+key+what]
		}
		switch kind := of(".type"); kind {
		case "injected":
		case "date":
			p.dates[key] = of(".range")
			got := of(".format") + " " + of(".interval") + " " + of(".interval.unit")
			if got != "yyyy-MM-dd 1 DAYS" {
				return p, fmt.Errorf("templates: the days of %s are %q, want every day as yyyy-MM-dd", key, got)
			}
		default:
			return p, fmt.Errorf("templates: %s is projected as %q", key, kind)
		}
	}
	for name := range parameters {
		if strings.HasPrefix(name, "projection.") && !known[name] {
			return p, fmt.Errorf("templates: %s is of no partition key", name)
		}
	}
	pattern, template := "", parameters["storage.location.template"]
	for len(template) > 0 {
		before, rest, variable := strings.Cut(template, "${")
		pattern += regexp.QuoteMeta(before)
		if !variable {
			break
		}
		key, after, _ := strings.Cut(rest, "}")
		if parameters["projection."+key+".type"] == "" {
			return p, fmt.Errorf("templates: the location has %q, which is no partition key", key)
		}
		p.keys, pattern, template = append(p.keys, key), pattern+"([^/]+)", after
	}
	if len(p.keys) != len(keys) {
		return p, fmt.Errorf("templates: the location has %v of %v", p.keys, keys)
	}
	location, err := regexp.Compile("^" + pattern + "/?$")
	p.location = location
	return p, err
}

// Partition returns the values of the partition that Athena expects in a folder, such as
// s3://bucket/prefix/topic=orders/date=2026-01-31; false if it expects none there.
func (p Projection) Partition(folder string, now time.Time) (map[string]string, bool) {
	match := p.location.FindStringSubmatch(folder)
	if match == nil {
		return nil, false
	}
	values := map[string]string{}
	for i, key := range p.keys {
		values[key] = match[i+1]
		if dates, ok := p.dates[key]; ok && !withinDates(match[i+1], dates, now.UTC()) {
			return nil, false
		}
	}
	return values, true
}

// withinDates reports whether a day is one of a range, whose ends are in it.
func withinDates(day, dates string, now time.Time) bool {
	if t, err := time.Parse(time.DateOnly, day); err != nil || t.Format(time.DateOnly) != day {
		return false
	}
	first, last, _ := strings.Cut(dates, ",")
	return dayOf(first, now) <= day && day <= dayOf(last, now)
}

// relative is a day such as NOW-3YEARS.
var relative = regexp.MustCompile(`^NOW(?:([+-]\d+)(DAYS|WEEKS|MONTHS|YEARS))?$`)

// dayOf is an end of a range as a day.
func dayOf(end string, now time.Time) string {
	match := relative.FindStringSubmatch(strings.TrimSpace(end))
	if match == nil {
		return strings.TrimSpace(end)
	}
	n, _ := strconv.Atoi(match[1])
	switch match[2] {
	case "DAYS":
		now = now.AddDate(0, 0, n)
	case "WEEKS":
		now = now.AddDate(0, 0, 7*n)
	case "MONTHS":
		now = now.AddDate(0, n, 0)
	case "YEARS":
		now = now.AddDate(n, 0, 0)
	}
	return now.Format(time.DateOnly)
}
