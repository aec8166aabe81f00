// Lists of brokers.

package config

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ParseBrokers reads a list of brokers, host:port with commas between. Every list
// that Bifrost is given is read by it. What is there twice counts once.
func ParseBrokers(text string) ([]string, error) {
	var brokers []string
	for broker := range strings.SplitSeq(text, ",") {
		broker = strings.TrimSpace(broker)
		if err := checkBroker(broker); err != nil {
			return nil, err
		}
		if !slices.Contains(brokers, broker) {
			brokers = append(brokers, broker)
		}
	}
	return brokers, nil
}

// hostPattern is what a name in DNS may be, and the underscore that many have.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$`)

func checkBroker(broker string) error {
	if broker == "" {
		return errors.New("a broker is missing before or after a comma")
	}
	if scheme, rest, found := strings.Cut(broker, "://"); found {
		return fmt.Errorf("%q begins with %s://, as listeners do: a broker is host:port alone, here %s, "+
			"and the security protocol is a setting of its own", broker, scheme, rest)
	}
	if strings.ContainsFunc(broker, isSeparator) {
		return fmt.Errorf("%q holds more than host:port: put commas between brokers", broker)
	}
	if strings.Count(broker, ":") > 1 && !strings.Contains(broker, "]:") {
		return fmt.Errorf("%q is not host:port: an IPv6 address stands in brackets before "+
			"its port, such as [::1]:9092", broker)
	}
	host, port, err := net.SplitHostPort(broker)
	switch {
	case err != nil && !strings.Contains(broker, ":"):
		return fmt.Errorf("%q has no port: it is host:port, such as %s:9092", broker, broker)
	case err != nil || host == "":
		return fmt.Errorf("%q is not host:port", broker)
	case !isHost(host):
		return fmt.Errorf("%q is not host:port: %q is neither a name nor an address", broker, host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n < 1 {
		return fmt.Errorf("%q has no port from 1 to 65535", broker)
	}
	return nil
}

func isSeparator(r rune) bool {
	return r == ';' || r == '|' || r == ' ' || r == '\t' || r == '\n' || r == '\r'
}

// isHost reports whether it may be the name or the address of a machine; an
// address of IPv6 may name its zone.
func isHost(host string) bool {
	address, _, _ := strings.Cut(host, "%")
	if strings.Contains(address, ":") {
		return net.ParseIP(address) != nil
	}
	return hostPattern.MatchString(host)
}

func readBrokers(value string, c *Config) (err error) {
	c.Brokers, err = ParseBrokers(value)
	return err
}
