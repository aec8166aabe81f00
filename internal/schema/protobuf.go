// Protobuf schemas as decoders.

package schema

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// confluentFiles are what a registry of Confluent's lets every schema import.
var confluentFiles = map[string]string{
	"confluent/meta.proto": `syntax = "proto3"; package confluent;
import "google/protobuf/descriptor.proto";
message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
extend google.protobuf.FileOptions { Meta file_meta = 1088; }
extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }`,
	"confluent/type/decimal.proto": `syntax = "proto3"; package confluent.type;
message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }`,
	"confluent/types/decimal.proto": `syntax = "proto3"; package confluent.type; // as it was called once
import public "confluent/type/decimal.proto";`,
	"confluent/type/variant.proto": `syntax = "proto3"; package confluent.type;
message Variant { bytes metadata = 1; bytes value = 2; }`,
}

// compileProtobuf returns a decoder of message indexes and Protobuf's binary encoding.
func compileProtobuf(s Schema) (func([]byte) ([]byte, error), error) {
	const name = "the schema" // no import is called so
	texts := map[string]string{name: s.Text}
	for path, text := range confluentFiles {
		texts[path] = text
	}
	err := s.eachReference(func(r Reference) error {
		if r.Type != Protobuf {
			return fmt.Errorf("%s, which it imports, is of type %s", r.Name, r.Type)
		}
		texts[r.Name] = r.Text
		return nil
	})
	if err != nil {
		return nil, err
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(protobufTexts(texts)),
		MaxParallelism: 1,
	}
	files, err := compiler.Compile(context.Background(), name)
	if err != nil {
		return nil, err
	}
	known := new(protoregistry.Files)
	if err := registerFile(known, files[0]); err != nil {
		return nil, err
	}
	p := &protobufFile{file: files[0], types: dynamicpb.NewTypes(known)}
	return p.decode, nil
}

// protobufTexts are the texts of files by their paths. Some registries keep, instead
// of text, the descriptor that Python's serializer sends, in base64.
type protobufTexts map[string]string

// FindFileByPath implements protocompile.Resolver.
func (p protobufTexts) FindFileByPath(path string) (protocompile.SearchResult, error) {
	text, ok := p[path]
	if !ok {
		return protocompile.SearchResult{}, fmt.Errorf("none of its references is called %s", path)
	}
	if packed, err := base64.StdEncoding.DecodeString(text); err == nil {
		file := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(packed, file); err == nil {
			file.Name = &path
			nameForJSON(file.MessageType)
			return protocompile.SearchResult{Proto: file}, nil
		}
	}
	return protocompile.SearchResult{Source: strings.NewReader(text)}, nil
}

// nameForJSON gives fields the names that protoc gives them in JSON, which
// descriptors that come from a running program leave out, and the compiler misses.
func nameForJSON(messages []*descriptorpb.DescriptorProto) {
	for _, m := range messages {
		for _, f := range m.Field {
			if f.JsonName == nil {
				words := strings.Split(f.GetName(), "_")
				for i, word := range words[1:] {
					if word != "" {
						words[i+1] = strings.ToUpper(word[:1]) + word[1:]
					}
				}
				f.JsonName = proto.String(strings.Join(words, ""))
			}
		}
		nameForJSON(m.NestedType)
	}
}

// registerFile makes a file and all that it imports known, for extensions and Any.
func registerFile(known *protoregistry.Files, f protoreflect.FileDescriptor) error {
	if _, err := known.FindFileByPath(f.Path()); err == nil {
		return nil
	}
	imports := f.Imports()
	for i := range imports.Len() {
		if err := registerFile(known, imports.Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	return known.RegisterFile(f)
}

type protobufFile struct {
	file  protoreflect.FileDescriptor
	types *dynamicpb.Types
}

func (p *protobufFile) decode(payload []byte) ([]byte, error) {
	indexes, message, err := messageIndexes(payload)
	if err != nil {
		return nil, err
	}
	var problem error
	var fits, partly []byte // partly: decoded, with fields that the type does not have
	var fitsAs protoreflect.FullName
	for _, entriesCount := range []bool{false, true} {
		descriptor, err := p.find(indexes, entriesCount)
		if err != nil {
			problem = errors.Join(problem, err)
			continue
		}
		text, whole, err := p.decodeAs(descriptor, message)
		switch {
		case err != nil:
			problem = errors.Join(problem, err)
		case whole && fits != nil && !bytes.Equal(fits, text):
			return nil, fmt.Errorf("it may be a %s or a %s: not all serializers count the entries of maps as "+
				"messages, and it fits both", fitsAs, descriptor.FullName())
		case whole:
			fits, fitsAs = text, descriptor.FullName()
		case partly == nil:
			partly = text
		}
	}
	if fits != nil {
		return fits, nil
	}
	if partly != nil {
		return partly, nil
	}
	return nil, errors.New(strings.SplitN(problem.Error(), "\n", 2)[0])
}

func (p *protobufFile) decodeAs(d protoreflect.MessageDescriptor, data []byte) (text []byte, whole bool, err error) {
	message := dynamicpb.NewMessage(d)
	if err := (proto.UnmarshalOptions{Resolver: p.types}).Unmarshal(data, message); err != nil {
		return nil, false, err
	}
	spaced, err := protojson.MarshalOptions{UseProtoNames: true, Resolver: p.types}.Marshal(message)
	if err != nil {
		return nil, false, err
	}
	var compact bytes.Buffer // protojson puts spaces in at random, so that nobody relies on its bytes
	err = json.Compact(&compact, spaced)
	return compact.Bytes(), len(message.ProtoReflect().GetUnknown()) == 0, err
}

// find follows the indexes from the file's messages to those inside. Serializers do
// not agree on whether the entries of maps, which the compiler makes messages of,
// are counted: Java's counts what is written in the file, Python's counts them too.
func (p *protobufFile) find(indexes []int64, entriesCount bool) (protoreflect.MessageDescriptor, error) {
	messages := p.file.Messages()
	var found protoreflect.MessageDescriptor
	for depth, index := range indexes {
		found = nil
		for i := range messages.Len() {
			m := messages.Get(i)
			if m.IsMapEntry() && !entriesCount {
				continue
			}
			if index == 0 {
				found = m
				break
			}
			index--
		}
		if found == nil || found.IsMapEntry() {
			return nil, fmt.Errorf("it has no message %v", indexes[:depth+1])
		}
		messages = found.Messages()
	}
	return found, nil
}

// messageIndexes reads which message of the file it is: a count and as many
// indexes, zigzag varints all; a count of 0 is the first message.
func messageIndexes(payload []byte) (indexes []int64, rest []byte, err error) {
	count, n := binary.Varint(payload)
	if n <= 0 || count < 0 || count > int64(len(payload)) {
		return nil, nil, errors.New("the indexes of its message are cut or damaged")
	}
	rest = payload[n:]
	if count == 0 {
		return []int64{0}, rest, nil
	}
	for range count {
		index, n := binary.Varint(rest)
		if n <= 0 || index < 0 {
			return nil, nil, errors.New("the indexes of its message are cut or damaged")
		}
		indexes, rest = append(indexes, index), rest[n:]
	}
	return indexes, rest, nil
}
