package http1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

func TestUnderTLSOfOtherConns(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if UnderTLS(a) != a {
		t.Error("a pipe was wrapped")
	}
}

// What doesn't fit into the socket's buffer waits, in both directions at once.
func TestUnderTLSMovesAll(t *testing.T) {
	client, server := tcpPair(t)
	a, b := UnderTLS(client), UnderTLS(server)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	done := make(chan error, 2)
	for _, c := range []net.Conn{a, b} {
		go func() {
			n, err := c.Write(sent)
			if err == nil && n < len(sent) {
				err = io.ErrShortWrite
			}
			done <- errors.Join(err, c.(interface{ CloseWrite() error }).CloseWrite())
		}()
	}
	for _, c := range []net.Conn{a, b} {
		go func() {
			got, err := io.ReadAll(c)
			if err == nil && !bytes.Equal(got, sent) {
				err = errors.New("other bytes came")
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestUnderTLSTimesOutAndGoesOn(t *testing.T) {
	client, server := tcpPair(t)
	c := UnderTLS(server)
	c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.Read(make([]byte, 1))
	var ne net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
		t.Fatalf("got %v, expected a timeout that crypto/tls knows as one", err)
	}
	c.SetReadDeadline(time.Time{})
	client.Write([]byte("x"))
	if n, err := c.Read(make([]byte, 2)); n != 1 || err != nil {
		t.Errorf("got %d bytes and %v", n, err)
	}
	// A write that waits is ended by a deadline, and tells how much it has written.
	big := make([]byte, 64<<20)
	type result struct {
		n   int
		err error
	}
	done := make(chan result)
	go func() {
		n, err := c.Write(big)
		done <- result{n, err}
	}()
	if _, err := client.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	c.SetWriteDeadline(time.Unix(1, 0))
	if got := <-done; !errors.Is(got.err, os.ErrDeadlineExceeded) || got.n == 0 || got.n >= len(big) {
		t.Errorf("got %d bytes and %v", got.n, got.err)
	}
	// One that needs no wait fails as well: this is how a connection is cut.
	if n, err := c.Write([]byte("x")); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %d bytes and %v", n, err)
	}
}

func TestUnderTLSEnds(t *testing.T) {
	client, server := tcpPair(t)
	c := UnderTLS(server)
	client.CloseWrite()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("got %d bytes and %v, expected the end", n, err)
	}
	if n, err := c.Read(nil); n != 0 || err != nil {
		t.Errorf("no bytes: got %d and %v", n, err)
	}
	client.SetLinger(0)
	client.Close()
	var oe *net.OpError
	for err := error(nil); ; { // until the reset has come
		if _, err = c.Write([]byte("x")); err != nil {
			if !errors.As(err, &oe) || oe.Op != "write" {
				t.Errorf("got %#v, expected what net's own write says", err)
			}
			break
		}
	}
	// A close ends a read that waits.
	_, other := tcpPair(t)
	c = UnderTLS(other)
	done := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		done <- err
	}()
	c.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, expected that the connection is closed", err)
	}
}

func TestUnderTLSAllocatesNothing(t *testing.T) {
	client, server := tcpPair(t)
	a, b := UnderTLS(client), UnderTLS(server)
	p := make([]byte, 512)
	if n := testing.AllocsPerRun(100, func() {
		a.Write(p)
		b.Read(p)
	}); n != 0 {
		t.Errorf("%v allocations, expected none", n)
	}
}

// A connection that gathers writes the same; what isn't one of UnderTLS stays as it is.
func TestGather(t *testing.T) {
	a, _ := tcpPair(t)
	Gather(a, nil)
	client, server := tlsPair(t)
	asked := 0
	Gather(client, func() bool { asked++; return true })
	done := make(chan struct{})
	go func() {
		defer close(done)
		client.Write([]byte("one"))
		client.Write([]byte("two"))
	}()
	b := make([]byte, 6)
	if _, err := io.ReadFull(server, b); err != nil || string(b) != "onetwo" {
		t.Errorf("got %q and %v", b, err)
	}
	<-done
	if asked != 2 {
		t.Errorf("asked %d times, expected twice", asked)
	}
}
