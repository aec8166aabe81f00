package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/jobs"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/recordfmt"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/replays"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/reportpage"
	"github.com/bifrost-archive/bifrost/internal/repair"
	"github.com/bifrost-archive/bifrost/internal/restore"
)

// The names in --json are a promise: docs/cli.md has each of them, in order.
func TestEveryNameInJSONIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	for command, value := range map[string]any{
		"`status`": statusJSON{}, "`topics`": topicsJSON{}, "`ls`": rangeJSON{}, "`cat`, `get`": recordfmt.JSONRecord{}, "`plan`": planJSON{}, "`export`": exportJSON{}, "`flush`": flushJSON{},
		"`jobs`": jobs.ListJSON{}, "`jobs show`": jobs.ShowJSON{},
		"`replay`": replays.ReportJSON{}, "`replay --offset-map`": replays.OffsetMapJSON{}, "`report`": reportpage.JSON{}, "`verify`": verifyJSON{}, "`rebuild`": repair.RebuildSummary{},
		"`init`": initJSON{}, "`restore`": restore.Report{}, "`map`": imageJSON{}, "`drill`": restore.DrillReport{},
		"`accept diverged`": branchJSON{}, "`capture`": captureJSON{}, "`clusters list`": clustersJSON{}, "`clusters show`": showJSON{}, "`clusters diff`": diffJSON{}, "`doctor`": doctorJSON{}, "`version`": versionJSON{},
	} {
		if command != "`report`" && strings.Contains(shapeOf(reflect.TypeOf(value)), "lost_offsets") {
			t.Errorf("%s calls lost what may be in a gap without loss", command)
		}
		want := "- " + command + ": "
		line := ""
		for l := range strings.Lines(string(page)) {
			if strings.HasPrefix(l, want) {
				line = l
			}
		}
		if shape := shapeOf(reflect.TypeOf(value)); !strings.Contains(line, "`"+shape+"`") {
			t.Errorf("docs/cli.md is to say what is printed. It says\n%s\nand this is printed:\n%s`%s`", line, want, shape)
		}
	}
}

// shapeOf writes the names of a type in JSON: {a, b: {c}, d: [{e}]}.
func shapeOf(of reflect.Type) string {
	switch of.Kind() {
	case reflect.Pointer:
		return shapeOf(of.Elem())
	case reflect.Slice:
		if shape := shapeOf(of.Elem()); shape != "" {
			return "[" + shape + "]"
		}
	case reflect.Struct:
		return "{" + strings.Join(namesOf(of), ", ") + "}"
	}
	return ""
}

func namesOf(of reflect.Type) (names []string) {
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous:
			names = append(names, namesOf(field.Type)...)
		case field.IsExported():
			if shape := shapeOf(field.Type); shape != "" {
				name += ": " + shape
			}
			names = append(names, name)
		}
	}
	return names
}
