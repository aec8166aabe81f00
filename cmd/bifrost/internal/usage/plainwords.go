// What Go's packages say about the value of a flag, in plain words.

package usage

import "regexp"

var goMessages = []struct {
	pattern *regexp.Regexp
	plain   string
}{
	{regexp.MustCompile(`strconv\.Parse(?:Int|Uint): parsing "[^"]*": value out of range`), "the number is too large"},
	{regexp.MustCompile(`strconv\.Parse(?:Int|Uint): parsing "[^"]*": invalid syntax`), "want a whole number"},
	{regexp.MustCompile(`strconv\.ParseFloat: parsing "[^"]*": .*`), "want a number"},
	{regexp.MustCompile(`strconv\.ParseBool: parsing "[^"]*": .*`), "want true or false"},
	{regexp.MustCompile(`time: (?:invalid duration|missing unit in duration|unknown unit .* in duration) "[^"]*"`),
		"want a time with its unit, such as 90s, 5m or 1h30m"},
	{regexp.MustCompile(`accepts (\d+) arg\(s\), received (\d+)`), "want $1 arguments, and $2 are given"},
	{regexp.MustCompile(`requires at least (\d+) arg\(s\), only received (\d+)`),
		"want at least $1 arguments, and $2 are given"},
	{regexp.MustCompile(`^unknown command ("[^"]*") for ("bifrost [^"]+")$`), "$2 takes no arguments, such as $1"},
	{regexp.MustCompile(`parse error on line \d+, column \d+: .*`), "want values with commas between"},
}

// PlainWords puts what Go's packages say about the value of a flag into plain words.
func PlainWords(message string) string {
	for _, m := range goMessages {
		message = m.pattern.ReplaceAllString(message, m.plain)
	}
	return message
}
