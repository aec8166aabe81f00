// JSON Schema as a decoder.

package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compileJSON returns a decoder of JSON that its schema allows. The text of the
// record is what comes out, without spaces between its parts.
func compileJSON(s Schema) (func([]byte) ([]byte, error), error) {
	loader := referenced{}
	err := s.eachReference(func(r Reference) error {
		if r.Type != JSON {
			return fmt.Errorf("%s, which it refers to, is of type %s", r.Name, r.Type)
		}
		loader[r.Name] = r.Text
		return nil
	})
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(s.Text))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7) // what Confluent's libraries take where none is named
	compiler.UseLoader(loader)
	const at = base + "the-schema"
	if err := compiler.AddResource(at, document); err != nil {
		return nil, err
	}
	compiled, err := compiler.Compile(at)
	if err != nil {
		return nil, err
	}
	return func(payload []byte) ([]byte, error) { return decodeJSON(compiled, payload) }, nil
}

func decodeJSON(schema *jsonschema.Schema, payload []byte) ([]byte, error) {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	if err := schema.Validate(value); err != nil {
		return nil, oneLine(err)
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, payload)
	return compact.Bytes(), err
}

// oneLine makes an error of several lines one of one line.
func oneLine(err error) error {
	lines := strings.Split(err.Error(), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return errors.New(strings.Join(lines, " "))
}

// base is where relative references begin.
const base = "bifrost://schemas/"

// referenced loads what a schema refers to by the names of its references, and
// nothing from anywhere else.
type referenced map[string]string

// Load implements jsonschema.URLLoader.
func (r referenced) Load(location string) (any, error) {
	names := []string{location, strings.TrimPrefix(location, base)}
	if u, err := url.Parse(location); err == nil {
		names = append(names, strings.TrimPrefix(u.Path, "/"), path.Base(u.Path))
	}
	for _, name := range names {
		if text, ok := r[name]; ok {
			return jsonschema.UnmarshalJSON(strings.NewReader(text))
		}
	}
	return nil, fmt.Errorf("it refers to %s, and none of its references is called so",
		strings.TrimPrefix(location, base))
}
