package main

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// What is sent arrives in order, whole, and no earlier than the delay.
func TestFarAwayIsLate(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	const size = 3*farAwayChunk + 17
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		sent := make([]byte, size)
		for i := range sent {
			sent[i] = byte(i)
		}
		conn.Write(sent)
	}()
	const delay = 50 * time.Millisecond
	begin := time.Now()
	conn, err := dialer(delay)(t.Context(), "tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(conn, first); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < delay {
		t.Errorf("the first byte came after %v, want at least %v", took, delay)
	}
	rest, err := io.ReadAll(conn)
	if err != nil || len(rest) != size-1 {
		t.Fatalf("%d bytes more, error %v; want %d", len(rest), err, size-1)
	}
	for i, b := range rest {
		if b != byte(i+1) {
			t.Fatalf("byte %d is %d", i+1, b)
		}
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
}

// Who closes a connection does not wait for the other end.
func TestFarAwayCloses(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer far.Close()
	f := &farAway{Conn: near, arrived: make(chan arrival, farAwayChunks), closed: make(chan struct{})}
	go f.receiveLate()
	read := make(chan error)
	go func() { _, err := f.Read(make([]byte, 1)); read <- err }()
	if err := errors.Join(f.Close(), f.Close()); err != nil {
		t.Error(err)
	}
	if err := <-read; err == nil {
		t.Error("a read of a closed connection has no error")
	}
}
