// Package console is where a command reads and writes: data to standard output, words
// for the person to standard error, in tables and colours where a terminal shows them.
package console

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/human"
)

// A Console is where a command reads and writes.
type Console struct {
	In    io.Reader
	Out   io.Writer // data
	Talk  io.Writer // words for the person
	Now   func() time.Time
	Color string // auto, always or never
}

// New returns a console with the clock of this machine.
func New(in io.Reader, out, talk io.Writer) *Console {
	return &Console{In: in, Out: &output{Writer: out}, Talk: talk, Now: time.Now, Color: ColorWords[0]}
}

// output remembers that something could not be written: not all that write are told, or tell.
type output struct {
	io.Writer
	err error // of the first write that failed
}

// Write implements io.Writer.
func (o *output) Write(text []byte) (int, error) {
	n, err := o.Writer.Write(text)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// OutputError is the first error of a write to standard output; nil if all was written.
func (c *Console) OutputError() error {
	if o, ok := c.Out.(*output); ok {
		return o.err
	}
	return nil
}

// ColorWords are the values of --color, the default first.
var ColorWords = []string{"auto", "always", "never"}

// Say writes a line for the person.
func (c *Console) Say(format string, args ...any) {
	fmt.Fprintln(c.Talk, human.InNumber(fmt.Sprintf(format, human.Shown(args)...)))
}

// Warn writes a line that the person should not miss. The command goes on.
func (c *Console) Warn(format string, args ...any) { c.sayMarked(StyleWarn, "warning:", format, args) }

// Refuse writes one thing on account of which the command does nothing.
func (c *Console) Refuse(format string, args ...any) { c.sayMarked(StyleBad, "refused:", format, args) }

// Fail writes one thing that could not be done.
func (c *Console) Fail(format string, args ...any) { c.sayMarked(StyleBad, "failed:", format, args) }

// Differ writes one thing that is not as it was.
func (c *Console) Differ(format string, args ...any) { c.sayMarked(StyleBad, "differs:", format, args) }

func (c *Console) sayMarked(s Style, mark, format string, args []any) {
	c.Say("%s "+format, append([]any{c.Paint(c.Talk, s, mark)}, args...)...)
}

// Terminal reports whether w is one, and how wide it is in characters.
func Terminal(w io.Writer) (width int, ok bool) {
	if o, ok := w.(*output); ok {
		w = o.Writer
	}
	file, isFile := w.(*os.File)
	if !isFile || !term.IsTerminal(int(file.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(file.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return width, true
}

// Colored reports whether to write colours to w: see https://no-color.org.
func (c *Console) Colored(w io.Writer) bool {
	switch c.Color {
	case "always":
		return true
	case "never":
		return false
	}
	_, isTerminal := Terminal(w)
	return isTerminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Paint is a text in colours, where w shows them.
func (c *Console) Paint(w io.Writer, s Style, text string) human.Painted {
	text = human.Visible(text)
	if s == "" || !c.Colored(w) {
		return human.Painted(text)
	}
	return human.Painted(string(s) + text + string(styleEnd))
}

// PrintJSON writes one value, indented for people.
func (c *Console) PrintJSON(v any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := c.Out.Write(human.VisibleJSON(text.Bytes()))
	return err
}

// outBytes is the buffer of standard output for commands that write much: fewer
// system calls than a pipe's own 64 KiB would need.
const outBytes = 256 << 10

// WriteBuffered calls write with a large buffer before standard output.
func (c *Console) WriteBuffered(write func(*bufio.Writer) error) error {
	out := bufio.NewWriterSize(c.Out, outBytes)
	err := write(out)
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	return err
}
