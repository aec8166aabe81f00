// Whether all settings name the same archive.

package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// ErrOtherArchive says that group, tables and bucket are not those of one archive.
var ErrOtherArchive = errors.New("these settings do not belong together")

// ArchiveTables is what the tables say of the archive to which they belong.
type ArchiveTables interface {
	// ObjectKeys reads a few rows of the progress table and of the objects table, and answers
	// the key of an object from each; empty when none of these rows names one.
	ObjectKeys(ctx context.Context) (progress, objects string, err error)
	// Mark is bifrost.MarkKeeper.Mark.
	Mark(ctx context.Context) (bifrost.TablesMark, error)
}

// ArchiveBucket is what is asked of the bucket.
type ArchiveBucket interface {
	bifrost.ObjectOpener
	bifrost.KeyLister
}

// Belonging compares the settings with what the tables and the bucket know.
type Belonging struct {
	Group      string // first element of every key
	BucketName string // for messages
	Tables     ArchiveTables
	Bucket     ArchiveBucket
}

// CheckGroup is nil unless the tables or the bucket prove that the tables belong to
// another group: ErrOtherArchive then, with the group to which they belong. Tables
// that have planned nothing belong to any.
func (b Belonging) CheckGroup(ctx context.Context) error {
	progress, objects, err := b.Tables.ObjectKeys(ctx)
	if err != nil {
		return fmt.Errorf("look to which group the tables belong: %w", err)
	}
	for _, named := range []struct{ table, key string }{{"progress", progress}, {"objects", objects}} {
		if group, _, _ := strings.Cut(named.key, "/"); named.key != "" && group != b.Group {
			return fmt.Errorf("%w: the %s table is of group %q (it names %s), and the group given is %q: set "+
				"BIFROST_GROUP or --group, or name other "+
				"tables", ErrOtherArchive, named.table, group, named.key, b.Group)
		}
	}
	if progress != "" || objects != "" {
		return nil
	}
	return b.checkSeries(ctx)
}

// checkSeries looks for the marks of tables that name no object yet.
func (b Belonging) checkSeries(ctx context.Context) error {
	mark, err := b.Tables.Mark(ctx)
	if errors.Is(err, bifrost.ErrNotFound) || err == nil && mark.Number == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look to which group the tables belong: %w", err)
	}
	marked, err := b.hasMarks(ctx, b.Group, mark.Series)
	if err != nil || marked {
		return err
	}
	groups, err := b.groups(ctx)
	if err != nil {
		return err
	}
	for _, group := range groups {
		if marked, err := b.hasMarks(ctx, group, mark.Series); err != nil {
			return err
		} else if marked {
			return fmt.Errorf("%w: the bucket %s has the marks of these tables under group %q, and the group given is "+
				"%q: set BIFROST_GROUP or --group, or name other tables", ErrOtherArchive, b.BucketName, group, b.Group)
		}
	}
	return nil
}

func (b Belonging) hasMarks(ctx context.Context, group, series string) (bool, error) {
	keys, err := b.Bucket.List(ctx, bifrost.MarksPrefix(group)+series+"/", "", 1)
	if err != nil {
		return false, fmt.Errorf("look for the marks of the tables in group %s: %w", group, err)
	}
	return len(keys) > 0, nil
}

// mostGroups bounds how many groups of a bucket are looked at.
const mostGroups = 100

// afterAll sorts behind every key that goes on from where it stands.
const afterAll = "\U0010FFFF"

// groups lists the first elements of the keys in the bucket.
func (b Belonging) groups(ctx context.Context) (groups []string, err error) {
	for after := ""; len(groups) < mostGroups; {
		keys, err := b.Bucket.List(ctx, "", after, 1)
		if err != nil {
			return nil, fmt.Errorf("list the groups of the bucket: %w", err)
		}
		if len(keys) == 0 {
			break
		}
		group, _, isGroup := strings.Cut(keys[0], "/")
		after = keys[0]
		if isGroup {
			groups, after = append(groups, group), group+"/"+afterAll
		}
	}
	return groups, nil
}

// CheckBucket is nil unless the bucket has nothing of what the tables name, neither
// their marks nor objects: ErrOtherArchive then. It is for what calls objects missing
// or tables old, and for what changes them.
func (b Belonging) CheckBucket(ctx context.Context) error {
	progress, objects, err := b.Tables.ObjectKeys(ctx)
	if err != nil {
		return fmt.Errorf("look to which bucket the tables belong: %w", err)
	}
	mark, err := b.Tables.Mark(ctx)
	if err != nil && !errors.Is(err, bifrost.ErrNotFound) {
		return fmt.Errorf("look to which bucket the tables belong: %w", err)
	}
	named := slices.DeleteFunc([]string{progress, objects}, func(key string) bool { return key == "" })
	named = slices.Compact(named)
	if len(named) == 0 {
		return nil
	}
	if mark.Number > 0 {
		if marked, err := b.hasMarks(ctx, b.Group, mark.Series); err != nil || marked {
			return err
		}
	}
	for _, key := range named {
		_, err := b.Bucket.Open(ctx, key)
		if !errors.Is(err, bifrost.ErrNotFound) {
			return err
		}
	}
	return fmt.Errorf("%w: the bucket %s has nothing of what the tables name, neither their marks nor %s: are "+
		"BIFROST_BUCKET and the names of the tables those of one stack? If they are, the bucket has been emptied: "+
		"look for older versions of its objects, or a replica", ErrOtherArchive, b.BucketName,
		strings.Join(named, " nor "))
}

// LostTables says that empty tables are not those of a new archive: the bucket has
// objects of the group, or only of others. Empty if neither is so.
func (b Belonging) LostTables(ctx context.Context) (problem string, err error) {
	key, err := b.firstObject(ctx, b.Group)
	if err != nil {
		return "", err
	}
	if key != "" {
		return fmt.Sprintf("the tables are empty, and the bucket %s has an archive of group %s (%s): if the names of "+
			"the tables are right, they were lost, and bifrost rebuild makes them again", b.BucketName, b.Group, key), nil
	}
	groups, err := b.groups(ctx)
	if err != nil {
		return "", err
	}
	var others []string
	for _, group := range groups {
		if group == b.Group {
			continue // it has marks or captures alone
		}
		if key, err = b.firstObject(ctx, group); err != nil {
			return "", err
		}
		if key != "" {
			others = append(others, group)
		}
	}
	if len(others) == 0 {
		return "", nil
	}
	return fmt.Sprintf("the tables are empty, and the bucket %s has objects of %s and none of group %s: unless this is "+
		"a new archive, another BIFROST_GROUP and other tables are meant", b.BucketName, strings.Join(others, ", "),
		b.Group), nil
}

// firstObject is the key of some object of a group; empty if the bucket has none. Marks, captures and
// what else is kept beside the topics are no objects.
func (b Belonging) firstObject(ctx context.Context, group string) (key string, err error) {
	for after := ""; ; {
		keys, err := b.Bucket.List(ctx, group+"/", after, 1)
		if err != nil {
			return "", fmt.Errorf("look whether the bucket has objects of group %s: %w", group, err)
		}
		if len(keys) == 0 {
			return "", nil
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(keys[0], group+"/"), "/")
		if !strings.HasPrefix(name, "@") && !strings.HasPrefix(name, "~") {
			return keys[0], nil
		}
		after = group + "/" + name + "/" + afterAll
	}
}
