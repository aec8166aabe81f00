package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bifrost-archive/bifrost/internal/bifrosttest/httpfault"
	"github.com/bifrost-archive/bifrost/internal/s3store"
)

// Every lock is one from the beginning, for no object can be locked later; each rule of the life of
// objects is about those that it names; and each partition of AWS has ARNs of its own.
func TestWhatABucketIsMadeWith(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "GOVERNANCE", "COMPLIANCE"} {
		for region, arn := range map[string]string{
			"us-east-1": "arn:aws:s3", "eu-west-1": "arn:aws:s3", "cn-north-1": "arn:aws-cn:s3", "us-gov-west-1": "arn:aws-us-gov:s3",
		} {
			locks, rules := 0, map[string]string{}
			for n, r := range s3store.BucketRequests("archive", region, s3store.BucketSettings{
				Group: "g", LockMode: mode, LockDays: 3, TransitionDays: 1, TransitionClass: "GLACIER_IR", ExpirationDays: 2, CaptureDays: 5,
			}) {
				switch input := r.Input.(type) {
				case *s3.CreateBucketInput:
					if aws.ToBool(input.ObjectLockEnabledForBucket) != (mode != "") || n != 0 || (input.CreateBucketConfiguration == nil) != (region == "us-east-1") {
						t.Errorf("%q in %s is made by request %d with %+v", mode, region, n, input)
					}
				case *s3.PutObjectLockConfigurationInput:
					locks++
					if keep := input.ObjectLockConfiguration.Rule.DefaultRetention; string(keep.Mode) != mode || *keep.Days != 3 {
						t.Errorf("locked with %+v", keep)
					}
				case *s3.PutBucketLifecycleConfigurationInput:
					for _, rule := range input.LifecycleConfiguration.Rules {
						prefix := rule.Filter.Prefix
						if rule.Filter.And != nil {
							prefix = rule.Filter.And.Prefix
						}
						rules[*rule.ID] = *prefix
					}
				case *s3.PutBucketPolicyInput:
					if policy := *input.Policy; !strings.Contains(policy, `"`+arn+`:::archive/*"`) {
						t.Errorf("in %s: %s", region, policy)
					}
				}
			}
			if (locks == 1) != (mode != "") {
				t.Errorf("%q: %d locks", mode, locks)
			}
			want := map[string]string{
				"abort-unfinished-uploads": "", "move-old-objects": "g/", "delete-old-objects": "g/", "tidy-after-deletion": "g/",
				"delete-old-captures": "g/~clusters/", "tidy-after-captures": "g/~clusters/",
			}
			if fmt.Sprint(rules) != fmt.Sprint(want) {
				t.Errorf("rules %v, want %v", rules, want)
			}
		}
	}
}

// What a service elsewhere does not know is told, all of it, and what comes after it is sent all the
// same; S3 itself knows everything, so that there it is an error.
func TestSettingsThatAServiceDoesNotKnow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		elsewhere bool
		unknown   []string // by their queries
		status    int      // of the answers to them
		code      string
		want      []string
		err       bool
	}{
		"the first and the last": {true, []string{"publicAccessBlock", "policy"}, 501, "", []string{"put-public-access-block", "put-bucket-policy"}, false},
		"two in a row":           {true, []string{"encryption", "versioning"}, 501, "", []string{"put-bucket-encryption", "put-bucket-versioning"}, false},
		"none":                   {true, nil, 501, "", nil, false},
		"a condition":            {true, []string{"policy"}, 400, "MalformedPolicy", []string{"put-bucket-policy"}, false},
		"a method":               {true, []string{"lifecycle"}, 405, "MethodNotAllowed", []string{"put-bucket-lifecycle-configuration"}, false},
		"another failure":        {true, []string{"policy"}, 400, "InvalidRequest", nil, true},
		"at S3":                  {false, []string{"encryption"}, 501, "", nil, true},
		"a policy at S3":         {false, []string{"policy"}, 400, "MalformedPolicy", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := 0
			cfg := aws.Config{
				Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
				HTTPClient: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					sent++
					status, body := 200, ""
					switch {
					case r.Method == http.MethodHead:
						status = 404
					case slices.ContainsFunc(c.unknown, r.URL.Query().Has):
						status, body = c.status, "<Error><Code>"+c.code+"</Code></Error>"
					}
					return httpfault.Answer(status, nil, body)(nil, r)
				})},
			}
			if c.elsewhere {
				cfg.BaseEndpoint = aws.String("http://elsewhere.test")
			}
			made, err := s3store.MakeBucket(t.Context(), cfg, "archive", s3store.BucketSettings{Group: "g"})
			if !slices.Equal(made.Unsupported, c.want) || (err != nil) != c.err || err == nil && sent != 7 {
				t.Errorf("%+v after %d requests, error %v; want %q", made, sent, err, c.want)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Only one's own uploads are asked for: those of others may be more than can be gone through. A service
// that takes the prefix for a hint lists them all the same, before one's own and between them; they stay.
func TestUploadsOfOthersStay(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	asked := ""
	f.faults.Next(isUploadList, func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
		asked = r.URL.Query().Get("prefix")
		return httpfault.Answer(200, nil, `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>`+
			`<Upload><Key>a/1</Key><UploadId>1</UploadId></Upload><Upload><Key>archive/2</Key><UploadId>2</UploadId></Upload>`+
			`<Upload><Key>b/3</Key><UploadId>3</UploadId></Upload><Upload><Key>archive/4</Key><UploadId>4</UploadId></Upload>`+
			`</ListMultipartUploadsResult>`)(nil, r)
	})
	var aborted []string
	abort := func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
		aborted = append(aborted, r.URL.Query().Get("uploadId"))
		return httpfault.Answer(204, nil, "")(nil, r)
	}
	f.faults.Next(func(r *http.Request) bool { return r.Method == http.MethodDelete }, abort, abort, abort, abort)
	f.must(f.AbortUploads(f.Context(), "archive/"))
	if asked != "archive/" || !slices.Equal(aborted, []string{"2", "4"}) {
		t.Errorf("aborted %v of those under %q", aborted, asked)
	}
}

func isUploadList(r *http.Request) bool {
	return r.Method == http.MethodGet && r.URL.Query().Has("uploads")
}

// Whatever becomes of a read, the bodies of its answers are closed: each keeps a connection. And
// an answer that begins with the same digits is one of another stretch.
func TestBodiesAreClosed(t *testing.T) {
	t.Parallel()
	content := noise(1 << 20)
	for name, fault := range map[string]httpfault.Fault{
		"whole": httpfault.Pass, "cut": httpfault.Cut(10),
		"of another stretch":           httpfault.Answer(206, http.Header{"Content-Range": {"bytes 200-299/1048576"}}, strings.Repeat("x", 100)),
		"of a stretch that begins so":  httpfault.Answer(206, http.Header{"Content-Range": {"bytes 1000-1099/1048576"}}, strings.Repeat("x", 100)),
		"without a word of its length": httpfault.Answer(206, http.Header{"Content-Range": {"bytes 100-199/1048576"}}, strings.Repeat("x", 100)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFaulty(t)
			_, err := f.put(content)
			f.must(err)
			open, bodies := 0, 0
			counted := func(fault httpfault.Fault) httpfault.Fault {
				return func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
					answer, err := fault(next, r)
					if err == nil {
						open++
						bodies++
						answer.Body = &closing{answer.Body, func() { open-- }}
					}
					return answer, err
				}
			}
			f.faults.Next(isGet, counted(httpfault.Pass), counted(fault), counted(httpfault.Pass))
			object, err := f.Open(f.Context(), key)
			f.must(err)
			got := make([]byte, 100)
			_, err = object.ReadAt(got, 100)
			if open != 0 || bodies < 2 {
				t.Errorf("%d of %d bodies are open", open, bodies)
			}
			if another := strings.HasPrefix(name, "of a"); another != (err != nil) || name == "whole" && !bytes.Equal(got, content[100:200]) {
				t.Errorf("error %v", err)
			}
		})
	}
}

type closing struct {
	io.ReadCloser
	closed func()
}

// Close implements io.Closer; it counts once.
func (c *closing) Close() error {
	c.closed()
	c.closed = func() {}
	return c.ReadCloser.Close()
}

// An object has one size, whichever of the two answers tells more; and who gives up in the middle
// of an answer is not answered again.
func TestTwoSizesOfOneObject(t *testing.T) {
	t.Parallel()
	content := noise(1 << 20)
	for _, told := range []string{"1048575", "1048577"} {
		f := newFaulty(t)
		_, err := f.put(content)
		f.must(err)
		f.faults.Next(isHead, httpfault.Answer(200, http.Header{"Content-Length": {told}}, ""))
		if _, err := f.Open(f.Context(), key); err == nil || !strings.Contains(err.Error(), told) {
			t.Errorf("error %v, want one that tells both sizes", err)
		}
	}
	f := newFaulty(t)
	_, err := f.put(content)
	f.must(err)
	ctx, cancel := context.WithCancel(f.Context())
	object, err := f.Open(ctx, key)
	f.must(err)
	before := f.faults.Count(isGet)
	f.faults.Next(isGet, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		answer, err := httpfault.Cut(10)(next, r)
		if err == nil {
			answer.Body = &endsWith{answer.Body, cancel}
		}
		return answer, err
	})
	if _, err := object.ReadAt(make([]byte, 100), 0); err == nil || errors.Is(err, io.EOF) || f.faults.Count(isGet) != before+1 {
		t.Errorf("error %v after %d requests, want one", err, f.faults.Count(isGet)-before)
	}
}

// endsWith calls end when its body ends.
type endsWith struct {
	io.ReadCloser
	end func()
}

// Read implements io.Reader.
func (e *endsWith) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p)
	if err != nil {
		e.end()
	}
	return n, err
}

// A page has as many keys as S3 gives.
func TestPagesAreAsLargeAsTheyCanBe(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	for limit, want := range map[int]string{1: "1", 999: "999", 1000: "1000", 100_000: "1000"} {
		asked := ""
		f.faults.Next(isList, func(_ http.RoundTripper, r *http.Request) (*http.Response, error) {
			asked = r.URL.Query().Get("max-keys")
			return httpfault.Answer(200, nil, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)(nil, r)
		})
		if _, err := f.List(f.Context(), "archive/", "", limit); err != nil || asked != want {
			t.Errorf("of at most %d keys asked for %s, want %s; %v", limit, asked, want, err)
		}
	}
}

// A bucket of another region is none of this one: S3 answers one way or another, and either tells the
// operator which setting to look at.
func TestBucketsOfAnotherRegion(t *testing.T) {
	t.Parallel()
	for code, status := range map[string]int{"PermanentRedirect": 301, "AuthorizationHeaderMalformed": 400} {
		f := newFaulty(t)
		f.faults.Next(isList, httpfault.Answer(status, nil, "<Error><Code>"+code+"</Code></Error>"))
		_, err := f.List(f.Context(), "archive/", "", 1)
		if !errors.Is(err, s3store.ErrNoBucket) || !strings.Contains(err.Error(), "(AWS_REGION)") {
			t.Errorf("%s: %v, want that the bucket does not exist in that region", code, err)
		}
	}
}

// Whoever opens an object with a browser or another tool is told what it is.
func TestObjectsSayThatTheyAreGzip(t *testing.T) {
	t.Parallel()
	f := newFaulty(t)
	said := ""
	f.faults.Next(isCreate, func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		said = r.Header.Get("Content-Type")
		return next.RoundTrip(r)
	})
	_, err := f.put(noise(100))
	f.must(err)
	if said != "application/gzip" {
		t.Errorf("the object is of type %q", said)
	}
}
