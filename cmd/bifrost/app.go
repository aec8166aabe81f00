package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// app is what all commands share: where they read and write, and the settings.
type app struct {
	in       io.Reader
	out      io.Writer // data
	talk     io.Writer // words for the person
	now      func() time.Time
	settings settings
	color    string // auto, always or never
}

func newApp(in io.Reader, out, talk io.Writer) *app {
	return &app{in: in, out: out, talk: talk, now: time.Now}
}

// say writes a line for the person.
func (a *app) say(format string, args ...any) { fmt.Fprintf(a.talk, format+"\n", shown(args)...) }

func (a *app) sayNothingArchived() {
	a.say("Nothing is archived yet: no tick of discover has run on these tables. bifrost plan says what the first would do.")
}

// warn writes a line that the person should not miss.
func (a *app) warn(format string, args ...any) {
	a.say("%s "+format, append([]any{a.paint(a.talk, styleWarn, "warning:")}, args...)...)
}

// terminal reports whether w is one, and how wide it is in characters.
func terminal(w io.Writer) (width int, ok bool) {
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

// colored reports whether to write colours to w: see https://no-color.org.
func (a *app) colored(w io.Writer) bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	_, isTerminal := terminal(w)
	return isTerminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func (a *app) paint(w io.Writer, s style, text string) painted {
	text = visible(text)
	if s == "" || !a.colored(w) {
		return painted(text)
	}
	return painted(string(s) + text + string(styleEnd))
}

// printJSON writes one value, indented for people.
func (a *app) printJSON(v any) error {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := a.out.Write(visibleJSON(text.Bytes()))
	return err
}

// outBytes is the buffer of standard output for commands that write much: fewer
// system calls than a pipe's own 64 KiB would need.
const outBytes = 256 << 10

// buffered calls write with a large buffer before standard output.
func (a *app) buffered(write func(*bufio.Writer) error) error {
	out := bufio.NewWriterSize(a.out, outBytes)
	err := write(out)
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	return err
}
