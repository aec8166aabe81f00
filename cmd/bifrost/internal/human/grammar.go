// One of a thing, in sentences that are written for many.

package human

import (
	"regexp"
	"strings"
)

// one matches a 1 that counts things, with the verb behind it.
var one = regexp.MustCompile(`(^|[^0-9A-Za-z,.:/_-])1 ((?:[a-z]+ )?)(keys or values|ACLs|arguments|captures|checks|credentials|` +
	`differences|failures|files|functions|gaps|groups|items|markers|objects|offsets|partitions or topics|partitions|` +
	`positions|quotas|ranges|records|rows|settings|stretches|things|topics|uploads|violations|brokers)\b` +
	`( (?:are|were|have|need|wait)\b)?`)

var verbs = map[string]string{"": "", " are": " is", " were": " was", " have": " has", " need": " needs",
	" wait": " waits"}

// InNumber puts what a sentence counts into the singular where it is one: "1 records were"
// becomes "1 record was". Messages are written once, for many, and count when they are said.
func InNumber(text string) string {
	return one.ReplaceAllStringFunc(text, func(found string) string {
		parts := one.FindStringSubmatch(found)
		if parts[2] == "of " || parts[2] == "or " {
			return found // 1 of many
		}
		thing := strings.TrimSuffix(parts[3], "s")
		switch parts[3] {
		case "keys or values":
			thing = "key or value"
		case "partitions or topics":
			thing = "partition or topic"
		case "stretches":
			thing = "stretch"
		}
		return parts[1] + "1 " + parts[2] + thing + verbs[parts[4]]
	})
}
