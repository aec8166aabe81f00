// Package secretsmanager reads the credentials for Kafka from AWS Secrets
// Manager: the kafka.Secret of the deployed functions.
package secretsmanager

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
)

// Secret is one secret. Its current version is read again each time: callers keep it.
type Secret struct {
	client *secretsmanager.Client
	arn    string
}

// New returns the secret with this ARN. It does not use the network.
func New(cfg aws.Config, arn string) *Secret {
	return &Secret{client: secretsmanager.NewFromConfig(cfg), arn: arn}
}

// String names the secret.
func (s *Secret) String() string { return "secret " + s.arn }

// Read returns the text of the secret's current version.
func (s *Secret) Read(ctx context.Context) ([]byte, error) {
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(s.arn)})
	if err != nil {
		return nil, fmt.Errorf("%s: %w%s", s, err, advice(err))
	}
	if out.SecretString == nil {
		return nil, fmt.Errorf("%s: it is binary: store it as text", s)
	}
	return []byte(*out.SecretString), nil
}

// advice is the next step after an error of the service.
func advice(err error) string {
	var answer smithy.APIError
	if !errors.As(err, &answer) {
		return " (in a VPC without NAT the functions need an interface endpoint for Secrets " +
			"Manager: infra/network.yaml)"
	}
	switch answer.ErrorCode() {
	case "AccessDeniedException":
		return " (allow secretsmanager:GetSecretValue on it, and kms:Decrypt on its key if that is your own: " +
			"the parameters KafkaSecretArn and KafkaSecretKeyArn do)"
	case "ResourceNotFoundException":
		return " (give the whole ARN of a secret of this region)"
	}
	return ""
}
