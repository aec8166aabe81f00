// Who may read what.

package gateway

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"

	"github.com/bifrost-archive/bifrost/internal/bifrost"
)

// Users are those who may read, and what. The file has a line for each:
//
//	NAME SCRAM-SHA-256=ITERATIONS:SALT:STOREDKEY:SERVERKEY SCRAM-SHA-512=… topics=GLOB,… groups=GLOB,…
//
// with salt and keys in base64 (RFC 5802): nobody can log in with what stands there.
// Empty lines and those that begin with # are left out.
type Users struct {
	byName map[string]*user
	secret []byte // makes up the salts of those who do not exist
}

type user struct {
	name           string
	topics, groups []string // globs
	keys           map[string]scram.StoredCredentials
}

// mechanisms are the ways of SCRAM that there are, by their names in SASL.
var mechanisms = map[string]struct {
	hash  scram.HashGeneratorFcn
	bytes int
}{
	"SCRAM-SHA-256": {scram.SHA256, sha256.Size},
	"SCRAM-SHA-512": {scram.SHA512, sha512.Size},
}

const (
	saltBytes = 16
	// Iterations of the key derivation: OWASP's advice would take a second of processor
	// time for each login; Kafka's own least is 4096.
	defaultIterations = 16384
	leastIterations   = 4096
	mostIterations    = 1 << 20
)

// ReadUsers reads the file.
func ReadUsers(r io.Reader) (*Users, error) {
	users := &Users{byName: map[string]*user{}, secret: make([]byte, 32)}
	if _, err := rand.Read(users.secret); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		u, err := parseUser(text)
		if err == nil && users.byName[u.name] != nil {
			err = errors.New("there is a line for this user already")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w; bifrost serve hash-password makes such lines", n, err)
		}
		users.byName[u.name] = u
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(users.byName) == 0 {
		return nil, errors.New("no user is in it, so nobody could connect; " +
			"bifrost serve hash-password makes lines for it")
	}
	return users, nil
}

// parseUser reads a line. Its errors do not repeat the keys.
func parseUser(line string) (*user, error) {
	fields := strings.Fields(line)
	u := &user{name: fields[0], keys: map[string]scram.StoredCredentials{}}
	said := map[string]bool{}
	for _, field := range fields[1:] {
		name, value, _ := strings.Cut(field, "=")
		if said[name] {
			return nil, fmt.Errorf("user %q: %s stands there twice", u.name, name)
		}
		said[name] = true
		var err error
		switch {
		case name == "topics":
			u.topics, err = parseGlobs(value)
		case name == "groups":
			u.groups, err = parseGlobs(value)
		case mechanisms[name].hash != nil:
			u.keys[name], err = parseKeys(value, mechanisms[name].bytes)
		default:
			err = errors.New("want SCRAM-SHA-256, SCRAM-SHA-512, topics or groups")
		}
		if err != nil {
			return nil, fmt.Errorf("user %q: %s: %w", u.name, name, err)
		}
	}
	if len(u.keys) == 0 {
		return nil, fmt.Errorf("user %q has no keys", u.name)
	}
	return u, nil
}

func parseGlobs(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	globs := strings.Split(text, ",")
	for _, glob := range globs {
		if _, err := bifrost.NewTopicFilter([]string{glob}, nil); err != nil || glob == "" {
			return nil, fmt.Errorf("pattern %q: want globs with commas between", glob)
		}
	}
	return globs, nil
}

func parseKeys(text string, keyBytes int) (scram.StoredCredentials, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 4 {
		return scram.StoredCredentials{}, errors.New("want ITERATIONS:SALT:STOREDKEY:SERVERKEY")
	}
	iterations, err := strconv.Atoi(parts[0])
	if err != nil || iterations < leastIterations || iterations > mostIterations {
		return scram.StoredCredentials{}, fmt.Errorf("want %d to %d iterations", leastIterations, mostIterations)
	}
	var raw [3][]byte
	for i, part := range parts[1:] {
		if raw[i], err = base64.StdEncoding.DecodeString(part); err != nil {
			return scram.StoredCredentials{}, errors.New("salt and keys have to be base64")
		}
	}
	if len(raw[0]) < 8 || len(raw[1]) != keyBytes || len(raw[2]) != keyBytes {
		return scram.StoredCredentials{}, fmt.Errorf("want a salt of 8 bytes or more and keys of %d", keyBytes)
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(raw[0]), Iters: iterations}, StoredKey: raw[1], ServerKey: raw[2],
	}, nil
}

// HashPassword makes the line of a user.
func HashPassword(name, password string, topics, groups []string) (string, error) {
	if name == "" || strings.ContainsAny(name, " \t\r\n=,#") || password == "" {
		return "", errors.New("a user needs a name without blanks, =, # and commas, and a password")
	}
	line := name
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		salt := make([]byte, saltBytes)
		if _, err := rand.Read(salt); err != nil {
			return "", err
		}
		keys, err := derive(mechanism, name, password, scram.KeyFactors{Salt: string(salt), Iters: defaultIterations})
		if err != nil {
			return "", err
		}
		line += fmt.Sprintf(" %s=%d:%s:%s:%s", mechanism, keys.Iters, base64.StdEncoding.EncodeToString(salt),
			base64.StdEncoding.EncodeToString(keys.StoredKey), base64.StdEncoding.EncodeToString(keys.ServerKey))
	}
	line += " topics=" + strings.Join(topics, ",") + " groups=" + strings.Join(groups, ",")
	_, err := parseUser(line)
	return line, err
}

func derive(mechanism, name, password string, factors scram.KeyFactors) (scram.StoredCredentials, error) {
	client, err := mechanisms[mechanism].hash.NewClient(name, password, "")
	if err != nil {
		return scram.StoredCredentials{}, fmt.Errorf("user %q: this name or password cannot be used "+
			"with SCRAM (RFC 4013): %w", name, err)
	}
	return client.GetStoredCredentialsWithError(factors)
}

// find looks up the keys of a user. One who does not exist has made-up ones, always the
// same, so that trying names tells nothing.
func (u *Users) find(mechanism, name string) scram.StoredCredentials {
	if known := u.byName[name]; known != nil && known.keys[mechanism].StoredKey != nil {
		return known.keys[mechanism]
	}
	made := func(what string, bytes int) []byte {
		sum := hmac.New(sha512.New, u.secret)
		sum.Write([]byte(what + mechanism + " " + name))
		return sum.Sum(nil)[:bytes]
	}
	n := mechanisms[mechanism].bytes
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(made("salt ", saltBytes)), Iters: defaultIterations},
		StoredKey:  made("stored ", n), ServerKey: made("server ", n),
	}
}

// checkPassword is for PLAIN, which sends the password itself.
func (u *Users) checkPassword(name, password string) bool {
	mechanism := "SCRAM-SHA-512"
	if known := u.byName[name]; known != nil && known.keys[mechanism].StoredKey == nil {
		mechanism = "SCRAM-SHA-256"
	}
	keys := u.find(mechanism, name)
	derived, err := derive(mechanism, name, password, keys.KeyFactors)
	same := err == nil && subtle.ConstantTimeCompare(derived.StoredKey, keys.StoredKey) == 1
	return same && u.byName[name] != nil
}
