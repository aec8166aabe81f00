// How lines become the content of an object.

package capture

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
)

// A writer turns lines into gzip as they come, so that only the compressed form
// is ever whole in memory.
type writer struct {
	content bytes.Buffer // compressed
	zip     *gzip.Writer
	sum     hash.Hash // of the lines as they are before compression
	both    io.Writer
	line    bytes.Buffer
	lines   int64
}

func newWriter() *writer {
	w := &writer{sum: sha256.New()}
	w.zip = gzip.NewWriter(&w.content)
	w.both = io.MultiWriter(w.zip, w.sum)
	return w
}

// writeLine adds a line: v is a struct, to which the type is added.
func (w *writer) writeLine(kind string, v any) error {
	w.line.Reset()
	encoder := json.NewEncoder(&w.line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("write a line of type %s: %w", kind, err)
	}
	w.lines++
	if _, err := fmt.Fprintf(w.both, `{"type":%q,`, kind); err != nil {
		return err
	}
	_, err := w.both.Write(w.line.Bytes()[1:]) // behind the brace; a newline ends it
	return err
}

// writeEnd writes the last line and returns the whole, compressed, and its sum.
func (w *writer) writeEnd(end End) (content []byte, sum string, err error) {
	end.Lines = w.lines
	if err := w.writeLine(typeEnd, end); err != nil {
		return nil, "", err
	}
	if err := w.zip.Close(); err != nil {
		return nil, "", err
	}
	return w.content.Bytes(), hex.EncodeToString(w.sum.Sum(nil)), nil
}

// readLines calls take for each line of a compressed file. What is cut, damaged or
// of a later version is an error; a line of an unknown type is passed over by take.
func readLines(file io.Reader, take func(kind string, line []byte) error) error {
	zip, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(zip, 64<<10)
	ended := false
	for lines := int64(0); ; lines++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			if !ended {
				return io.ErrUnexpectedEOF
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", lines+1, err)
		}
		if ended {
			return fmt.Errorf("line %d: something follows the end", lines+1)
		}
		if ended, err = readLine(line, lines, take); err != nil {
			return fmt.Errorf("line %d: %w", lines+1, err)
		}
	}
}

func readLine(line []byte, before int64, take func(kind string, line []byte) error) (ended bool, err error) {
	var head struct {
		Type  string
		Lines int64
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return false, err
	}
	if before == 0 {
		if err := checkVersion(line); err != nil {
			return false, err
		}
	}
	if head.Type == typeEnd && head.Lines != before {
		return false, fmt.Errorf("the end counts %d lines before it", head.Lines)
	}
	return head.Type == typeEnd, take(head.Type, line)
}

func checkVersion(header []byte) error {
	var of struct{ Version int }
	if err := json.Unmarshal(header, &of); err != nil {
		return err
	}
	if of.Version < 1 || of.Version > Version {
		return fmt.Errorf("version %d of the format; this program reads up to %d: take a newer one", of.Version,
			Version)
	}
	return nil
}
