// Bills of materials of released programs.

package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
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
	PURL       string     `json:"purl"`             // package URL, type golang
	Hashes     []hash     `json:"hashes,omitempty"` // of the program itself
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// writeBill writes the bill of a program beside it.
func writeBill(program, version string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return fmt.Errorf("bill of materials: %w", err)
	}
	info, err := buildinfo.Read(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("bill of materials of %s: %w", program, err)
	}
	b := bill{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{ofProgram(info, version)}}
	b.Metadata.Component.Hashes = []hash{{"SHA-256", fmt.Sprintf("%x", sha256.Sum256(content))}}
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

// ofProgram is the program itself, for its kind of machine: a package of its module
// (Package URL specification, "golang").
func ofProgram(info *debug.BuildInfo, version string) component {
	c := newComponent("application", info.Main.Path, version, "")
	c.Name = info.Path
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	c.PURL += fmt.Sprintf("?goarch=%s&goos=%s#%s",
		settings["GOARCH"], settings["GOOS"], strings.TrimPrefix(info.Path, info.Main.Path+"/"))
	c.Ref = c.PURL
	return c
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
