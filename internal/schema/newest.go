// Which schema of a topic is the newest.

package schema

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// A Version is a schema with its ID and, if it was found by it, its subject.
type Version struct {
	ID      int    `json:"id"`
	Subject string `json:"subject,omitempty"`
	Version int    `json:"version,omitempty"`
	Schema
}

// subjects is a source that knows which schemas belong to a subject.
type subjects interface {
	// newest returns the newest schema of a subject, and ErrNoSchema as Source does.
	newest(ctx context.Context, subject string) (Version, error)
}

// Find returns the schema that a name stands for: an ID in digits, or a subject, the
// newest version of which it is. Errors are those of Source.
func Find(ctx context.Context, source Source, name string) (Version, error) {
	if id, err := strconv.ParseUint(name, 10, 32); err == nil {
		found, err := source.Schema(ctx, int(id))
		return Version{ID: int(id), Schema: found}, err
	}
	s, ok := source.(subjects)
	if !ok {
		return Version{}, noSchema("files that are called by their IDs have no subjects: give the ID of the schema")
	}
	return s.newest(ctx, name)
}

// versionsOf returns where the versions of a subject are: of its name in the default
// context, or else in the only context that has the name.
func (l *Log) versionsOf(subject string) (*logSubject, string, error) {
	if known := l.subjects[subject]; known != nil {
		return known, subject, nil
	}
	var found []string
	for name := range l.subjects {
		if context := contextOf(name); context != "" && name == ":."+context+":"+subject {
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		return nil, "", noSchema("the topic of the registry has no subject %q", subject)
	case 1:
		return l.subjects[found[0]], found[0], nil
	}
	slices.Sort(found)
	return nil, "", noSchema("%d contexts have a subject %q: give one of %q", len(found), subject, found)
}

// newest implements subjects. It is the version that the registry would call the latest
// one. Of a subject that was deleted it is the last one that there was: deleting a schema
// does not delete what was written with it.
func (l *Log) newest(_ context.Context, subject string) (Version, error) {
	known, name, err := l.versionsOf(subject)
	if err != nil {
		return Version{}, err
	}
	at := known.last
	if len(known.current) > 0 {
		at = known.current[slices.Max(slices.Collect(maps.Keys(known.current)))]
	}
	found, err := l.resolve(at, nil)
	if err != nil {
		return Version{}, fmt.Errorf("version %d of %s: %w", l.entries[at].version, name, err)
	}
	return Version{ID: l.entries[at].ID, Subject: name, Version: l.entries[at].version, Schema: found}, nil
}

// newest implements subjects.
func (r *registry) newest(ctx context.Context, subject string) (Version, error) {
	found, err := r.client.SchemaByVersion(ctx, subject, latestVersion)
	if err != nil {
		return Version{}, certain(err, fmt.Sprintf("the registry has no subject %q", subject))
	}
	resolved, err := r.resolve(ctx, found.Schema, 0)
	return Version{ID: found.ID, Subject: found.Subject, Version: found.Version, Schema: resolved}, err
}
