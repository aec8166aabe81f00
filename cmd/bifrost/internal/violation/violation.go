// Package violation writes what a verification found, in the words that people read:
// verify and jobs show print the same.
package violation

import (
	"fmt"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/console"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/verify"
)

// Describe writes a violation in a few lines: what, where, and what to do.
func Describe(c *console.Console, found verify.Violation) string {
	text := found.Topic
	if found.Partition >= 0 {
		text += fmt.Sprintf("/%d", found.Partition)
	}
	if found.Start >= 0 {
		text += " " + bifrost.Range{Start: found.Start, End: found.End}.String()
	}
	if found.Key != "" {
		text += "  " + found.Key
	}
	text = human.Visible(fmt.Sprintf("%s\n    expected %s\n    found    %s\n    next     %s",
		text, found.Expected, found.Found, found.Next))
	return fmt.Sprintf("%s  %s", c.Paint(c.Out, console.StyleBad, string(found.Kind)), text)
}
