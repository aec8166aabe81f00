// A Kafka that asks who is there.

package localservices

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Listeners of a [SecureKafka], beside the plaintext one, which is an
// administrator's.
const (
	ListenerTLS      = "ENCRYPTED" // TLS
	ListenerMutual   = "MUTUAL"    // TLS, a client certificate required
	ListenerSASL     = "LOGIN"     // TLS and every SASL mechanism of Apache Kafka but GSSAPI
	ListenerReauth   = "SHORT"     // the same with SCRAM only, for sessions of three seconds
	ListenerInsecure = "OPEN"      // SASL PLAIN without TLS
	ListenerScram    = "SCRAM"     // SCRAM without TLS
)

// PlainPassword is the password of the user "archive" by SASL PLAIN, which
// brokers have in their configuration.
const PlainPassword = "plain-password-of-archive"

// A SecureKafka is an Apache Kafka that asks who is there and has ACLs. Whoever
// comes by plaintext may do anything, everyone else only what an ACL allows.
type SecureKafka struct {
	*KafkaBroker
	Authority *Authority // of the brokers' certificate, and of clients'
}

// StartSecureKafka starts one. Remove it with [KafkaBroker.Remove].
func StartSecureKafka(ctx context.Context) (*SecureKafka, error) {
	authority, err := NewAuthority()
	if err != nil {
		return nil, err
	}
	properties, err := secureProperties(authority)
	if err != nil {
		return nil, err
	}
	broker, err := StartKafka(ctx, KafkaOptions{Properties: properties, Listeners: map[string]string{
		ListenerTLS:      "SSL",
		ListenerMutual:   "SSL",
		ListenerSASL:     "SASL_SSL",
		ListenerReauth:   "SASL_SSL",
		ListenerInsecure: "SASL_PLAINTEXT",
		ListenerScram:    "SASL_PLAINTEXT",
	}})
	if err != nil {
		return nil, err
	}
	return &SecureKafka{KafkaBroker: broker, Authority: authority}, nil
}

// secureProperties are those of server.properties, keys and certificates among
// them as PEM (KIP-651).
func secureProperties(authority *Authority) (map[string]string, error) {
	certificate, key, err := authority.Issue("broker")
	if err != nil {
		return nil, err
	}
	const login = "org.apache.kafka.common.security."
	properties := map[string]string{
		"ssl.keystore.type":                             "PEM",
		"ssl.keystore.certificate.chain":                oneLine(certificate),
		"ssl.keystore.key":                              oneLine(key),
		"ssl.truststore.type":                           "PEM",
		"ssl.truststore.certificates":                   oneLine(authority.Certificate),
		"listener.name.mutual.ssl.client.auth":          "required",
		"listener.name.login.sasl.enabled.mechanisms":   "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
		"listener.name.short.sasl.enabled.mechanisms":   "SCRAM-SHA-512",
		"listener.name.short.connections.max.reauth.ms": "3000",
		"listener.name.open.sasl.enabled.mechanisms":    "PLAIN",
		"listener.name.scram.sasl.enabled.mechanisms":   "SCRAM-SHA-512",
		"authorizer.class.name":                         "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users":                                   "User:ANONYMOUS",
		// Tokens that are not signed: it is the client that is tested here.
		"listener.name.login.oauthbearer.sasl.jaas.config": login +
			`oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`,
	}
	for _, listener := range []string{"login", "open"} {
		config := "listener.name." + listener + ".plain.sasl.jaas.config"
		properties[config] = login + `plain.PlainLoginModule required user_archive="` + PlainPassword + `";`
	}
	for _, mechanism := range []string{"login.scram-sha-256", "login.scram-sha-512", "short.scram-sha-512",
		"scram.scram-sha-512"} {
		properties["listener.name."+mechanism+".sasl.jaas.config"] = login + "scram.ScramLoginModule required;"
	}
	return properties, nil
}

// oneLine writes text with line ends as a Java properties file does.
func oneLine(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }

// SetPassword sets a user's password for both kinds of SCRAM.
func (k *SecureKafka) SetPassword(ctx context.Context, user, password string) error {
	return k.administer(func(admin *kadm.Client) error {
		// the least that Kafka takes
		const iterations = 4096
		// one a request, says Kafka
		for _, mechanism := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
			answers, err := admin.AlterUserSCRAMs(ctx, nil, []kadm.UpsertSCRAM{
				{User: user, Mechanism: mechanism, Iterations: iterations, Password: password},
			})
			if err == nil {
				err = answers.Error()
			}
			if err != nil {
				return fmt.Errorf("localservices: set the password of %s: %w", user, err)
			}
		}
		return nil
	})
}

// Allow lets a principal do these operations on all topics.
func (k *SecureKafka) Allow(ctx context.Context, principal string, operations ...kadm.ACLOperation) error {
	return k.AllowTopic(ctx, principal, "*", operations...)
}

// AllowTopic lets a principal do these operations on one topic.
func (k *SecureKafka) AllowTopic(ctx context.Context, principal, topic string, operations ...kadm.ACLOperation) error {
	return k.allow(ctx, principal,
		kadm.NewACLs().Topics(topic).ResourcePatternType(kadm.ACLPatternLiteral).Operations(operations...))
}

// AllowTransactions lets a principal do these operations on transactional IDs that
// begin with the prefix.
func (k *SecureKafka) AllowTransactions(
	ctx context.Context, principal, prefix string, operations ...kadm.ACLOperation,
) error {
	return k.allow(ctx, principal,
		kadm.NewACLs().TransactionalIDs(prefix).ResourcePatternType(kadm.ACLPatternPrefixed).Operations(operations...))
}

func (k *SecureKafka) allow(ctx context.Context, principal string, rules *kadm.ACLBuilder) error {
	return k.administer(func(admin *kadm.Client) error {
		answers, err := admin.CreateACLs(ctx, rules.Allow(principal).AllowHosts("*"))
		for _, answer := range answers {
			err = errors.Join(err, answer.Err)
		}
		if err != nil {
			return fmt.Errorf("localservices: allow %s what it may: %w", principal, err)
		}
		return nil
	})
}

func (k *SecureKafka) administer(do func(*kadm.Client) error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Addr()))
	if err != nil {
		return err
	}
	defer client.Close()
	return do(kadm.NewClient(client))
}
