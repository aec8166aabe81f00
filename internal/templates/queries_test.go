package templates

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// A saved query that asks for records since a time finds them on all of its days: the day is named for
// the folders that are read, and where it is named, it is that of the very time. In the first hour of
// a day "today" would leave out what the last hour holds of yesterday.
func TestQueriesReadTheDaysOfTheirTimes(t *testing.T) {
	t.Parallel()
	since := regexp.MustCompile(`"timestamp" >= (current_timestamp[^\n]*?)\n`)
	found := 0
	for name, query := range load(t, "infra/athena.yaml").Resources("AWS::Athena::NamedQuery") {
		sql := fmt.Sprint(query.Get("QueryString"))
		if strings.Contains(sql, "current_") != since.MatchString(sql) {
			t.Errorf("%s asks for the time of today, and not for records since a time:\n%s", name, sql)
		}
		for _, match := range since.FindAllStringSubmatch(sql, -1) {
			found++
			day := `"date" >= CAST(CAST(` + match[1] + ` AS date) AS varchar)`
			if !strings.Contains(sql, day) || strings.Count(sql, `"date"`) != 1 {
				t.Errorf("%s asks for records since %s, and not for days by %s:\n%s", name, match[1], day, sql)
			}
		}
	}
	if found == 0 {
		t.Error("no query asks for records since a time")
	}
}

// A workgroup whose settings a client may replace puts results wherever that client says.
func TestQueriesLeaveResultsWhereTheyBelong(t *testing.T) {
	t.Parallel()
	configuration := load(t, "infra/athena.yaml").Resources("")["WorkGroup"].Get("WorkGroupConfiguration")
	if Get(configuration, "EnforceWorkGroupConfiguration") != true ||
		Get(configuration, "ResultConfiguration", "OutputLocation", "Fn::Sub") != "${AthenaResults}/" {
		t.Errorf("%v", configuration)
	}
}
