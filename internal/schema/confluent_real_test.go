//go:build real

package schema

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// What Confluent's own serializers write is decoded to what their own deserializers
// make of it: testdata/confluent.py says which values those are.
func TestDecodesAsConfluentsOwnDeserializers(t *testing.T) {
	t.Parallel()
	python := localservices.PythonForTest(t)
	command := exec.CommandContext(t.Context(), python, "testdata/confluent.py")
	var problem bytes.Buffer
	command.Stderr = &problem
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, problem.String())
	}
	type line struct {
		Key, Value string // of the registry's topic
		Name       string // of a case
		Data       []byte
		Want       json.RawMessage
	}
	log := NewLog()
	var cases []line
	for text := range strings.Lines(string(out)) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		if l.Key != "" {
			log.Add([]byte(l.Key), []byte(l.Value))
		} else {
			cases = append(cases, l)
		}
	}
	kinds := map[string]int{}
	decoder := NewDecoder(log)
	for _, c := range cases {
		decoded, err := decoder.Decode(t.Context(), c.Data)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := ordered(t, decoded.JSON), ordered(t, c.Want); got != want {
			t.Errorf("%s: schema %d %s\ngot  %s\nwant %s", c.Name, decoded.ID, decoded.Reason, got, want)
		}
		kinds[strings.Fields(c.Name)[0]]++
	}
	if kinds["avro"] < 25 || kinds["protobuf"] < 5 || kinds["json"] < 1 {
		t.Errorf("the cases are %v", kinds)
	}
}
