// Columns of the newest schema of a topic.

package export

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bifrost-archive/bifrost/baldr"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/schema"
)

// Typing decodes keys and values into columns.
//
// A place keeps to one schema of a topic's values, and of its keys: the newest one when
// the first export wrote something of the topic. So all files of a topic have the same
// columns, whichever exports wrote them.
type Typing struct {
	Source  schema.Source
	Decoder *schema.Decoder // by the source
	// Failed, if not nil, is told why a key or a value was not decoded, by several goroutines
	// at once.
	Failed func(reason string)
	// Newer, if not nil, is told that a topic has another newest schema than the place.
	Newer func(topic string, place, newest schema.Version)
}

// TopicSubject is the subject that serializers give to the values of a topic unless they
// are told otherwise, and TopicKeySubject that of its keys.
const (
	TopicSubject    = topicWord + "-value"
	TopicKeySubject = topicWord + "-key"
	topicWord       = "TOPIC" // in a subject: the name of the topic
)

// A typedSide is the key or the value of the records of a topic.
type typedSide struct {
	name   string // of the column: record, key_record
	of     func(*baldr.Record) []byte
	column *schema.Column
}

// typedTopic is the sides of a topic that have columns.
type typedTopic []typedSide

// typedValue is what became of one side of one record.
type typedValue struct {
	value  any
	reason []byte // why there is none, or nil
	size   int    // of what was decoded
}

func (e *Exporter) typedSides() (sides []typedSide, wanted []string) {
	if e.Options.TypedKey != "" {
		sides = append(sides, typedSide{name: "key_record", of: func(r *baldr.Record) []byte { return r.Key }})
		wanted = append(wanted, e.Options.TypedKey)
	}
	if e.Options.Typed != "" {
		sides = append(sides, typedSide{name: "record", of: func(r *baldr.Record) []byte { return r.Value }})
		wanted = append(wanted, e.Options.Typed)
	}
	return sides, wanted
}

// CheckSchemas returns an error that names each of the topics that has no schema, or none
// that makes columns. Nothing is written. The partitions of a topic follow each other.
func (e *Exporter) CheckSchemas(ctx context.Context, partitions []bifrost.Progress) error {
	sides, wanted := e.typedSides()
	var missing []error
	checked := ""
	for _, p := range partitions {
		for i, side := range sides {
			if p.Name == checked {
				continue
			}
			_, err := e.readPlaceSchema(ctx, p.Partition, side)
			if errors.Is(err, bifrost.ErrNotFound) {
				_, _, err = e.findNewest(ctx, p.Partition, wanted[i])
			}
			if err != nil {
				missing = append(missing, fmt.Errorf("the column %s of %s: %w", side.name, p.Name, err))
			}
		}
		checked = p.Name
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w\nname another subject or an ID (--typed=SUBJECT), other schemas (--schemas), or leave these "+
		"topics out", errors.Join(missing...))
}

// typedOf returns the columns of a topic, and the first time makes the place keep to them.
func (e *Exporter) typedOf(ctx context.Context, p bifrost.Partition) (typedTopic, error) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	if known, ok := e.typed[p.Name]; ok {
		return known, nil
	}
	sides, wanted := e.typedSides()
	for i := range sides {
		v, err := e.placeSchema(ctx, p, sides[i], wanted[i])
		if err == nil {
			sides[i].column, err = schema.NewColumn(v.Schema)
		}
		if err != nil {
			return nil, fmt.Errorf("the column %s of %s: %w", sides[i].name, p.Name, err)
		}
	}
	if e.typed == nil {
		e.typed = map[string]typedTopic{}
	}
	e.typed[p.Name] = sides
	return sides, nil
}

// findNewest returns the newest schema of a topic that the options mean, if it makes
// columns.
func (e *Exporter) findNewest(
	ctx context.Context, p bifrost.Partition, wanted string,
) (v schema.Version, column *schema.Column, err error) {
	v, err = schema.Find(ctx, e.Typing.Source, strings.ReplaceAll(wanted, topicWord, p.Topic()))
	if err == nil {
		column, err = schema.NewColumn(v.Schema)
	}
	return v, column, err
}

func placeSchemaName(p bifrost.Partition, side typedSide) string {
	return fmt.Sprintf("%styped/%s%s/%s.json", ownFolder, topicFolder, p.Name, side.name)
}

func (e *Exporter) readPlaceSchema(ctx context.Context, p bifrost.Partition, side typedSide) (schema.Version, error) {
	name := placeSchemaName(p, side)
	content, err := e.Place.Read(ctx, name)
	if err != nil {
		return schema.Version{}, err
	}
	var v schema.Version
	if err := json.Unmarshal(content, &v); err != nil {
		return v, fmt.Errorf("%s in %s: %w", name, e.Place, err)
	}
	return v, nil
}

// placeSchema returns the schema that the place keeps to.
func (e *Exporter) placeSchema(
	ctx context.Context, p bifrost.Partition, side typedSide, wanted string,
) (schema.Version, error) {
	newest, _, newestErr := e.findNewest(ctx, p, wanted)
	place, err := e.readPlaceSchema(ctx, p, side)
	if errors.Is(err, bifrost.ErrNotFound) {
		if newestErr != nil {
			return newest, newestErr
		}
		content, err := json.Marshal(newest)
		if err != nil {
			return newest, err
		}
		if _, err := e.Place.CreateOnce(ctx, placeSchemaName(p, side), content); err != nil {
			return newest, err
		}
		place, err = e.readPlaceSchema(ctx, p, side) // of two exports at once, the first decides
		if err != nil {
			return newest, err
		}
	} else if err != nil {
		return place, err
	}
	return place, e.comparePlaceSchema(ctx, p, place, newest, newestErr)
}

// comparePlaceSchema refuses schemas of another registry, whose IDs mean something else.
// That schemas are missing by now changes nothing: the place has its own.
func (e *Exporter) comparePlaceSchema(
	ctx context.Context, p bifrost.Partition, place, newest schema.Version, newestErr error,
) error {
	same, err := e.Typing.Source.Schema(ctx, place.ID)
	switch {
	case errors.Is(err, schema.ErrNoSchema):
	case err != nil:
		return fmt.Errorf("look up schema %d: %w", place.ID, err)
	case same.Type != place.Type || same.Text != place.Text:
		return fmt.Errorf("%w: schema %d is another one there: choose another place, or the schemas that it was begun with",
			ErrOtherOptions, place.ID)
	}
	if newestErr == nil && newest.ID != place.ID && e.Typing.Newer != nil {
		e.Typing.Newer(p.Name, place, newest)
	}
	return nil
}

// decodeTyped decodes the sides of a record that have columns, and appends what became of each.
func (e *Exporter) decodeTyped(
	ctx context.Context, topic typedTopic, r *baldr.Record, values []typedValue,
) ([]typedValue, error) {
	for _, side := range topic {
		data := side.of(r)
		value, reason, err := e.Typing.Decoder.DecodeInto(ctx, data, side.column)
		if err != nil {
			return nil, fmt.Errorf("decode the column %s at offset %d: %w", side.name, r.Offset, err)
		}
		v := typedValue{value: value, size: len(data)}
		if reason != "" {
			v.reason = []byte(reason)
			if e.Typing.Failed != nil {
				e.Typing.Failed(reason)
			}
		}
		values = append(values, v)
	}
	return values, nil
}
