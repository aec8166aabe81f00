//go:build real && soak

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

	"github.com/bifrost-archive/bifrost/internal/localstack"
)

// A request to a service of AWS that nothing but a test here talks to: one signed
// request is less than an SDK for each.
type request struct {
	service string
	target  string // X-Amz-Target, of the services that speak JSON
	path    string // of the others
	form    url.Values
	body    any
}

// send sends the request and reads its answer into the value, which may be nil.
func (r request) send(ctx context.Context, at localstack.Endpoint, answer any) error {
	method, contentType, body := http.MethodGet, "", []byte(nil)
	switch {
	case r.target != "":
		method, contentType = http.MethodPost, "application/x-amz-json-1.1"
		body, _ = json.Marshal(r.body)
	case r.form != nil:
		method, contentType, body = http.MethodPost, "application/x-www-form-urlencoded", []byte(r.form.Encode())
	}
	call, err := http.NewRequestWithContext(ctx, method, at.URL+"/"+r.path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	call.Header.Set("Content-Type", contentType)
	if r.target != "" {
		call.Header.Set("X-Amz-Target", r.target)
	}
	config := at.Config()
	who, err := config.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, who, call, hex.EncodeToString(sum[:]), r.service, at.Region, time.Now()); err != nil {
		return err
	}
	response, err := config.HTTPClient.Do(call)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s%s: %s: %s", r.service, r.target, r.path, response.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}
