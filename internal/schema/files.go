// Schemas from files.

package schema

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"strconv"
	"strings"
)

// fileTypes are the types of schemas by the endings of their files.
var fileTypes = map[string]Type{".avsc": Avro, ".proto": Protobuf, ".json": JSON}

// ReadFiles returns the schemas of a path. A directory has a file for each schema,
// called by its ID: 17.avsc, 18.proto, 19.json. Other files of these kinds in it
// are what schemas refer to: a Protobuf import or a $ref by the path in the
// directory, an Avro type by whatever its file is called. A file has the records of
// a registry's topic, a line each, as cat --json prints them.
func ReadFiles(name string) (Source, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return readDirectory(os.DirFS(name), name)
	}
	return readLog(name)
}

func readLog(name string) (Source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	log := NewLog()
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, math.MaxInt32)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := log.AddPrinted(lines.Bytes()); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", name, n, err)
		}
	}
	if log.Len() == 0 {
		return nil, fmt.Errorf("%s has no schema: want what bifrost cat _schemas --json prints, "+
			"or a directory with files such as 17.avsc", name)
	}
	return log, lines.Err()
}

// directory is the schemas of a directory.
type directory struct {
	schemas map[int]Schema
}

func readDirectory(files fs.FS, name string) (Source, error) {
	d := directory{map[int]Schema{}}
	referred := map[Type][]Reference{}
	err := fs.WalkDir(files, ".", func(at string, entry fs.DirEntry, err error) error {
		kind, known := fileTypes[path.Ext(at)]
		if err != nil || entry.IsDir() || !known {
			return err
		}
		text, err := fs.ReadFile(files, at)
		if err != nil {
			return err
		}
		s := Schema{Type: kind, Text: string(text)}
		id, err := strconv.ParseUint(strings.TrimSuffix(at, path.Ext(at)), 10, 32)
		if err != nil {
			referred[kind] = append(referred[kind], Reference{at, s})
			return nil
		}
		if _, twice := d.schemas[int(id)]; twice {
			return fmt.Errorf("two files have the ID %d", id)
		}
		d.schemas[int(id)] = s
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the schemas of %s: %w", name, err)
	}
	if len(d.schemas) == 0 {
		return nil, fmt.Errorf("%s has no schema: want files such as 17.avsc, 18.proto or 19.json, "+
			"called by the ID of the schema", name)
	}
	for id, s := range d.schemas {
		s.References = referred[s.Type]
		d.schemas[id] = s
	}
	return d, nil
}

// Schema implements Source.
func (d directory) Schema(_ context.Context, id int) (Schema, error) {
	if s, ok := d.schemas[id]; ok {
		return s, nil
	}
	return Schema{}, noSchema("the directory has no file called %d.avsc, %d.proto or %d.json", id, id, id)
}
