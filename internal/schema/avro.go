// Avro schemas as decoders.

package schema

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"
)

// An avroCodec decodes what was written with one Avro schema.
type avroCodec struct {
	parsed *avro.Schema
	shape  *avroShape
}

// compileAvro returns a codec of Avro's binary encoding.
func compileAvro(s Schema) (*avroCodec, error) {
	parsed, err := parseAvro(s)
	if err != nil {
		return nil, err
	}
	shape, err := newAvroShape(parsed)
	if err != nil {
		return nil, err
	}
	return &avroCodec{parsed, shape}, nil
}

// decodeValue returns what the library makes of a payload, each value of a union in a
// map of one entry under the name of its branch.
func (c *avroCodec) decodeValue(payload []byte) (value any, err error) {
	if c.shape.kind == "bytes" { // which serializers write without their length, whatever they stand for
		payload = append(binary.AppendVarint(nil, int64(len(payload))), payload...)
	}
	rest, err := c.parsed.Decode(payload, &value, avro.TaggedUnions())
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d of %d bytes are left over", len(rest), len(payload))
	}
	return value, nil
}

func (c *avroCodec) decodeJSON(payload []byte) ([]byte, error) {
	value, err := c.decodeValue(payload)
	if err != nil {
		return nil, err
	}
	return c.shape.appendJSON(nil, value)
}

// parseAvro parses the schema behind what it refers to, whatever the order that is
// in. Names are taken as they are: other readers object to none either.
func parseAvro(s Schema) (*avro.Schema, error) {
	anyName := avro.WithLaxNames(func(name string) error {
		if name == "" {
			return errors.New("an empty name")
		}
		return nil
	})
	var waiting []Reference
	err := s.eachReference(func(r Reference) error {
		if r.Type != Avro {
			return fmt.Errorf("%s, which it refers to, is of type %s", r.Name, r.Type)
		}
		waiting = append(waiting, r)
		return nil
	})
	if err != nil {
		return nil, err
	}
	var cache avro.SchemaCache
	for before := len(waiting) + 1; len(waiting) < before; {
		before = len(waiting)
		waiting = slices.DeleteFunc(waiting, func(r Reference) bool {
			_, err := parseOneAvro(&cache, r.Text, anyName)
			return err == nil
		})
	}
	parsed, err := parseOneAvro(&cache, s.Text, anyName)
	if err != nil && len(waiting) > 0 {
		_, cause := parseOneAvro(&cache, waiting[0].Text, anyName)
		return nil, fmt.Errorf("%s, which it may refer to: %w", waiting[0].Name, cause)
	}
	return parsed, err
}

// parseOneAvro parses a text, without the aliases of fields if they are why it cannot be:
// the library lets none be called as another field is, and other readers do.
func parseOneAvro(cache *avro.SchemaCache, text string, options ...avro.SchemaOpt) (*avro.Schema, error) {
	parsed, err := cache.Parse(text, options...)
	if err == nil {
		return parsed, nil
	}
	var schema any
	numbers := json.NewDecoder(strings.NewReader(text))
	numbers.UseNumber()
	if numbers.Decode(&schema) != nil || !dropFieldAliases(schema) {
		return nil, err
	}
	without, failed := json.Marshal(schema)
	if failed != nil {
		return nil, err
	}
	if parsed, failed = cache.Parse(string(without), options...); failed != nil {
		return nil, err
	}
	return parsed, nil
}

// dropFieldAliases removes the aliases of the fields of all records, and reports whether there
// were some.
func dropFieldAliases(schema any) (some bool) {
	switch s := schema.(type) {
	case []any:
		for _, one := range s {
			some = dropFieldAliases(one) || some
		}
	case map[string]any:
		fields, _ := s["fields"].([]any)
		for _, field := range fields {
			if f, ok := field.(map[string]any); ok && f["aliases"] != nil {
				delete(f, "aliases")
				some = true
			}
		}
		for _, name := range []string{"fields", "type", "items", "values"} {
			some = dropFieldAliases(s[name]) || some
		}
	}
	return some
}

// An avroShape is a schema as its data is written as JSON: in the order of its
// fields, each union known by the names of its branches.
type avroShape struct {
	kind      string // Avro's name of the type, of no reference
	name      string // the full name of a record, an enum, a fixed
	aliases   []string
	logical   string
	precision int
	scale     int
	size      int // of a fixed
	fields    []avroField
	byName    map[string]*avroShape // the fields
	items     *avroShape            // of an array or a map
	branches  map[string]*avroShape // of a union, by the name that its data carries
	order     []string              // of the branches
}

type avroField struct {
	name    string
	aliases []string
	shape   *avroShape
}

func newAvroShape(parsed *avro.Schema) (*avroShape, error) {
	names := avroNames{}
	return names.shape(parsed.Root().ExpandReferences(), "")
}

// avroNames are the named types met so far: a type is written out where it is met
// first, and by its name from then on.
type avroNames map[string]*avroShape

func (names avroNames) shape(n *avro.SchemaNode, namespace string) (*avroShape, error) {
	s := &avroShape{kind: n.Type, logical: n.LogicalType, precision: n.Precision, scale: n.Scale, size: n.Size}
	switch n.Type {
	case "null", "boolean", "int", "long", "float", "double", "string", "bytes":
		return s, nil
	case "enum", "fixed":
		s.name, s.aliases = fullName(n), n.Aliases
		names[s.name] = s
		return s, nil
	case "array":
		return s, names.child(&s.items, n.Items, namespace)
	case "map":
		return s, names.child(&s.items, n.Values, namespace)
	case "record", "error":
		s.name, s.aliases, s.byName = fullName(n), n.Aliases, map[string]*avroShape{}
		names[s.name] = s
		return s, names.addFields(s, n)
	case "union":
		return s, names.addBranches(s, n, namespace)
	}
	for _, name := range []string{namespace + "." + n.Type, n.Type} {
		if known := names[name]; known != nil {
			return known, nil
		}
	}
	return nil, fmt.Errorf("no type %q", n.Type)
}

func (names avroNames) child(to **avroShape, n *avro.SchemaNode, namespace string) (err error) {
	*to, err = names.shape(n, namespace)
	return err
}

func (names avroNames) addFields(s *avroShape, n *avro.SchemaNode) error {
	namespace := ""
	if strings.Contains(s.name, ".") {
		namespace = s.name[:strings.LastIndexByte(s.name, '.')]
	}
	for i := range n.Fields {
		shape, err := names.shape(&n.Fields[i].Type, namespace)
		if err != nil {
			return fmt.Errorf("field %s: %w", n.Fields[i].Name, err)
		}
		s.fields = append(s.fields, avroField{n.Fields[i].Name, n.Fields[i].Aliases, shape})
		s.byName[n.Fields[i].Name] = shape
	}
	return nil
}

func (names avroNames) addBranches(s *avroShape, n *avro.SchemaNode, namespace string) error {
	s.branches = map[string]*avroShape{}
	for i := range n.Branches {
		branch, err := names.shape(&n.Branches[i], namespace)
		if err != nil {
			return err
		}
		name := cmp.Or(branch.name, branch.kind)
		s.branches[name] = branch
		s.order = append(s.order, name)
	}
	return nil
}

// fullName is the name of a record, an enum or a fixed with its namespace.
func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" || strings.Contains(n.Name, ".") {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}
