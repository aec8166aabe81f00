package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
)

// A bill is a bill of materials as CycloneDX 1.6 has it, as far as a Go program
// can tell: the modules that are linked into it, by its own word, not those that
// go.mod lists. It has no serial number and no date, so that it is the same for
// the same program.
type bill struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl"` // package URL, type golang
	Properties []property `json:"properties,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// writeBill writes the bill of a program beside it.
func writeBill(program, version string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return fmt.Errorf("bill of materials of %s: %w", program, err)
	}
	main := newComponent("application", info.Main.Path, version, "")
	b := bill{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{main}}
	b.Components = append(b.Components, newComponent("library", "std", info.GoVersion, ""))
	for _, dep := range info.Deps {
		b.Components = append(b.Components, ofModule(dep))
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return fmt.Errorf("bill of materials of %s: %w", program, err)
	}
	name := filepath.Join(filepath.Dir(program), filepath.Base(program)+".cdx.json")
	return os.WriteFile(name, append(text, '\n'), 0o644)
}

func ofModule(m *debug.Module) component {
	if m.Replace != nil {
		m = m.Replace
	}
	return newComponent("library", m.Path, m.Version, m.Sum)
}

// newComponent is a module; sum is its line in go.sum.
func newComponent(kind, path, version, sum string) component {
	c := component{Type: kind, Name: path, Version: version, PURL: "pkg:golang/" + path + "@" + version}
	c.Ref = c.PURL
	if sum != "" {
		c.Properties = []property{{"go.sum", sum}}
	}
	return c
}
