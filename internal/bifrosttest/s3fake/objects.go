// How the pretended S3 reads or lists objects.

package s3fake

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest"
)

func (b *bucket) get(w http.ResponseWriter, r *http.Request, key string) error {
	o, ok := b.findObject(key, r.URL.Query())
	if !ok {
		return noSuchKey
	}
	if want := r.Header.Get("If-Match"); want != "" && strings.Trim(want, `"`) != strings.Trim(o.etag, `"`) {
		return precondition
	}
	w.Header().Set("ETag", o.etag)
	content, status := o.content, http.StatusOK
	if byteRange := r.Header.Get("Range"); byteRange != "" {
		first, end, ok := span(byteRange, int64(len(o.content)))
		if !ok {
			return noSuchRange
		}
		content, status = o.content[first:end], http.StatusPartialContent
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, end-1, len(o.content)))
	} else if r.Header.Get("x-amz-checksum-mode") == "ENABLED" {
		w.Header().Set(checksumHeader, bifrosttest.Checksum(o.content))
		w.Header().Set("x-amz-checksum-type", "FULL_OBJECT")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(status)
	if r.Method == http.MethodGet {
		_, _ = w.Write(content) // whoever asked may have gone
	}
	return nil
}

// span reads "bytes=100-199" and "bytes=-64" (RFC 9110, Range).
func span(byteRange string, size int64) (first, end int64, ok bool) {
	from, to, _ := strings.Cut(strings.TrimPrefix(byteRange, "bytes="), "-")
	last, err := strconv.ParseInt(to, 10, 64)
	if err != nil {
		return 0, 0, false
	}
	if from == "" {
		return max(0, size-last), size, size > 0 && last > 0
	}
	first, err = strconv.ParseInt(from, 10, 64)
	return first, min(size, last+1), err == nil && first < size && first <= last
}

type objectList struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	IsTruncated           bool
	KeyCount              int
	NextContinuationToken string `xml:",omitempty"`
	Contents              []listedObject
}

type listedObject struct {
	Key  string
	Size int
}

// listObjects begins behind start-after or behind what the token says, whichever is
// later: S3 looks at start-after on the first page only.
func (s *Server) listObjects(w http.ResponseWriter, b *bucket, query url.Values) error {
	after := query.Get("start-after")
	if token := query.Get("continuation-token"); token != "" {
		key, err := base64.StdEncoding.DecodeString(token)
		if err != nil {
			return notThere
		}
		after = string(key)
	}
	size := s.PageSize
	if most, err := strconv.Atoi(query.Get("max-keys")); err == nil {
		size = min(size, most)
	}
	var list objectList
	for _, key := range b.sorted() {
		if !strings.HasPrefix(key, query.Get("prefix")) || key <= after {
			continue
		}
		if len(list.Contents) == size {
			if size > 0 {
				list.IsTruncated = true
				list.NextContinuationToken = base64.StdEncoding.EncodeToString([]byte(list.Contents[size-1].Key))
			}
			break
		}
		list.Contents = append(list.Contents, listedObject{key, len(b.objects[key].content)})
	}
	list.KeyCount = len(list.Contents)
	return answer(w, list)
}
