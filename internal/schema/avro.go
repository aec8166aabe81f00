// Avro schemas as decoders.

package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"
)

// compileAvro returns a decoder of Avro's binary encoding.
func compileAvro(s Schema) (func([]byte) ([]byte, error), error) {
	parsed, err := parseAvro(s)
	if err != nil {
		return nil, err
	}
	shape, err := newAvroShape(parsed)
	if err != nil {
		return nil, err
	}
	if shape.kind == "bytes" && shape.logical == "" {
		// Serializers write bytes that are all of a value without their length.
		return func(payload []byte) ([]byte, error) { return appendBase64(nil, payload), nil }, nil
	}
	return func(payload []byte) ([]byte, error) {
		var value any
		rest, err := parsed.Decode(payload, &value, avro.TaggedUnions())
		if err != nil {
			return nil, err
		}
		if len(rest) > 0 {
			return nil, fmt.Errorf("%d of %d bytes are left over", len(rest), len(payload))
		}
		return shape.appendJSON(nil, value)
	}, nil
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
			_, err := cache.Parse(r.Text, anyName)
			return err == nil
		})
	}
	parsed, err := cache.Parse(s.Text, anyName)
	if err != nil && len(waiting) > 0 {
		_, cause := cache.Parse(waiting[0].Text, anyName)
		return nil, fmt.Errorf("%s, which it may refer to: %w", waiting[0].Name, cause)
	}
	return parsed, err
}

// An avroShape is a schema as its data is written as JSON: in the order of its
// fields, each union known by the names of its branches.
type avroShape struct {
	kind     string // Avro's name of the type, of no reference
	logical  string
	scale    int
	fields   []avroField
	items    *avroShape            // of an array or a map
	branches map[string]*avroShape // of a union, by the name that its data carries
}

type avroField struct {
	name  string
	shape *avroShape
}

func newAvroShape(parsed *avro.Schema) (*avroShape, error) {
	names := avroNames{}
	return names.shape(parsed.Root().ExpandReferences(), "")
}

// avroNames are the named types met so far: a type is written out where it is met
// first, and by its name from then on.
type avroNames map[string]*avroShape

func (names avroNames) shape(n *avro.SchemaNode, namespace string) (*avroShape, error) {
	s := &avroShape{kind: n.Type, logical: n.LogicalType, scale: n.Scale}
	switch n.Type {
	case "null", "boolean", "int", "long", "float", "double", "string", "bytes":
		return s, nil
	case "enum", "fixed":
		names[fullName(n)] = s
		return s, nil
	case "array":
		return s, names.child(&s.items, n.Items, namespace)
	case "map":
		return s, names.child(&s.items, n.Values, namespace)
	case "record", "error":
		names[fullName(n)] = s
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
	if name := fullName(n); strings.Contains(name, ".") {
		namespace = name[:strings.LastIndexByte(name, '.')]
	}
	for i := range n.Fields {
		shape, err := names.shape(&n.Fields[i].Type, namespace)
		if err != nil {
			return fmt.Errorf("field %s: %w", n.Fields[i].Name, err)
		}
		s.fields = append(s.fields, avroField{n.Fields[i].Name, shape})
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
		name := branch.kind
		for full, named := range names {
			if named == branch {
				name = full
			}
		}
		s.branches[name] = branch
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
