// How the bytes of a record become JSON.

package recordfmt

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/app"
	"github.com/bifrost-archive/bifrost/cmd/bifrost/internal/usage"
)

// Encodings say how keys and values become JSON. With any but auto their type does not
// depend on the bytes: a string, or null.
type Encodings struct{ Key, Value string }

// The encodings: what is UTF-8 as it is and anything else as {"base64": ...}; text, base64 and
// hexadecimal digits.
const (
	encodeAuto   = "auto"
	encodeUTF8   = "utf8"
	encodeBase64 = "base64"
	encodeHex    = "hex"
)

var encodings = []string{encodeAuto, encodeUTF8, encodeBase64, encodeHex}

// AddFlags adds --value-encoding and --key-encoding.
func (e *Encodings) AddFlags(c *cobra.Command) {
	for flag, to := range map[string]*string{"value": &e.Value, "key": &e.Key} {
		c.Flags().StringVar(to, flag+"-encoding", encodeAuto, fmt.Sprintf("how a %s is written as JSON: utf8, "+
			"base64 or hex, "+
			"always a string; auto: a string if it is UTF-8, otherwise {\"base64\": ...}", flag))
		app.CompleteWords(c, flag+"-encoding", encodings...)
	}
}

// Check refuses encodings that there are not, and those that the format has no use for.
func (e Encodings) Check(format string) error {
	for flag, encoding := range map[string]string{"--value-encoding": e.Value, "--key-encoding": e.Key} {
		switch {
		case !slices.Contains(encodings, encoding):
			return usage.Errorf("%s %q: want %s", flag, encoding, strings.Join(encodings, ", "))
		case encoding != encodeAuto && format != "json":
			return usage.Errorf("%s is for --format json: the other formats write bytes as they are", flag)
		}
	}
	return nil
}

// fits refuses bytes that are not what they are to be written as.
func (e Encodings) fits(r *Record) error {
	for _, part := range []struct {
		name, encoding string
		bytes          []byte
	}{{"key", e.Key, r.Key}, {"value", e.Value, r.Value}} {
		if part.encoding == encodeUTF8 && !utf8.Valid(part.bytes) {
			return fmt.Errorf("the %s at offset %d of %s is not UTF-8: give --%s-encoding auto, base64 or hex",
				part.name,
				r.Offset, r.Partition, part.name)
		}
	}
	return nil
}

func encodeBytes(b []byte, encoding string) any {
	switch {
	case b == nil:
		return nil
	case encoding == encodeBase64:
		return base64.StdEncoding.EncodeToString(b)
	case encoding == encodeHex:
		return hex.EncodeToString(b)
	}
	return jsonBytes(b)
}
