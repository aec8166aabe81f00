//go:build real && soak

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// A schema registry comes back by its topics, by the recipe of docs/restore.md: one that is
// started on the second cluster has every schema under its ID, and goes on with the IDs.
func TestARegistryComesBack(t *testing.T) {
	t.Parallel()
	source, s := clusterOfItsOwn(t)
	registry, err := localservices.StartRegistry(t.Context(), source.Addr())
	must(t, err)
	t.Cleanup(func() { must(t, registry.Remove()) })
	ids := map[int]string{}
	for n := range 5 {
		schema := fmt.Sprintf(`{"type":"record","name":"Order%d","fields":[{"name":"n","type":"long"}]}`, n)
		ids[register(t, registry, fmt.Sprintf("orders-%d-value", n), schema)] = schema
	}
	subjects := get(t, registry.URL+"/subjects")
	if len(ids) != 5 {
		t.Fatalf("the registry gave the IDs %v", ids)
	}
	s.bifrost(t, "capture")
	s.bifrost(t, "flush")
	must(t, registry.Remove())
	must(t, source.Kill())

	target, _ := clusterOfItsOwn(t)
	s.run(t, "restore", "--at", "latest", "--to-brokers", target.Addr(), "--yes").must(t, 0)
	s.run(t, "restore", "--at", "latest", "--to-brokers", target.Addr(), "--topics", "kafkasql-*,registry-events", "--finish", "--yes").must(t, 0)
	second, err := localservices.StartRegistry(t.Context(), target.Addr())
	must(t, err)
	t.Cleanup(func() { must(t, second.Remove()) })
	if got := get(t, second.URL+"/subjects"); !slices.Equal(sorted(t, got), sorted(t, subjects)) {
		t.Errorf("subjects are %s, and were %s", got, subjects)
	}
	for id, schema := range ids {
		var answer struct{ Schema string }
		must(t, json.Unmarshal(get(t, fmt.Sprintf("%s/schemas/ids/%d", second.URL, id)), &answer))
		if answer.Schema != schema {
			t.Errorf("schema %d is %s, and was %s", id, answer.Schema, schema)
		}
	}
	if id := register(t, second, "new-value", `"string"`); ids[id] != "" {
		t.Errorf("a new schema got the ID %d, which is another's", id)
	}
}

func register(t *testing.T, r *localservices.Registry, subject, schema string) int {
	t.Helper()
	body, err := json.Marshal(map[string]string{"schema": schema})
	must(t, err)
	answer, err := http.Post(r.URL+"/subjects/"+subject+"/versions", "application/json", bytes.NewReader(body))
	must(t, err)
	var got struct{ ID int }
	must(t, json.Unmarshal(whole(t, answer), &got))
	return got.ID
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	answer, err := http.Get(url)
	must(t, err)
	return whole(t, answer)
}

func whole(t *testing.T, answer *http.Response) []byte {
	t.Helper()
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	must(t, err)
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("the registry answers %s: %s", answer.Status, text)
	}
	return text
}

func sorted(t *testing.T, list []byte) (names []string) {
	t.Helper()
	must(t, json.Unmarshal(list, &names))
	slices.Sort(names)
	return names
}
