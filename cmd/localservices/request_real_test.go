//go:build real || soak

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/bifrost-archive/bifrost/internal/localservices"
)

// A request to a service of AWS that nothing but a test here talks to: one signed
// request is less than an SDK for each.
type request struct {
	service string
	target  string // X-Amz-Target, of the services that speak JSON
	path    string // of the others
	form    url.Values
	body    map[string]any
}

// send sends the request and reads its answer, which is JSON, into the value.
func (r request) send(ctx context.Context, at localservices.Endpoint, answer any) error {
	text, err := r.text(ctx, at)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, answer)
}

// text sends the request and returns its answer as it is.
func (r request) text(ctx context.Context, at localservices.Endpoint) ([]byte, error) {
	call, body, err := r.call(ctx, at.URL+"/"+r.path)
	if err != nil {
		return nil, err
	}
	config := at.Config()
	who, err := config.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, who, call, hex.EncodeToString(sum[:]), r.service, at.Region, time.Now()); err != nil {
		return nil, err
	}
	response, err := config.HTTPClient.Do(call)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s%s: %s: %s", r.service, r.target, r.path, response.Status, text)
	}
	return text, nil
}

func (r request) call(ctx context.Context, address string) (*http.Request, []byte, error) {
	method, contentType, body := http.MethodGet, "", []byte(nil)
	switch {
	case r.target != "":
		method, contentType, body = http.MethodPost, "application/x-amz-json-1.1", encode(r.body)
	case r.form != nil:
		method, contentType, body = http.MethodPost, "application/x-www-form-urlencoded", []byte(r.form.Encode())
	}
	call, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	call.Header.Set("Content-Type", contentType)
	if r.target != "" {
		call.Header.Set("X-Amz-Target", r.target)
	}
	return call, body, nil
}
