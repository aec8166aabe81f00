// Keys or values decoded with the schemas of a registry.

package recordfmt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/settings"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
	"github.com/bifrost-archive/bifrost/internal/bifrost"
	"github.com/bifrost-archive/bifrost/internal/config"
	"github.com/bifrost-archive/bifrost/internal/export"
	"github.com/bifrost-archive/bifrost/internal/readback"
	"github.com/bifrost-archive/bifrost/internal/schema"
	"github.com/bifrost-archive/bifrost/internal/wiring"
)

// Decoding is the flags of commands that decode keys and values.
type Decoding struct {
	Values, Keys bool
	// Typed and TypedKey are schemas as export.Options has them.
	Typed, TypedKey string
	Schemas         string // where the schemas are
	// Lenient says that a record of a schema that is nowhere may be shown as it is. A file that an
	// export writes stays.
	Lenient bool
}

// nowhere has no schema, and says why.
type nowhere struct{ reason string }

// Schema implements schema.Source.
func (n nowhere) Schema(context.Context, int) (schema.Schema, error) {
	return schema.Schema{}, fmt.Errorf("%w: %s", schema.ErrNoSchema, n.reason)
}

// AddFlags adds --decode, --decode-key and --schemas.
func (d *Decoding) AddFlags(c *cobra.Command) {
	c.Flags().BoolVar(&d.Values, "decode", false,
		"decode values that begin with the ID of a schema: Avro, "+
			"Protobuf and JSON as Confluent's serializers write them")
	c.Flags().BoolVar(&d.Keys, "decode-key", false, "decode keys likewise")
	c.Flags().StringVar(&d.Schemas, "schemas", export.DefaultSchemas,
		"where schemas are: a topic of the archive, the URL of a registry, a directory with files such as 17.avsc, "+
			"or a file of cat --json of such a topic")
}

// AddTypedFlags adds --typed and --typed-key.
func (d *Decoding) AddTypedFlags(c *cobra.Command) {
	add := func(to *string, name, subject, usage string) {
		c.Flags().StringVar(to, name, "", usage)
		c.Flags().Lookup(name).NoOptDefVal = subject
	}
	add(&d.Typed, "typed", export.TopicSubject,
		"decode Avro values into a struct column, record, with the fields of the newest schema of `SUBJECT`, in which "+
			"TOPIC stands for the topic; or of the schema with this ID")
	add(&d.TypedKey, "typed-key", export.TopicKeySubject,
		"decode Avro keys likewise, by this `SUBJECT`, into key_record")
}

// Any reports whether something is to be decoded.
func (d *Decoding) Any() bool {
	return d.Values || d.Keys || d.Typed != "" || d.TypedKey != ""
}

// RecordDecoder decodes records, and counts what it could not decode. A nil one
// decodes nothing.
type RecordDecoder struct {
	Decoding
	source  schema.Source
	decoder *schema.Decoder
	mutex   sync.Mutex     // of what follows: an export decodes in several goroutines
	failed  map[string]int // keys and values by the reason
}

// OpenDecoder finds the schemas. Parts are those of an archive that is open, or nil.
func (d *Decoding) OpenDecoder(ctx context.Context, a *app.App, parts *wiring.Parts) (*RecordDecoder, error) {
	if !d.Any() {
		return nil, nil
	}
	source, err := d.findSchemas(ctx, a, parts)
	if err != nil {
		return nil, err
	}
	return &RecordDecoder{
		Decoding: *d,
		source:   source,
		decoder:  schema.NewDecoder(source),
		failed:   map[string]int{},
	}, nil
}

func (d *Decoding) findSchemas(ctx context.Context, a *app.App, parts *wiring.Parts) (schema.Source, error) {
	if strings.Contains(d.Schemas, "://") {
		source, err := schema.NewRegistry(d.Schemas)
		if err != nil {
			err = usage.Errorf("--schemas: %w", err)
		}
		return source, err
	}
	_, statErr := os.Stat(d.Schemas)
	if !incarnationName.MatchString(d.Schemas) {
		return d.readSchemaFiles()
	}
	if parts == nil {
		var err error
		if parts, err = a.OpenParts(ctx, config.Reader); err != nil {
			if statErr == nil {
				return d.readSchemaFiles()
			}
			return nil, fmt.Errorf("--schemas %s is a topic of an archive: %w", d.Schemas, err)
		}
		defer parts.Close()
	}
	all, err := parts.Ledger.ListProgress(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for the schemas: %w", err)
	}
	rows, err := readback.Topic(all, d.Schemas)
	if err != nil {
		switch {
		case statErr == nil:
			return d.readSchemaFiles()
		case d.Lenient && d.Schemas == export.DefaultSchemas:
			return nowhere{"the archive has no topic " + export.DefaultSchemas + "; --schemas takes another topic, " +
				"the URL of a registry, or files"}, nil
		}
		return nil, fmt.Errorf("--schemas %s: %w; --schemas takes another topic, the URL of a registry, or files",
			d.Schemas, err)
	}
	a.TellLives(all, d.Schemas)
	return d.readSchemaTopic(ctx, a, parts, rows)
}

func (d *Decoding) readSchemaFiles() (schema.Source, error) {
	source, err := schema.ReadFiles(d.Schemas)
	if err != nil {
		err = fmt.Errorf("--schemas %s: %w", d.Schemas, err)
	}
	return source, err
}

// readSchemaTopic reads the topic of a registry. What is lost of it may be schemas that are
// missed later.
func (d *Decoding) readSchemaTopic(
	ctx context.Context, a *app.App, parts *wiring.Parts, rows []bifrost.Progress,
) (schema.Source, error) {
	reader := settings.NewReader(parts, 1)
	reader.Skipped = func(r bifrost.Row) {
		if r.State == bifrost.StateLost && r.GapReason != bifrost.ReasonBeforeFirstSight {
			a.Warn("%s: offsets %s are %s; there may have been schemas in it",
				r.Partition, r.Range, bifrost.DescribeGap(r.GapReason))
		}
	}
	log, err := schema.ReadTopic(ctx, reader, rows)
	if errors.Is(err, schema.ErrNoSchema) {
		err = fmt.Errorf("--schemas %s: %w; --schemas takes another topic, the URL of a registry, or files",
			d.Schemas, err)
	}
	if err != nil {
		return nil, err // not the log: one that is nil would be a source all the same
	}
	return log, nil
}

// Typing decodes for an export with typed columns.
func (d *RecordDecoder) Typing(a *app.App) *export.Typing {
	return &export.Typing{
		Source:  d.source,
		Decoder: d.decoder,
		Failed:  d.countFailure,
		Newer: func(topic string, place, newest schema.Version) {
			a.Warn("%s has a newer schema, %d, than the place, which keeps to schema %d: fields that are new in it are "+
				"not in the typed column; export into another place to have them", topic, newest.ID, place.ID)
		},
	}
}

// Columns decodes what an export writes beside keys and values.
func (d *RecordDecoder) Columns() *export.ColumnDecoder {
	return &export.ColumnDecoder{Decoder: d.decoder, Keys: d.Keys, Values: d.Values, Failed: d.countFailure}
}

// DecodeRecord replaces the key and the value by what they say, where that was asked for
// and can be done.
func (d *RecordDecoder) DecodeRecord(ctx context.Context, r *Record) (err error) {
	if d == nil {
		return nil
	}
	if d.Keys {
		if r.DecodedKey, err = d.decodeBytes(ctx, &r.Key); err != nil {
			return fmt.Errorf("decode the key %s: %w", r.place(), err)
		}
	}
	if d.Values {
		if r.DecodedValue, err = d.decodeBytes(ctx, &r.Value); err != nil {
			return fmt.Errorf("decode the value %s: %w", r.place(), err)
		}
	}
	return nil
}

// place says where a record is: values that are read alone do not know their offsets.
func (r *Record) place() string {
	if r.Offset < 0 {
		return "of a record of " + r.Partition.String()
	}
	return fmt.Sprintf("at offset %d of %s", r.Offset, r.Partition)
}

func (d *RecordDecoder) decodeBytes(ctx context.Context, data *[]byte) (schema.Decoded, error) {
	decoded, err := d.decoder.Decode(ctx, *data)
	switch {
	case err != nil:
	case decoded.Reason != "":
		d.countFailure(decoded.Reason)
	case decoded.JSON != nil:
		*data = decoded.JSON
	}
	return decoded, err
}

// mostReasons is how many reasons are told apart.
const mostReasons = 10

const otherReasons = "for other reasons"

func (d *RecordDecoder) countFailure(reason string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if _, known := d.failed[reason]; !known && len(d.failed) >= mostReasons {
		reason = otherReasons
	}
	d.failed[reason]++
}

// TellFailures says what could not be decoded, also where the format has no place for it.
func (d *RecordDecoder) TellFailures(a *app.App) {
	if d == nil {
		return
	}
	for _, reason := range slices.Sorted(maps.Keys(d.failed)) {
		a.Warn("%d keys or values were not decoded: %s", d.failed[reason], reason)
	}
}
