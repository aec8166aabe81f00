// How the pretended S3 keeps versions of objects.

package s3fake

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// version is an object that is covered by a newer version of its key, or a delete marker.
type version struct {
	object
	marker bool
}

// noVersion is the ID of the versions of a bucket that keeps none.
const noVersion = "null"

type versioning struct {
	XMLName xml.Name `xml:"VersioningConfiguration"`
	Status  string   `xml:",omitempty"`
}

func (b *bucket) setVersioning(body []byte) error {
	var wanted versioning
	if xml.Unmarshal(body, &wanted) != nil {
		return notThere
	}
	b.versioned = wanted.Status == "Enabled"
	return nil
}

func (b *bucket) getVersioning(w http.ResponseWriter) error {
	if b.versioned {
		return answer(w, versioning{Status: "Enabled"})
	}
	return answer(w, versioning{})
}

// replace makes an object the newest version of its key.
func (b *bucket) replace(key string, o object) {
	o.version = b.nextVersion()
	if before, exists := b.objects[key]; exists && b.versioned {
		b.covered[key] = append(b.covered[key], version{object: before})
	}
	b.objects[key] = o
}

func (b *bucket) nextVersion() string {
	if !b.versioned {
		return noVersion
	}
	b.versions++
	return fmt.Sprintf("version-%d", b.versions)
}

// remove deletes an object. In a bucket that keeps versions a delete marker hides it.
func (b *bucket) remove(key string) {
	if b.versioned {
		if before, exists := b.objects[key]; exists {
			b.covered[key] = append(b.covered[key], version{object: before})
		}
		b.covered[key] = append(b.covered[key], version{object: object{version: b.nextVersion()}, marker: true})
	}
	delete(b.objects, key)
}

// removeVersion deletes a version for good; what was below it is the newest then.
func (b *bucket) removeVersion(key, id string) {
	if now, exists := b.objects[key]; exists && now.version == id {
		delete(b.objects, key)
	}
	b.covered[key] = slices.DeleteFunc(b.covered[key], func(v version) bool { return v.version == id })
	if _, exists := b.objects[key]; exists || len(b.covered[key]) == 0 {
		return
	}
	if last := b.covered[key][len(b.covered[key])-1]; !last.marker {
		b.objects[key] = last.object
		b.covered[key] = b.covered[key][:len(b.covered[key])-1]
	}
}

// findObject is the object of a key, or the version of it that the request names.
func (b *bucket) findObject(key string, query url.Values) (object, bool) {
	o, ok := b.objects[key]
	id := query.Get("versionId")
	if id == "" || ok && o.version == id {
		return o, ok
	}
	for _, v := range b.covered[key] {
		if v.version == id && !v.marker {
			return v.object, true
		}
	}
	return object{}, false
}

type versionList struct {
	XMLName      xml.Name `xml:"ListVersionsResult"`
	IsTruncated  bool
	Version      []listedVersion
	DeleteMarker []listedVersion
}

type listedVersion struct {
	Key       string
	VersionID string `xml:"VersionId"`
	IsLatest  bool
	Size      int
}

// listVersions lists from the beginning, as the archive always asks; of one key the newest
// comes first. What does not fit into a page is not listed, and the list says so.
func (s *Server) listVersions(w http.ResponseWriter, b *bucket, prefix string) error {
	keys := b.sorted()
	for key := range b.covered {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var list versionList
	listed := 0
	add := func(to *[]listedVersion, v listedVersion) {
		if listed == s.PageSize {
			list.IsTruncated = true
			return
		}
		*to, listed = append(*to, v), listed+1
	}
	for _, key := range slices.Compact(keys) {
		if !strings.HasPrefix(key, prefix) {
			continue
		}
		now, exists := b.objects[key]
		if exists {
			add(&list.Version, listedVersion{key, now.version, true, len(now.content)})
		}
		for i, v := range slices.Backward(b.covered[key]) {
			latest := !exists && i == len(b.covered[key])-1
			if v.marker {
				add(&list.DeleteMarker, listedVersion{Key: key, VersionID: v.version, IsLatest: latest})
			} else {
				add(&list.Version, listedVersion{key, v.version, latest, len(v.content)})
			}
		}
	}
	return answer(w, list)
}
