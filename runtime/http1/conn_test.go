package http1

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// awaitInput waits until the descriptor of nc has something to read, and reads nothing.
func awaitInput(t *testing.T, nc syscall.Conn) {
	t.Helper()
	raw, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			if _, err := unix.Poll(fds, -1); err != unix.EINTR {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestIdleConnHoldsNoBuffer(t *testing.T) {
	client, server := tcpPair(t)
	c := NewConn(server)
	for range 2 {
		if err := c.raw.Control(func(fd uintptr) {
			if c.fillRaw(fd) {
				t.Error("there was something to read")
			}
		}); err != nil {
			t.Fatal(err)
		}
		if c.rb != nil || c.wb != nil {
			t.Error("a connection that waits holds a buffer")
		}
		if _, err := client.Write([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		var h RequestHead
		if err := c.ReadRequestHead(&h, &DefaultLimits); err != nil {
			t.Fatal(err)
		}
		if err := c.WriteResponseHead("200 OK", &h.Fields); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if c.BytesIn() != 54 || c.BytesOut() != 2*int64(len("HTTP/1.1 200 OK\r\nHost: a\r\n\r\n")) {
		t.Errorf("counted %d in, %d out", c.BytesIn(), c.BytesOut())
	}
}

func TestTimeouts(t *testing.T) {
	_, server := tcpPair(t)
	c := NewConn(server)
	c.SetReadTimeout(time.Millisecond)
	for range 2 {
		if err := c.WaitReadable(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
	}
	c.SetReadTimeout(0)
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	c.SetWriteTimeout(time.Millisecond)
	for {
		if _, err := c.Write(make([]byte, 1<<20)); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
			break
		}
	}
}

func TestDeadlineIsSetRarely(t *testing.T) {
	var d deadline
	if _, set := d.due(); set {
		t.Error("no timeout, but a deadline")
	}
	d.set(time.Hour)
	first, set := d.due()
	if left := time.Until(first); !set || left < time.Hour || left > time.Hour+time.Hour/8+time.Minute {
		t.Errorf("deadline in %v", left)
	}
	if _, set := d.due(); set {
		t.Error("set twice")
	}
	d.set(time.Minute)
	if _, set := d.due(); !set {
		t.Error("a deadline far beyond a shorter timeout stays")
	}
	d.set(time.Hour)
	if _, set := d.due(); !set {
		t.Error("a deadline before a longer timeout stays")
	}
	d.fix()
	if _, set := d.due(); set {
		t.Error("an exact deadline was replaced")
	}
	d.set(time.Hour)
	if _, set := d.due(); !set {
		t.Error("an exact deadline outlives SetReadTimeout")
	}
	d.set(0)
	if at, set := d.due(); !set || !at.IsZero() {
		t.Error("a deadline outlives its timeout")
	}
}

func TestAbort(t *testing.T) {
	_, server := tcpPair(t)
	c := NewConn(server)
	c.SetReadTimeout(time.Hour)
	done := make(chan error)
	go func() { done <- c.WaitReadable() }()
	c.Abort()
	if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	c.SetReadTimeout(time.Minute)
	if err := c.WaitReadable(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a new timeout revived it:", err)
	}
}

func TestFlushAwait(t *testing.T) {
	client, server := tcpPair(t)
	go func() {
		s := NewConn(server)
		for s.WaitReadable() == nil {
			b := s.rb[s.r:s.w]
			if s.writeThrough(b) != nil {
				return
			}
			s.consume(len(b))
		}
		server.Close()
	}()
	c := NewConn(client)
	for range 3 {
		if _, err := c.WriteString("hello"); err != nil {
			t.Fatal(err)
		}
		if err := c.FlushAwait(false); err != nil {
			t.Fatal(err)
		}
		if b, err := c.Peek(5); string(b) != "hello" || err != nil || c.wb != nil {
			t.Fatalf("%q, %v", b, err)
		}
		c.consume(5)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	awaitInput(t, client)
	if err := c.FlushAwait(false); err != io.EOF {
		t.Errorf("with nothing to write: %v", err)
	}
}

// The peer of a kept connection has closed it: the write goes out all the same, and the wait must end.
func TestFlushAwaitOnClosed(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		ln, err := net.Listen(network, map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")}[network])
		if err != nil {
			t.Fatal(err)
		}
		client, err := net.Dial(network, ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		server, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		server.Close()
		awaitInput(t, client.(syscall.Conn))
		c := NewConn(client)
		if c.Alive() {
			t.Errorf("%s: closed by its peer, but alive", network)
		}
		if _, err := c.WriteString("hello"); err != nil {
			t.Fatal(err)
		}
		if err := c.FlushAwait(false); err == nil {
			t.Errorf("%s: no error", network)
		}
		c.Close()
	}
}

// A socket that takes only a part of the request at once.
func TestFlushAwaitInParts(t *testing.T) {
	client, server := tcpPair(t)
	if err := client.SetWriteBuffer(1); err != nil {
		t.Fatal(err)
	}
	if err := server.SetReadBuffer(1); err != nil {
		t.Fatal(err)
	}
	c := NewConn(client)
	want := strings.Repeat("0123456789abcdef", bufferSize/16)
	go func() {
		b := make([]byte, len(want))
		if _, err := io.ReadFull(server, b); err == nil && string(b) == want {
			_, _ = server.Write([]byte("ok")) // the other side waits for it
		}
		server.Close()
	}()
	if _, err := c.WriteString(want); err != nil {
		t.Fatal(err)
	}
	if err := c.FlushAwait(false); err != nil {
		t.Fatal(err)
	}
	if b, err := c.Peek(2); string(b) != "ok" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if c.BytesOut() != int64(len(want)) {
		t.Errorf("counted %d of %d", c.BytesOut(), len(want))
	}
}

func TestAlive(t *testing.T) {
	client, server := tcpPair(t)
	c := NewConn(client)
	if !c.Alive() {
		t.Error("idle, but not alive")
	}
	if _, err := server.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	awaitInput(t, client)
	if c.Alive() {
		t.Error("unasked bytes, but alive")
	}
	if err := c.WaitReadable(); err != nil {
		t.Fatal(err)
	}
	if c.Alive() {
		t.Error("unread bytes, but alive")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if c.Alive() {
		t.Error("closed, but alive")
	}
}

// What a peer has read before it ends the stream was delivered; what it can't have read was not.
func TestUndelivered(t *testing.T) {
	for _, how := range []string{"tcp", "connected"} {
		for _, reads := range []bool{true, false} {
			testUndelivered(t, how, reads)
		}
	}
}

func testUndelivered(t *testing.T, how string, reads bool) {
	var c *Conn
	var server net.Conn
	if how == "tcp" {
		client, s := tcpPair(t)
		c, server = NewConn(client), s
	} else {
		client, s := connectedPair(t)
		c, server = NewConn(client), s
	}
	if !reads {
		server.Close()
		for c.Alive() { // until its end has come
			runtime.Gosched()
		}
	}
	if _, err := c.WriteString("hello"); err != nil {
		t.Fatal(err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if reads {
		if _, err := io.ReadFull(server, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		server.Close()
	}
	if err := c.WaitReadable(); err != io.EOF {
		t.Errorf("%s: expected the end of the stream, found %v", how, err)
	}
	if c.Undelivered() == reads {
		t.Errorf("%s: the peer has read it: %v, undelivered: %v", how, reads, !reads)
	}
	c.Close()
}

func TestWriteLarge(t *testing.T) {
	client, server := tcpPair(t)
	data := bytes.Repeat([]byte("0123456789"), 100000)
	go func() {
		c := NewConn(client)
		_, _ = c.WriteString("head ")       // what arrives
		_, _ = c.Write(data)                // is compared
		_, _ = c.Write(data[:bufferSize+1]) // in whole
		_, _ = c.WriteString(string(data[:bufferSize+1]))
		_ = c.Flush()
		_ = c.Close()
	}()
	got, err := io.ReadAll(server)
	if err != nil {
		t.Fatal(err)
	}
	want := append([]byte("head "), data...)
	want = append(append(want, data[:bufferSize+1]...), data[:bufferSize+1]...)
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes arrived, want %d", len(got), len(want))
	}
}

func tlsPair(t *testing.T) (client, server *tls.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	c, s := tcpPair(t)
	server = tls.Server(UnderTLS(s), &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	client = tls.Client(UnderTLS(c), &tls.Config{RootCAs: roots, ServerName: "localhost"})
	done := make(chan error, 1)
	go func() { done <- server.Handshake() }()
	if err := errors.Join(client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return client, server
}

func TestTLS(t *testing.T) {
	client, server := tlsPair(t)
	go bareBackend(NewConn(server))
	c := NewConn(client)
	var h ResponseHead
	var b Body
	for range 3 {
		if _, err := c.WriteString(tenFields); err != nil {
			t.Fatal(err)
		}
		if err := c.FlushAwait(false); err != nil {
			t.Fatal(err)
		}
		if err := c.ReadResponseHead(&h, "GET", &ResponseLimits{}); err != nil {
			t.Fatal(err)
		}
		b.ResetResponse(c, &h)
		if n, err := b.WriteTo(io.Discard); n != 256 || err != nil {
			t.Fatal(n, err)
		}
		if c.rb != nil || c.wb != nil {
			t.Error("an idle TLS connection holds a buffer")
		}
		if !c.Alive() {
			t.Error("not alive")
		}
	}
	if err := c.CloseWrite(); err != nil {
		t.Error(err)
	}
}

// setsDeadlines counts how often it was given a deadline for reading.
type setsDeadlines struct {
	script
	sets int
}

func (s *setsDeadlines) SetReadDeadline(time.Time) error { s.sets++; return nil }

// Under TLS a head that comes whole is found whole by the wait for it: no deadline of the head's own is needed.
func TestWaitTakesWholeHead(t *testing.T) {
	const head = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	nc := &setsDeadlines{script: script{in: head}}
	c := NewConn(nc)
	if err := c.WaitReadable(); err != nil || c.Buffered() != len(head) {
		t.Fatalf("%d bytes and %v, expected %d", c.Buffered(), err, len(head))
	}
	var h RequestHead
	limits := DefaultLimits
	limits.HeadDeadline = func(int) time.Time { return time.Now().Add(time.Hour) }
	if err := c.ReadRequestHead(&h, &limits); err != nil {
		t.Fatal(err)
	}
	if nc.sets != 0 {
		t.Errorf("%d deadlines were set, expected none", nc.sets)
	}
}
