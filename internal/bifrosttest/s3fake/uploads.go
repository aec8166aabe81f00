// How the pretended S3 takes multipart uploads.

package s3fake

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

// leastPart is what every part has but the last.
const leastPart = 5 << 20

type initiated struct {
	XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
	Key      string
	UploadID string `xml:"UploadId"`
}

func (b *bucket) uploadPart(w http.ResponseWriter, r *http.Request, key string, body []byte) error {
	u, err := b.find(r, key)
	if err != nil {
		return err
	}
	number, err := strconv.Atoi(r.URL.Query().Get("partNumber"))
	if err != nil || number < 1 || number > 10_000 {
		return invalidPart
	}
	if !intact(r, body) {
		return badDigest
	}
	u.parts[number] = object{content: body, etag: etagOf(body)}
	w.Header().Set("ETag", etagOf(body))
	w.Header().Set(checksumHeader, bifrosttest.Checksum(body))
	return nil
}

type completion struct {
	Part []struct {
		PartNumber int
		ETag       string
	}
}

type completed struct {
	XMLName           xml.Name `xml:"CompleteMultipartUploadResult"`
	Key               string
	ETag              string
	ChecksumCRC64NVME string
	ChecksumType      string
}

// complete looks at the upload first, then at the condition, then at the parts. An
// upload that is refused stays open.
func (b *bucket) complete(w http.ResponseWriter, r *http.Request, key string, body []byte) error {
	u, err := b.find(r, key)
	if err != nil {
		return err
	}
	if _, exists := b.objects[key]; exists && r.Header.Get("If-None-Match") == "*" {
		return precondition
	}
	var wanted completion
	if xml.Unmarshal(body, &wanted) != nil || len(wanted.Part) == 0 {
		return invalidPart
	}
	var content []byte
	for i, p := range wanted.Part {
		part, ok := u.parts[p.PartNumber]
		switch {
		case !ok, strings.Trim(p.ETag, `"`) != strings.Trim(part.etag, `"`),
			i > 0 && p.PartNumber <= wanted.Part[i-1].PartNumber:
			return invalidPart
		case i < len(wanted.Part)-1 && len(part.content) < leastPart:
			return tooSmall
		}
		content = append(content, part.content...)
	}
	if size := r.Header.Get("x-amz-mp-object-size"); size != "" && size != strconv.Itoa(len(content)) {
		return otherSize
	}
	etag := fmt.Sprintf(`"%s-%d"`, strings.Trim(etagOf(content), `"`), len(wanted.Part))
	b.replace(key, object{content: content, etag: etag})
	b.forget(u.id)
	return answer(w, completed{
		Key:               key,
		ETag:              etag,
		ChecksumCRC64NVME: bifrosttest.Checksum(content),
		ChecksumType:      "FULL_OBJECT",
	})
}

type uploadList struct {
	XMLName            xml.Name `xml:"ListMultipartUploadsResult"`
	IsTruncated        bool
	NextKeyMarker      string `xml:",omitempty"`
	NextUploadIDMarker string `xml:"NextUploadIdMarker,omitempty"`
	Upload             []listedUpload
}

type listedUpload struct {
	Key      string
	UploadID string `xml:"UploadId"`
}

// listUploads lists from the beginning, as the archive always asks; S3 sorts by key
// and, of one key, by the time at which they began.
func (s *Server) listUploads(w http.ResponseWriter, b *bucket, prefix string) error {
	open := slices.Clone(b.uploads)
	slices.SortStableFunc(open, func(x, y *upload) int { return strings.Compare(x.key, y.key) })
	var list uploadList
	for _, u := range open {
		if !strings.HasPrefix(u.key, prefix) {
			continue
		}
		if len(list.Upload) == s.PageSize {
			last := list.Upload[len(list.Upload)-1]
			list.IsTruncated, list.NextKeyMarker, list.NextUploadIDMarker = true, last.Key, last.UploadID
			break
		}
		list.Upload = append(list.Upload, listedUpload{u.key, u.id})
	}
	return answer(w, list)
}
