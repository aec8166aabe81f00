// The text of a secret before it is read as JSON.

package kafka

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	utf8Mark = []byte{0xEF, 0xBB, 0xBF} // the byte order mark U+FEFF
	utf16LE  = []byte{0xFF, 0xFE}
	utf16BE  = []byte{0xFE, 0xFF}
)

// plainText takes from a text what editors and shells put around it: a byte order
// mark, UTF-16 as PowerShell writes it, white space.
func plainText(text []byte) []byte {
	switch {
	case bytes.HasPrefix(text, utf8Mark):
		text = text[len(utf8Mark):]
	case bytes.HasPrefix(text, utf16LE), len(text) > 1 && text[0] != 0 && text[1] == 0:
		text = fromUTF16(text, binary.LittleEndian)
	case bytes.HasPrefix(text, utf16BE), len(text) > 1 && text[0] == 0 && text[1] != 0:
		text = fromUTF16(text, binary.BigEndian)
	}
	return bytes.TrimSpace(text)
}

func fromUTF16(text []byte, order binary.ByteOrder) []byte {
	var units []uint16
	for ; len(text) > 1; text = text[2:] {
		units = append(units, order.Uint16(text))
	}
	return bytes.TrimPrefix([]byte(string(utf16.Decode(units))), utf8Mark)
}

// notAnObject says why a text is no JSON object, in words that quote nothing of it.
func notAnObject(text []byte, err error) error {
	const what = "it is not a JSON object: "
	var syntax *json.SyntaxError
	switch {
	case len(text) == 0:
		return errors.New(what + "it is empty")
	case text[0] == '\'':
		return errors.New(what + "it begins with a single quote, which a shell would have taken away")
	case text[0] == '"':
		return errors.New(what + "it is a JSON text in quotes; store the object that is in it")
	case text[0] == '[':
		return errors.New(what + "it is a list")
	case text[0] != '{' && isBase64(text):
		return errors.New(what + "it is base64; store what that stands for")
	case text[0] != '{':
		return errors.New(what + "it does not begin with {; fields and values go into an object such as " +
			"{\"username\": \"…\", \"password\": \"…\"}")
	case !errors.As(err, &syntax):
		return errors.New("it is not a JSON object")
	}
	at := max(0, min(int(syntax.Offset), len(text))-1)
	line, column := 1+bytes.Count(text[:at], []byte("\n")), at-bytes.LastIndexByte(text[:at], '\n')
	where := fmt.Sprintf("%sit breaks off at line %d, column %d", what, line, column)
	switch r, _ := utf8.DecodeRune(text[at:]); {
	case int(syntax.Offset) >= len(text) && text[len(text)-1] != '}':
		return errors.New(what + "its end is missing")
	case r == '\'':
		return errors.New(where + ": names and texts stand in double quotes, not in single ones")
	case r == '“', r == '”', r == '„', r == '‘', r == '’':
		return errors.New(where + ": names and texts stand in plain double quotes, not in typographic ones")
	case r == '\n', r == '\r':
		return errors.New(where + `: the end of a line inside of a text is written \n`)
	case r == '}', r == ']':
		return errors.New(where + ": a comma may stand before it")
	}
	return errors.New(where)
}

func isBase64(text []byte) bool {
	decoded, err := base64.StdEncoding.DecodeString(string(text))
	return err == nil && bytes.HasPrefix(bytes.TrimSpace(decoded), []byte("{"))
}
