// JSON Schema as a decoder.

package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

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
	compiler.UseRegexpEngine(anyRegexp)
	for _, name := range uncheckedFormats {
		compiler.RegisterFormat(&jsonschema.Format{Name: name, Validate: func(any) error { return nil }})
	}
	const at = base + "the-schema"
	if err := compiler.AddResource(at, document); err != nil {
		return nil, err
	}
	compiled, err := compiler.Compile(at)
	if err != nil {
		return nil, oneLine(err)
	}
	return func(payload []byte) ([]byte, error) { return decodeJSON(compiled, payload) }, nil
}

func decodeJSON(schema *jsonschema.Schema, payload []byte) ([]byte, error) {
	if !utf8.Valid(payload) { // which Go's decoder would replace
		return nil, errNotUTF8
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(payload))
	if err != nil {
		return nil, fmt.Errorf("it is no JSON: %w", err)
	}
	if err := checkNumbers(value); err != nil {
		return nil, err
	}
	if err := schema.Validate(value); err != nil {
		return nil, oneLine(err)
	}
	var compact bytes.Buffer
	err = json.Compact(&compact, payload)
	return compact.Bytes(), err
}

// mostExponent is the largest exponent of ten, and without its sign the smallest, of numbers
// that are validated. The validator writes all their digits out, which takes minutes from a
// million on and ends the program beyond it. A double ends at 308.
const mostExponent = 1000

// checkNumbers is an error if a number has an exponent that the validator cannot handle.
func checkNumbers(value any) error {
	switch v := value.(type) {
	case json.Number:
		_, exponent, some := strings.Cut(strings.ToLower(v.String()), "e")
		if power, err := strconv.Atoi(exponent); some && (err != nil || power > mostExponent || power < -mostExponent) {
			return fmt.Errorf("the exponent of %.40s is not within ±%d", v, mostExponent)
		}
	case []any:
		for _, one := range v {
			if err := checkNumbers(one); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, one := range v {
			if err := checkNumbers(one); err != nil {
				return err
			}
		}
	}
	return nil
}

// uncheckedFormats are those that the validator knows. Confluent's libraries check none.
var uncheckedFormats = []string{
	"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "iri", "iri-reference", "json-pointer",
	"period", "regex", "relative-json-pointer", "semver", "time", "uri", "uri-reference", "uri-template", "uuid",
}

// anyRegexp compiles a pattern. What Go's expressions do not have, such as looking ahead,
// matches everything: the text of a record is shown as it is in any case.
func anyRegexp(pattern string) (jsonschema.Regexp, error) {
	compiled, err := regexp.Compile(pattern)
	if err != nil {
		return uncheckedRegexp(pattern), nil
	}
	return compiled, nil
}

// uncheckedRegexp implements jsonschema.Regexp.
type uncheckedRegexp string

// MatchString implements jsonschema.Regexp.
func (uncheckedRegexp) MatchString(string) bool { return true }

// String implements jsonschema.Regexp.
func (u uncheckedRegexp) String() string { return string(u) }

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
