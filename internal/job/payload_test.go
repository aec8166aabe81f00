package job

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// TestWhatTheMachineTellsTheFunction: each step is given all that it needs to know, from the input, the parameters
// of the stack, the answers before and the execution; and a step that fails keeps none of the others from the report.
func TestWhatTheMachineTellsTheFunction(t *testing.T) {
	t.Parallel()
	var mutex sync.Mutex
	told := map[string]int{}
	m := &machine{
		definition: loadMachine(t, 3, 777),
		context:    map[string]any{"Execution": map[string]any{"Id": "arn:of:run", "StartTime": "2026-11-01T00:00:00Z"}},
		object: func(bucket, key string) ([]byte, error) {
			return []byte("{\"n\":1}\n{\"n\":2}\n"), nil
		},
		failed: func(string, string, int, int) {},
	}
	m.call = func(payload []byte) (any, error) {
		mutex.Lock()
		defer mutex.Unlock()
		told[string(payload)]++
		var event struct {
			Step  string
			Item  struct{ N int }
			Spent Spent
		}
		if err := json.Unmarshal(payload, &event); err != nil {
			return nil, err
		}
		switch {
		case event.Step == "plan":
			return map[string]any{"id": "one", "bucket": "b", "key": "k", "bytes_per_second": 5}, nil
		case event.Step == "finish":
			return map[string]any{"id": "one"}, nil
		case event.Item.N == 2:
			return nil, awsError{"Lambda.Other", "it fails"}
		}
		return map[string]any{"done": event.Spent.Invocations == 1, "spent": map[string]any{"seconds": 9, "invocations": event.Spent.Invocations + 1}}, nil
	}
	if _, err := m.run(m.definition, map[string]any{"kind": "verify"}, nil); err != nil {
		t.Fatal(err)
	}
	work := func(n, seconds, invocations int) string {
		return fmt.Sprintf(`{"bytes_per_second":5,"id":"one","item":{"n":%d},"spent":{"invocations":%d,"seconds":%d},"step":"work"}`, n, invocations, seconds)
	}
	for _, want := range []string{
		`{"bytes_per_second":777,"execution":"arn:of:run","export_to":"s3://lake/exports","job":{"kind":"verify"},"step":"plan","workers":3}`,
		work(1, 0, 0), work(1, 9, 1), work(2, 0, 0),
		`{"begun":"2026-11-01T00:00:00Z","execution":"arn:of:run","job":{"id":"one"},"step":"finish"}`,
	} {
		if told[want] != 1 {
			t.Errorf("told %d times: %s", told[want], want)
		}
		delete(told, want)
	}
	for other := range told {
		t.Errorf("told as well: %s", other)
	}
	each := m.definition["States"].(map[string]any)["Work on each item"].(map[string]any)
	if each["ToleratedFailurePercentage"] != float64(100) || each["MaxConcurrency"] != float64(3) {
		t.Errorf("of all items %v %% may fail, %v are worked on at a time", each["ToleratedFailurePercentage"], each["MaxConcurrency"])
	}
	text, err := json.Marshal(m.definition)
	if err != nil {
		t.Fatal(err)
	}
	if rest := strings.Count(string(text), "${"); rest > 0 {
		t.Errorf("%d parameters of the definition stand for nothing", rest)
	}
}
