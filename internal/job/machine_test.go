package job

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/templates"
)

// machine runs the definition of infra/jobs.yaml: as much of Amazon States Language as
// that speaks, and it fails at whatever else it meets.
type machine struct {
	definition map[string]any
	call       func(payload []byte) (any, error)          // the function
	object     func(bucket, key string) ([]byte, error)   // of S3
	context    map[string]any                             // $$
	failed     func(state, name string, retried, max int) // told of each error
}

// awsError is an error with the name that AWS gives it.
type awsError struct{ name, cause string }

func (e awsError) Error() string { return e.name + ": " + e.cause }

// loadMachine reads the definition, with these parameters of the stack.
func loadMachine(t *testing.T, workers, bytesPerSecond int) map[string]any {
	t.Helper()
	// A test of the tests gives a copy of the module's root with a mistake in it.
	root := cmp.Or(os.Getenv("BIFROST_TEST_ROOT"), "../..")
	template, err := templates.Load(root + "/infra/jobs.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := template.Resources("")["Machine"].Get("DefinitionString", "Fn::Sub").(string)
	text = strings.NewReplacer("${AWS::Partition}", "aws", "${JobFunction}", "the function", "${JobWorkers}", fmt.Sprint(workers), "${JobBytesPerSecond}", fmt.Sprint(bytesPerSecond),
		"${JobExportBucket}", "lake", "${JobExportPrefix}", "exports").Replace(text)
	var definition map[string]any
	if err := json.Unmarshal([]byte(text), &definition); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return definition
}

// run goes from state to state, and answers the output of the last.
func (m *machine) run(definition map[string]any, input any, item any) (any, error) {
	name, states := definition["StartAt"].(string), definition["States"].(map[string]any)
	for {
		state, ok := states[name].(map[string]any)
		if !ok {
			return nil, fmt.Errorf("there is no state %q", name)
		}
		output, next, err := m.state(name, state, input, item)
		if err != nil {
			return nil, err
		}
		if state["End"] == true {
			return output, nil
		}
		input, name = output, next
	}
}

func (m *machine) state(name string, state map[string]any, input, item any) (output any, next string, err error) {
	next, _ = state["Next"].(string)
	switch state["Type"] {
	case "Pass":
		return state["Result"], next, nil
	case "Choice":
		for _, choice := range state["Choices"].([]any) {
			c := choice.(map[string]any)
			if at(input, c["Variable"].(string)) == c["BooleanEquals"] {
				return input, c["Next"].(string), nil
			}
		}
		return input, state["Default"].(string), nil
	case "Map":
		return input, next, m.each(state, input) // ResultPath null keeps the input
	case "Task":
		output, err = m.task(name, state, input, item)
		catches, _ := state["Catch"].([]any)
		if err != nil && len(catches) == 1 {
			return input, catches[0].(map[string]any)["Next"].(string), nil
		}
		return output, next, err
	}
	return nil, "", fmt.Errorf("state %s is a %v", name, state["Type"])
}

// task calls the function, as often as its retriers say.
func (m *machine) task(name string, state map[string]any, input, item any) (any, error) {
	if !strings.HasSuffix(state["Resource"].(string), ":states:::lambda:invoke") {
		return nil, fmt.Errorf("state %s calls %v", name, state["Resource"])
	}
	parameters := m.fill(state["Parameters"], input, item).(map[string]any)
	payload, err := json.Marshal(parameters["Payload"])
	if err != nil {
		return nil, err
	}
	tries := map[int]int{}
	for {
		answer, err := m.call(payload)
		if err == nil {
			return m.take(state, input, answer)
		}
		var named awsError
		if !errors.As(err, &named) {
			named = awsError{"errorString", err.Error()}
		}
		retrier, most := -1, 0
		retriers, _ := state["Retry"].([]any)
		for i, r := range retriers {
			if slices.Contains(r.(map[string]any)["ErrorEquals"].([]any), any(named.name)) {
				retrier, most = i, int(r.(map[string]any)["MaxAttempts"].(float64))
				break
			}
		}
		m.failed(name, named.name, tries[retrier], most)
		if tries[retrier] >= most {
			return nil, named
		}
		tries[retrier]++
	}
}

// take puts an answer where the state says.
func (m *machine) take(state map[string]any, input, answer any) (any, error) {
	text, err := json.Marshal(map[string]any{"StatusCode": 200, "Payload": answer})
	if err != nil {
		return nil, err
	}
	var result any
	if err := json.Unmarshal(text, &result); err != nil {
		return nil, err
	}
	if selector := state["ResultSelector"]; selector != nil {
		result = m.fill(selector, result, nil)
	}
	if path, ok := state["ResultPath"].(string); ok {
		into := map[string]any{}
		for k, v := range input.(map[string]any) {
			into[k] = v
		}
		into[strings.TrimPrefix(path, "$.")] = result
		result = into
	}
	if path, ok := state["OutputPath"].(string); ok {
		result = at(result, path)
	}
	return result, nil
}

// each runs a child for each line, so many at the same time.
func (m *machine) each(state map[string]any, input any) error {
	reader := state["ItemReader"].(map[string]any)
	where := m.fill(reader["Parameters"], input, nil).(map[string]any)
	if state["ResultPath"] != nil || !reflect.DeepEqual(reader["ReaderConfig"], map[string]any{"InputType": "JSONL"}) {
		return fmt.Errorf("a Map that reads %v", reader)
	}
	lines, err := m.object(where["Bucket"].(string), where["Key"].(string))
	if err != nil {
		return awsError{"States.ItemReaderFailed", err.Error()}
	}
	var mutex sync.Mutex
	var outputs int
	var failed []error
	var children sync.WaitGroup
	places := make(chan struct{}, int(state["MaxConcurrency"].(float64)))
	for line := range strings.Lines(string(lines)) {
		var item any
		if err := json.Unmarshal([]byte(line), &item); err != nil {
			return awsError{"States.ItemReaderFailed", err.Error()}
		}
		places <- struct{}{}
		children.Go(func() {
			output, err := m.run(state["ItemProcessor"].(map[string]any), m.fill(state["ItemSelector"], input, item), item)
			text, _ := json.Marshal(output)
			mutex.Lock()
			outputs += len(text) + 1
			if err != nil {
				failed = append(failed, err)
			}
			mutex.Unlock()
			<-places
		})
	}
	children.Wait()
	if most := 256 << 10; outputs*20_000/max(1, strings.Count(string(lines), "\n")) > most {
		return awsError{"States.DataLimitExceeded", fmt.Sprintf("%d bytes of outputs", outputs)}
	}
	return errors.Join(failed...)
}

// fill makes what a template of parameters stands for.
func (m *machine) fill(template, input, item any) any {
	object, ok := template.(map[string]any)
	if !ok {
		return template
	}
	filled := map[string]any{}
	for name, value := range object {
		path, isPath := value.(string)
		plain, ends := strings.CutSuffix(name, ".$")
		switch {
		case !ends:
			filled[name] = m.fill(value, input, item)
		case isPath && path == "$$.Map.Item.Value":
			filled[plain] = item
		case isPath && strings.HasPrefix(path, "$$."):
			filled[plain] = at(m.context, path[1:])
		case isPath:
			filled[plain] = at(input, path)
		}
	}
	return filled
}

// at follows a path such as $.a.b.
func at(value any, path string) any {
	for name := range strings.SplitSeq(strings.TrimPrefix(strings.TrimPrefix(path, "$"), "."), ".") {
		if name != "" {
			value = value.(map[string]any)[name]
		}
	}
	return value
}
