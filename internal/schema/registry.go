// Schemas from a live registry.

package schema

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
)

// registryTime bounds one question to a registry.
const registryTime = 30 * time.Second

// The error codes of a registry that say for certain that there is none
// (Schema Registry API reference, "Errors").
const (
	codeNoSubject = 40401
	codeNoVersion = 40402
	codeNoSchema  = 40403
)

// registry asks a registry over HTTP.
type registry struct{ client *sr.Client }

// NewRegistry returns the schemas of the registry at the URL, whose user and
// password, if it has them, are those of basic authentication.
func NewRegistry(at string) (Source, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, errors.New("the address of the registry is no URL") // the error would show its password
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%s: want http://host:port or https://host:port of a registry", u.Redacted())
	}
	options := []sr.ClientOpt{sr.HTTPClient(&http.Client{Timeout: registryTime})}
	if u.User != nil {
		password, _ := u.User.Password()
		options = append(options, sr.BasicAuth(u.User.Username(), password))
		u.User = nil
	}
	client, err := sr.NewClient(append(options, sr.URLs(u.String()))...)
	return &registry{client}, err
}

// Schema implements Source.
func (r *registry) Schema(ctx context.Context, id int) (Schema, error) {
	found, err := r.client.SchemaByID(ctx, id)
	if err != nil {
		return Schema{}, certain(err, "the registry has none of this ID")
	}
	return r.resolve(ctx, found, 0)
}

// deepest is how many references may stand behind each other.
const deepest = 100

func (r *registry) resolve(ctx context.Context, found sr.Schema, depth int) (Schema, error) {
	if depth > deepest {
		return Schema{}, noSchema("its references go on for more than %d schemas", deepest)
	}
	s := Schema{Type: Type(found.Type.String()), Text: found.Schema}
	for _, reference := range found.References {
		withDeleted := sr.WithParams(ctx, sr.ShowDeleted)
		inner, err := r.client.SchemaByVersion(withDeleted, reference.Subject, reference.Version)
		if err != nil {
			return Schema{}, certain(err, fmt.Sprintf("it refers to version %d of %s, "+
				"which the registry does not have", reference.Version, reference.Subject))
		}
		resolved, err := r.resolve(ctx, inner.Schema, depth+1)
		if err != nil {
			return Schema{}, err
		}
		s.References = append(s.References, Reference{reference.Name, resolved})
	}
	return s, nil
}

// certain tells an answer that there is no schema from no answer.
func certain(err error, meaning string) error {
	var answer *sr.ResponseError
	if errors.As(err, &answer) &&
		(answer.ErrorCode == codeNoSubject || answer.ErrorCode == codeNoVersion || answer.ErrorCode == codeNoSchema) {
		return noSchema("%s", meaning)
	}
	return err
}
