package main

import (
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/export"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// A place of exports keeps with what options it was written: each flag is its own there, or
// files of one table would have different columns. A field that no flag sets fails.
func TestOptionsOfAnExport(t *testing.T) {
	t.Parallel()
	own := export.Options{Layout: 1, Bucket: "the-bucket", Group: "the-group"}
	set := func(change func(*export.Options)) export.Options {
		options := own
		change(&options)
		return options
	}
	reached := map[string]bool{}
	for line, want := range map[string]export.Options{
		"":                            own,
		"--decode":                    set(func(o *export.Options) { o.Decode = true }),
		"--decode-key":                set(func(o *export.Options) { o.DecodeKey = true }),
		"--typed=17":                  set(func(o *export.Options) { o.Typed = "17" }),
		"--typed-key=18":              set(func(o *export.Options) { o.TypedKey = "18" }),
		"--schemas folder":            own,
		"--decode --schemas folder":   set(func(o *export.Options) { o.Decode, o.Schemas = true, "folder" }),
		"--decode-key --schemas x":    set(func(o *export.Options) { o.DecodeKey, o.Schemas = true, "x" }),
		"--decode --schemas _schemas": set(func(o *export.Options) { o.Decode = true }),
	} {
		e, c := &exporter{App: app.New(strings.NewReader(""), io.Discard, io.Discard), workers: 1}, &cobra.Command{}
		e.decode.AddFlags(c)
		e.decode.AddTypedFlags(c)
		if err := c.ParseFlags(strings.Fields(line)); err != nil {
			t.Fatal(err)
		}
		rule := e.exportRule(&wiring.Parts{Config: config.Config{Bucket: "the-bucket", Group: "the-group"}}, nil)
		if rule.Options != want {
			t.Errorf("%q: options %+v, want %+v", line, rule.Options, want)
		}
		reachedFields(reflect.ValueOf(rule.Options), "", reached)
	}
	for field, is := range reached {
		if !is {
			t.Errorf("no flag sets the option%s", field)
		}
	}
}
