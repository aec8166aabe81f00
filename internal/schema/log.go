// Schemas from the topic of a registry.

package schema

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Log is the schemas of a registry as its own topic has them, which is called
// _schemas unless somebody chose another name. Records are added in their order. A
// registry that deletes a schema leaves data behind that was written with it, so
// here nothing is forgotten.
type Log struct {
	entries  []logEntry
	byID     map[int][]int // positions in entries
	versions map[subjectVersion][]int
	subjects map[string]*logSubject
	unread   int // records that could not be understood
}

// A logSubject is the versions of a subject.
type logSubject struct {
	current map[int]int // positions in entries by the version, of those that are not deleted
	last    int         // position of the last one that there was, deleted or not
}

type subjectVersion struct {
	subject string
	version int
}

// logKey and logValue are what a registry writes
// (io.confluent.kafka.schemaregistry.storage.SchemaKey and SchemaValue).
type logKey struct {
	Type    string `json:"keytype"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

type logValue struct {
	ID         int            `json:"id"`
	Type       Type           `json:"schemaType"`
	Text       *string        `json:"schema"`
	References []logReference `json:"references"`
	Deleted    bool           `json:"deleted"`
}

type logReference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

type logEntry struct {
	subjectVersion
	logValue
}

// latestVersion in a reference stands for the newest version there was.
const latestVersion = -1

// NewLog returns a log without records.
func NewLog() *Log {
	return &Log{byID: map[int][]int{}, versions: map[subjectVersion][]int{}, subjects: map[string]*logSubject{}}
}

// Add takes in the next record of the topic. Records of other kinds than schemas
// (settings, deletions of whole subjects) change nothing about what a schema says,
// nor do tombstones; deletions change which one is the newest of a subject.
func (l *Log) Add(key, value []byte) {
	var k logKey
	if err := json.Unmarshal(key, &k); err != nil {
		l.unread++
		return
	}
	if k.Type == "DELETE_SUBJECT" {
		l.deleteSubject(k.Subject, value)
	}
	if k.Type != "SCHEMA" {
		return
	}
	if len(value) == 0 || string(value) == "null" {
		l.deleteVersions(k.Subject, k.Version, k.Version)
		return
	}
	entry := logEntry{subjectVersion: subjectVersion{k.Subject, k.Version}}
	if err := json.Unmarshal(value, &entry.logValue); err != nil || entry.Text == nil {
		l.unread++
		return
	}
	if entry.Type == "" {
		entry.Type = Avro
	}
	at := len(l.entries)
	l.entries = append(l.entries, entry)
	l.byID[entry.ID] = append(l.byID[entry.ID], at)
	l.versions[entry.subjectVersion] = append(l.versions[entry.subjectVersion], at)
	latest := subjectVersion{k.Subject, latestVersion}
	l.versions[latest] = append(l.versions[latest], at)
	known := l.subjects[k.Subject]
	if known == nil {
		known = &logSubject{current: map[int]int{}, last: at}
		l.subjects[k.Subject] = known
	}
	if !entry.Deleted {
		known.current[k.Version] = at
		known.last = at
		return
	}
	delete(known.current, k.Version)
	if k.Version >= l.entries[known.last].version {
		known.last = at // its own deletion says once more what it was
	}
}

// deleteSubject takes in that the versions of a subject were deleted
// (io.confluent.kafka.schemaregistry.storage.DeleteSubjectValue).
func (l *Log) deleteSubject(subject string, value []byte) {
	var v struct{ Version int }
	if json.Unmarshal(value, &v) == nil {
		l.deleteVersions(subject, 0, v.Version)
	}
}

func (l *Log) deleteVersions(subject string, first, last int) {
	known := l.subjects[subject]
	if known == nil {
		return
	}
	for version := range known.current {
		if version >= first && version <= last {
			delete(known.current, version)
		}
	}
}

// Len counts the schemas that were added, each version of a subject apart.
func (l *Log) Len() int { return len(l.entries) }

// Schema implements Source. An ID means a schema of the default context if that has
// one, and otherwise of the only context that has one. Where it has stood for two
// schemas, nobody can say which of them a record was written with.
func (l *Log) Schema(_ context.Context, id int) (Schema, error) {
	contexts := map[string][]int{}
	for _, at := range l.byID[id] {
		c := contextOf(l.entries[at].subject)
		contexts[c] = append(contexts[c], at)
	}
	candidates := contexts[""]
	if candidates == nil && len(contexts) == 1 {
		for _, only := range contexts {
			candidates = only
		}
	}
	switch {
	case len(contexts) == 0 && l.unread > 0:
		return Schema{}, noSchema("the topic of the registry has none of this ID, and %d records that are no JSON",
			l.unread)
	case len(contexts) == 0:
		return Schema{}, noSchema("the topic of the registry has none of this ID")
	case candidates == nil:
		return Schema{}, noSchema("%d contexts of the registry have one of this ID, and the default context none",
			len(contexts))
	}
	return l.oneOf(candidates)
}

// oneOf returns what all candidates say.
func (l *Log) oneOf(candidates []int) (Schema, error) {
	first := l.entries[candidates[0]]
	for _, at := range candidates[1:] {
		other := l.entries[at]
		if other.Type != first.Type || *other.Text != *first.Text {
			return Schema{}, noSchema("the ID stands for two schemas, version %d of %s and version %d of %s",
				first.version, first.subject, other.version, other.subject)
		}
	}
	return l.resolve(candidates[0], nil)
}

// resolve finds what an entry refers to. A version of a subject may have been
// another schema once, before somebody deleted the subject: what it referred to was
// there before it.
func (l *Log) resolve(at int, above []int) (Schema, error) {
	if slices.Contains(above, at) {
		return Schema{}, noSchema("version %d of %s refers to itself", l.entries[at].version, l.entries[at].subject)
	}
	entry := l.entries[at]
	s := Schema{Type: entry.Type, Text: *entry.Text}
	for _, r := range entry.References {
		subject := r.Subject
		if context := contextOf(entry.subject); contextOf(subject) == "" && context != "" {
			subject = ":." + context + ":" + subject
		}
		known := l.versions[subjectVersion{subject, r.Version}]
		if len(known) == 0 {
			return Schema{}, noSchema("it refers to version %d of %s, which the topic of the registry does not have",
				r.Version, subject)
		}
		before, _ := slices.BinarySearch(known, at)
		inner, err := l.resolve(known[max(0, before-1)], append(above, at))
		if err != nil {
			return Schema{}, err
		}
		s.References = append(s.References, Reference{r.Name, inner})
	}
	return s, nil
}

// contextOf is the context of a subject, "" for the default one: ":.context:name".
func contextOf(subject string) string {
	rest, qualified := strings.CutPrefix(subject, ":.")
	if !qualified {
		return ""
	}
	context, _, found := strings.Cut(rest, ":")
	if !found {
		return ""
	}
	return context
}

// AddPrinted takes in a record as cat --json prints it.
func (l *Log) AddPrinted(line []byte) error {
	var record struct {
		Key   *string `json:"key"`
		Value *string `json:"value"`
	}
	if err := json.Unmarshal(line, &record); err != nil {
		return fmt.Errorf("not a record of the registry's topic as cat --json prints it: %w", err)
	}
	if record.Key == nil {
		return errors.New("a record without a key: want those of a registry's topic")
	}
	var value []byte
	if record.Value != nil {
		value = []byte(*record.Value)
	}
	l.Add([]byte(*record.Key), value)
	return nil
}
