package templates

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func TestShortFormsAreWrittenOut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "t.yaml")
	text := `
Resources:
  A:
    Type: T
    DeletionPolicy: Retain
    Properties:
      One: !Ref B
      Two: !GetAtt C.Arn.Inner
      Three: !If [D, !Ref E, 4]
      Four: !Sub "${F}-x"
      Five: [true, "true", 1.5]
      Six: !Sub ["${G}", {G: 7}]
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	template, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"One": map[string]any{"Ref": "B"}, "Two": map[string]any{"Fn::GetAtt": []any{"C", "Arn.Inner"}},
		"Three": map[string]any{"Fn::If": []any{"D", map[string]any{"Ref": "E"}, 4}},
		"Four":  map[string]any{"Fn::Sub": "${F}-x"}, "Five": []any{true, "true", 1.5},
		"Six": map[string]any{"Fn::Sub": []any{"${G}", map[string]any{"G": 7}}},
	}
	a := template.Resources("T")["A"]
	if !reflect.DeepEqual(a.Properties, want) || a.Attributes["DeletionPolicy"] != "Retain" {
		t.Errorf("got  %v\nwant %v", a.Properties, want)
	}
	if len(template.Resources("U")) != 0 || len(template.Resources("")) != 1 {
		t.Errorf("resources %v", template.Resources(""))
	}
}
