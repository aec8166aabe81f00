// Text that others decided, made harmless for a terminal.

package human

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Visible is a text as a person may be shown it: what a terminal would obey, or hide,
// is written out as Go would write it in a string. Names of topics, keys and errors
// come from brokers, buckets and producers, who must not move the cursor, set titles
// or paint. Lines and what the text spells in letters of any script stay.
func Visible(text string) string {
	if !strings.ContainsFunc(text, obeyed) && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i, r := range text {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], string(utf8.RuneError)):
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case obeyed(r):
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// obeyed reports whether a terminal does something else with a character than show
// it: ECMA-48's control characters, of seven and of eight bits, and those of Unicode
// that have no shape, such as the ones that turn the direction of writing.
func obeyed(r rune) bool { return r != '\n' && !strconv.IsPrint(r) }

// OneLine is a text for a place that has one line.
func OneLine(text string) string { return strings.ReplaceAll(Visible(text), "\n", `\n`) }

// Painted is a text with colours of our own, which is shown as it is.
type Painted string

// Shown are the arguments of a format, made visible; errors in plain words.
func Shown(args []any) []any {
	all := make([]any, len(args))
	for i, arg := range args {
		all[i] = arg
		switch v := arg.(type) {
		case string:
			all[i] = Visible(v)
		case error:
			all[i] = Visible(PlainError(v.Error()))
		case fmt.Stringer:
			if text := v.String(); Visible(text) != text {
				all[i] = Visible(text)
			}
		}
	}
	return all
}

// VisibleJSON writes out what JSON leaves as it is and terminals obey: the control
// characters of eight bits, and those of Unicode without a shape. It is the same JSON.
func VisibleJSON(text []byte) []byte {
	hidden := func(r rune) bool { return r > '~' && r != utf8.RuneError && !strconv.IsPrint(r) }
	if !bytes.ContainsFunc(text, hidden) {
		return text
	}
	var b bytes.Buffer
	for _, r := range string(text) {
		switch {
		case !hidden(r):
			b.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.Bytes()
}
