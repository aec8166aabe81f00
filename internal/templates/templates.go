// Package templates reads the CloudFormation templates of the stack, so that
// tests can say what the local AWS ignores: lifecycle rules, recovery, alarms and
// their dimensions, reserved concurrency. It is never deployed.
package templates

import (
	"fmt"
	"maps"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Template is one file, its short forms written out: !Ref x is {"Ref": "x"},
// !Sub x is {"Fn::Sub": "x"}.
type Template struct {
	Path string
	root map[string]any
}

// Load reads a template.
func Load(path string) (Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Template{}, fmt.Errorf("templates: %w", err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return Template{}, fmt.Errorf("templates: %s: %w", path, err)
	}
	root, ok := value(document.Content[0]).(map[string]any)
	if !ok {
		return Template{}, fmt.Errorf("templates: %s is no template", path)
	}
	return Template{path, root}, nil
}

// value is a node as JSON would have it. A node with a tag of CloudFormation is
// an object of one member, the function's full name.
func value(n *yaml.Node) any {
	var v any
	switch n.Kind {
	case yaml.MappingNode:
		object := make(map[string]any, len(n.Content)/2)
		for i := 0; i < len(n.Content); i += 2 {
			object[n.Content[i].Value] = value(n.Content[i+1])
		}
		v = object
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, item := range n.Content {
			list[i] = value(item)
		}
		v = list
	case yaml.AliasNode:
		v = value(n.Alias)
	default:
		v = scalar(n)
	}
	name, ours := strings.CutPrefix(n.Tag, "!")
	switch {
	case !ours || strings.HasPrefix(name, "!"):
		return v
	case name == "Ref" || name == "Condition":
		return map[string]any{name: v}
	case name == "GetAtt":
		if text, ok := v.(string); ok {
			resource, attribute, _ := strings.Cut(text, ".")
			v = []any{resource, attribute}
		}
	}
	return map[string]any{"Fn::" + name: v}
}

func scalar(n *yaml.Node) any {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return n.Value
	}
	var v any
	if n.Decode(&v) != nil {
		return n.Value
	}
	return v
}

// Get walks down by member names; nil when there is nothing.
func Get(from any, path ...string) any {
	for _, name := range path {
		object, ok := from.(map[string]any)
		if !ok {
			return nil
		}
		from = object[name]
	}
	return from
}

// Get walks down from the root.
func (t Template) Get(path ...string) any { return Get(t.root, path...) }

// A Resource is one of a template's.
type Resource struct {
	Name       string
	Type       string
	Properties map[string]any
	Attributes map[string]any // beside the properties: DeletionPolicy, Condition, ...
}

// Resources are those of a type, or all if it is empty, by name.
func (t Template) Resources(kind string) map[string]Resource {
	all := map[string]Resource{}
	section, _ := t.Get("Resources").(map[string]any)
	for name, body := range section {
		attributes, _ := body.(map[string]any)
		attributes = maps.Clone(attributes)
		properties, _ := attributes["Properties"].(map[string]any)
		r := Resource{Name: name, Type: fmt.Sprint(attributes["Type"]), Properties: properties, Attributes: attributes}
		if kind == "" || r.Type == kind {
			all[name] = r
		}
	}
	return all
}

// Get walks down from the properties.
func (r Resource) Get(path ...string) any { return Get(r.Properties, path...) }
