// Reads a topic with sarama or kafka-go, and prints what it is given, for the tests of
// the gateway.
//
// Arguments: client, bootstrap servers, topic, and steps as of Read.java. Sarama does not
// say where it is, so for it a step that reads ends with how many records there are:
// earliest:N, offset:O:N, time:MILLIS:N. A group of kafka-go that reads 0 records reads
// to the end. Neither says of which type a timestamp is: the lines have 0.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// client is one of the two.
type client interface {
	// read prints a topic from a position on: "earliest", "offset" or "time" with a number.
	read(from string, number int64, count int) error
	// group prints n records in all as so many members of a group, the first of which
	// begins alone.
	group(name string, n, size int) error
	subscribe() error
	produce() error
}

var (
	out     = bufio.NewWriter(os.Stdout)
	servers string
	topic   string
	resume  int64 = -1 // where to continue after an error that was shown
	total   int        // records read by groups
)

func main() {
	servers, topic = os.Args[2], os.Args[3]
	c := map[string]client{"sarama": viaSarama{}, "kafka-go": viaKafkaGo{}}[os.Args[1]]
	for _, step := range os.Args[4:] {
		fmt.Fprintln(out, "#", step)
		if err := do(c, step); err != nil {
			out.Flush()
			fmt.Fprintln(os.Stderr, step+":", err)
			os.Exit(1)
		}
	}
	out.Flush()
}

func do(c client, step string) error {
	words := append(strings.Split(step, ":"), "", "", "")
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(words[i], 10, 64)
		return n
	}
	switch words[0] {
	case "topic":
		topic = words[1]
	case "resume":
		resume = number(1)
	case "subscribe":
		return c.subscribe()
	case "produce":
		return c.produce()
	case "group":
		return c.group(words[1], int(number(2)), int(number(3)))
	case "earliest":
		return c.read(words[0], 0, int(number(1)))
	default:
		return c.read(words[0], number(1), int(number(2)))
	}
	return nil
}

func text(b []byte) string {
	if b == nil {
		return "null"
	}
	return "'" + hex.EncodeToString(b)
}

func show(partition int32, offset int64, at time.Time, key, value []byte, headers [][2][]byte) {
	fmt.Fprint(out, partition, " ", offset, " ", at.UnixMilli(), " 0 ", text(key), " ", text(value))
	for _, h := range headers {
		fmt.Fprint(out, " ", text(h[0]), "=", text(h[1]))
	}
	fmt.Fprintln(out)
}

// login is how to say who one is: mechanism, user, password; empty for nobody.
func login() (mechanism, user, password string) {
	words := append(strings.SplitN(os.Getenv("KAFKA_LOGIN"), ":", 3), "", "")
	return words[0], words[1], words[2]
}

func encryption() (*tls.Config, error) {
	authority, err := os.ReadFile(os.Getenv("KAFKA_CA"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

// members counts what the members of a group have read together.
type members struct {
	sync.Mutex
	n, size, joined int
	owners          map[int]bool
}

func (m *members) done() bool {
	m.Lock()
	defer m.Unlock()
	return total >= m.n && len(m.owners) == m.size
}

// waits reports whether nothing may be read: a further member has been started, and not
// every member has a partition yet.
func (m *members) waits() bool {
	m.Lock()
	defer m.Unlock()
	return m.joined == m.size && len(m.owners) < m.size
}
