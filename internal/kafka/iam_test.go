package kafka

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const mskBroker = "b-1.archive.a1b2c3.c2.kafka.eu-central-1.amazonaws.com"

// firstMessage is what a client sends to an MSK broker to log in.
func firstMessage(t *testing.T, credentials IAMCredentials) map[string]string {
	t.Helper()
	keyring, err := newKeyring(Security{TLS: true, Mechanism: AWSIAM, IAM: func(context.Context) (IAMCredentials, error) { return credentials, nil }})
	if err != nil {
		t.Fatal(err)
	}
	mechanism := keyring.newMechanism()
	if mechanism.Name() != "AWS_MSK_IAM" {
		t.Fatalf("mechanism %s", mechanism.Name())
	}
	_, first, err := mechanism.Authenticate(t.Context(), mskBroker+":9098")
	if err != nil {
		t.Fatal(err)
	}
	message := map[string]string{}
	if err := json.Unmarshal(first, &message); err != nil {
		t.Fatalf("%s: %v", first, err)
	}
	return message
}

// The login is a presigned request of AWS Signature Version 4 for the action
// kafka-cluster:Connect, its parameters in JSON with lower case names (the README
// of aws-msk-iam-auth, "Details"). It is compared with what the AWS SDK itself
// signs for that moment, and with the signature as the AWS General Reference spells
// it out, written down here once more.
func TestIAMSignature(t *testing.T) {
	t.Parallel()
	for name, credentials := range map[string]IAMCredentials{
		"user": {AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
		"role": {AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "the-key-of-the-role", SessionToken: "a+long/token with=signs&more~"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := firstMessage(t, credentials)
			at, err := time.Parse("20060102T150405Z", got["x-amz-date"])
			if err != nil || time.Since(at).Abs() > time.Minute {
				t.Fatalf("signed at %v, error %v", at, err)
			}
			want := map[string]string{"version": "2020_10_22", "host": mskBroker, "user-agent": "bifrost"}
			maps.Copy(want, presigned(t, credentials, at))
			if !maps.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
			if signature := signatureByHand(credentials, got); got["x-amz-signature"] != signature {
				t.Errorf("signature %s, by hand %s", got["x-amz-signature"], signature)
			}
			if text, _ := json.Marshal(got); strings.Contains(string(text), credentials.SecretAccessKey) {
				t.Errorf("the secret key itself is sent: %s", text)
			}
		})
	}
}

// presigned asks the AWS SDK to sign.
func presigned(t *testing.T, credentials IAMCredentials, at time.Time) map[string]string {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, "kafka://"+mskBroker+"/?Action=kafka-cluster%3AConnect&X-Amz-Expires=300", nil)
	if err != nil {
		t.Fatal(err)
	}
	nothing := sha256.Sum256(nil)
	signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), aws.Credentials{
		AccessKeyID: credentials.AccessKeyID, SecretAccessKey: credentials.SecretAccessKey, SessionToken: credentials.SessionToken,
	}, request, hex.EncodeToString(nothing[:]), "kafka-cluster", "eu-central-1", at)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := url.Parse(signed)
	if err != nil {
		t.Fatal(err)
	}
	parameters := map[string]string{}
	for name, values := range parsed.Query() {
		parameters[strings.ToLower(name)] = values[0]
	}
	return parameters
}

// signatureByHand follows "Create a signed AWS API request" of the IAM User Guide.
func signatureByHand(credentials IAMCredentials, message map[string]string) string {
	encode := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	var query []string
	for _, name := range []string{"Action", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Security-Token", "X-Amz-SignedHeaders"} {
		if value, ok := message[strings.ToLower(name)]; ok {
			query = append(query, name+"="+encode(value))
		}
	}
	nothing := sha256.Sum256(nil)
	canonical := strings.Join([]string{"GET", "/", strings.Join(query, "&"), "host:" + message["host"], "", "host", hex.EncodeToString(nothing[:])}, "\n")
	hash := sha256.Sum256([]byte(canonical))
	day := message["x-amz-date"][:8]
	scope := day + "/eu-central-1/kafka-cluster/aws4_request"
	toSign := strings.Join([]string{"AWS4-HMAC-SHA256", message["x-amz-date"], scope, hex.EncodeToString(hash[:])}, "\n")
	key := []byte("AWS4" + credentials.SecretAccessKey)
	for _, part := range []string{day, "eu-central-1", "kafka-cluster", "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

// Credentials that cannot be found are told as what they are.
func TestIAMWithoutCredentials(t *testing.T) {
	t.Parallel()
	cause := errors.New("no role")
	keyring, err := newKeyring(Security{TLS: true, Mechanism: AWSIAM, IAM: func(context.Context) (IAMCredentials, error) { return IAMCredentials{}, cause }})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := keyring.newMechanism().Authenticate(t.Context(), mskBroker+":9098"); !errors.Is(err, cause) {
		t.Errorf("error %v", err)
	}
}

// Brokers with names of their own do not tell their region. It is that of the
// functions then, which Lambda says in AWS_REGION.
func TestIAMRegionOfBrokersWithOtherNames(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-north-1")
	keyring, err := newKeyring(Security{TLS: true, Mechanism: AWSIAM, IAM: func(context.Context) (IAMCredentials, error) {
		return IAMCredentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for host, region := range map[string]string{"kafka-1.example.com:9098": "eu-north-1", mskBroker + ":9098": "eu-central-1"} {
		_, first, err := keyring.newMechanism().Authenticate(t.Context(), host)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(first), "/"+region+"/kafka-cluster/aws4_request") {
			t.Errorf("%s: the login is not for %s: %s", host, region, first)
		}
	}
}
