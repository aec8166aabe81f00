// What a schema is, where it comes from.

package schema

import (
	"context"
	"errors"
	"fmt"
)

// Type is the language of a schema, as a registry names it.
type Type string

// The types that registries know.
const (
	Avro     Type = "AVRO"
	Protobuf Type = "PROTOBUF"
	JSON     Type = "JSON"
)

// A Schema is the text of one schema, with all that it refers to.
type Schema struct {
	Type       Type        `json:"type"`
	Text       string      `json:"schema"`
	References []Reference `json:"references,omitempty"`
}

// A Reference is a schema under the name that the text of another has for it: the
// full name of an Avro type, the path of a Protobuf import, the URL in a $ref.
type Reference struct {
	Name string `json:"name"`
	Schema
}

// A Source finds schemas. Its method may be called from many goroutines at once.
type Source interface {
	// Schema returns the schema with the ID. ErrNoSchema says for certain that the
	// source has none, or not all of it; every other error leaves that open.
	Schema(ctx context.Context, id int) (Schema, error)
}

// ErrNoSchema says that a source does not have a schema, or not all that it refers to.
var ErrNoSchema = errors.New("no schema")

func noSchema(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNoSchema, fmt.Sprintf(format, args...))
}

// eachReference calls visit for all that the schema refers to, what is referred to
// first, and each name once.
func (s Schema) eachReference(visit func(Reference) error) error {
	return s.eachUnseen(map[string]bool{}, visit)
}

func (s Schema) eachUnseen(seen map[string]bool, visit func(Reference) error) error {
	for _, r := range s.References {
		if seen[r.Name] {
			continue
		}
		seen[r.Name] = true
		if err := r.eachUnseen(seen, visit); err != nil {
			return err
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	return nil
}
