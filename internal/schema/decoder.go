// Confluent's wire format.

package schema

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
)

// headerBytes is the size of the header: the zero byte and the ID.
const headerBytes = 5

// Decoded is what became of a key or a value.
type Decoded struct {
	HasHeader bool   // it begins as serializers begin; without a header it is what it is
	ID        int    // of the schema that the header names
	JSON      []byte // one JSON value without line breaks; nil when it could not be decoded
	Reason    string // why it could not, though there is a header
}

// A Decoder decodes by the schemas of a source, each of which it asks for once. Its
// method may be called from many goroutines at once.
type Decoder struct {
	source Source
	mutex  sync.Mutex
	codecs map[int]*codec
}

// NewDecoder returns a decoder by the schemas of the source.
func NewDecoder(source Source) *Decoder {
	return &Decoder{source: source, codecs: map[int]*codec{}}
}

// A codec decodes what was written with one schema, or says why nothing can.
type codec struct {
	decode func(payload []byte) (json []byte, err error)
	avro   *avroCodec // if the schema is Avro
	reason string
}

// Decode decodes a key or a value. The data may be used again after it. An error
// says that the source could not be asked.
func (d *Decoder) Decode(ctx context.Context, data []byte) (Decoded, error) {
	if len(data) < headerBytes || data[0] != 0 {
		return Decoded{}, nil
	}
	id := int(binary.BigEndian.Uint32(data[1:]))
	result := Decoded{HasHeader: true, ID: id}
	c, err := d.codec(ctx, id)
	switch {
	case err != nil:
		return result, err
	case c.decode == nil:
		result.Reason = c.reason
		return result, nil
	}
	if result.JSON, err = c.decode(data[headerBytes:]); err != nil {
		result.JSON, result.Reason = nil, fmt.Sprintf("schema %d does not fit: %v", id, err)
	}
	return result, nil
}

// codec returns the codec of a schema. What the source could not be asked for is
// asked for again.
func (d *Decoder) codec(ctx context.Context, id int) (*codec, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if c := d.codecs[id]; c != nil {
		return c, nil
	}
	s, err := d.source.Schema(ctx, id)
	if err != nil && !errors.Is(err, ErrNoSchema) {
		return nil, fmt.Errorf("look up schema %d: %w", id, err)
	}
	var c *codec
	if err != nil {
		c = &codec{reason: fmt.Sprintf("schema %d: %v", id, err)}
	} else if c, err = compile(s); err != nil {
		c = &codec{reason: fmt.Sprintf("schema %d cannot be used: %v", id, err)}
	}
	d.codecs[id] = c
	return c, nil
}

func compile(s Schema) (c *codec, err error) {
	c = &codec{}
	switch s.Type {
	case Avro:
		if c.avro, err = compileAvro(s); err == nil {
			c.decode = c.avro.decodeJSON
		}
	case Protobuf:
		c.decode, err = compileProtobuf(s)
	case JSON:
		c.decode, err = compileJSON(s)
	default:
		err = fmt.Errorf("its type is %q; AVRO, PROTOBUF and JSON are known", s.Type)
	}
	return c, err
}

// DecodeInto decodes a key or a value into the column of an Avro schema, which need not
// be the one that it was written with. The value is as the column's kind says, nil for
// null; where there is a reason why it could not be decoded, it is nil. The memory of the
// data may be part of it. An error says that the source could not be asked.
func (d *Decoder) DecodeInto(ctx context.Context, data []byte, into *Column) (value any, reason string, err error) {
	if data == nil {
		return nil, "", nil
	}
	if len(data) < headerBytes || data[0] != 0 {
		return nil, "it does not begin with the ID of a schema", nil
	}
	id := int(binary.BigEndian.Uint32(data[1:]))
	c, err := d.codec(ctx, id)
	switch {
	case err != nil:
		return nil, "", err
	case c.decode == nil:
		return nil, c.reason, nil
	case c.avro == nil:
		return nil, fmt.Sprintf("schema %d is not Avro", id), nil
	}
	written, err := c.avro.decodeValue(data[headerBytes:])
	if err != nil {
		return nil, fmt.Sprintf("schema %d does not fit: %v", id, err), nil
	}
	if value, err = into.take(c.avro.shape, written); err != nil {
		return nil, fmt.Sprintf("schema %d does not become the columns: %v", id, err), nil
	}
	return value, "", nil
}
