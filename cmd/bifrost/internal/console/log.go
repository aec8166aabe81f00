// What the parts log, in words for the person.

package console

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// Logger is a log whose lines are words for the person, as Say and Warn write them. Functions
// log JSON, which is for programs.
func (c *Console) Logger(level slog.Leveler) *slog.Logger {
	return slog.New(&logHandler{console: c, level: level})
}

type logHandler struct {
	console *Console
	level   slog.Leveler
	attrs   []slog.Attr
	group   string // what the names of further attributes begin with
}

// Enabled implements slog.Handler.
func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle implements slog.Handler: "message: name value, name value".
func (h *logHandler) Handle(_ context.Context, r slog.Record) error {
	said := h.attrs
	r.Attrs(func(a slog.Attr) bool {
		said = append(slices.Clip(said), h.named(a))
		return true
	})
	var words []string
	for _, a := range said {
		words = append(words, fmt.Sprintf("%s %v", a.Key, a.Value.Resolve()))
	}
	text := r.Message
	if len(words) > 0 {
		text += ": " + strings.Join(words, ", ")
	}
	if r.Level >= slog.LevelWarn {
		h.console.Warn("%s", text)
	} else {
		h.console.Say("%s", text)
	}
	return nil
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	for _, a := range attrs {
		with.attrs = append(slices.Clip(with.attrs), h.named(a))
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.group += name + "."
	return &with
}

func (h *logHandler) named(a slog.Attr) slog.Attr {
	a.Key = h.group + a.Key
	return a
}
