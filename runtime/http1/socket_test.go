package http1

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listenAt returns a listener that the end of the test closes.
func listenAt(t testing.TB, address string) *Listener {
	t.Helper()
	l, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// acceptedPair returns a connection whose client has sent first, which the listener waits for.
func acceptedPair(t testing.TB, l *Listener, first string) (client *net.TCPConn, server *Socket) {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, first); err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*Socket)
}

func TestAcceptedNeverJoinsForWhatIsThere(t *testing.T) {
	client, a := acceptedPair(t, listenAt(t, "127.0.0.1:0"), "ping")
	c := NewConn(a)
	c.SetReadTimeout(time.Minute)
	if b, err := c.Peek(4); err != nil || string(b) != "ping" {
		t.Fatalf("expected ping, got %q, %v", b, err)
	}
	c.WriteString("pong")
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	if a.joined != nil {
		t.Error("expected a connection outside of the poller")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); err != nil || string(got) != "pong" {
		t.Errorf("expected pong, got %q, %v", got, err)
	}
}

func TestAcceptedWaits(t *testing.T) {
	client, a := acceptedPair(t, listenAt(t, "127.0.0.1:0"), "x")
	c := NewConn(a)
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	go io.WriteString(client, "later")
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "later" {
		t.Fatalf("expected later, got %q, %v", got, err)
	}
	c.SetReadTimeout(time.Millisecond)
	if err := c.WaitReadable(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("expected a timeout, got %v", err)
	}
}

func TestAcceptedAddresses(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", ":0", "[::1]:0"} {
		l, err := Listen(address)
		if err != nil && strings.HasPrefix(address, "[") {
			t.Logf("no IPv6 on this machine: %v", err)
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		host := "127.0.0.1"
		if strings.HasPrefix(address, "[") {
			host = "::1"
		}
		client, err := net.Dial("tcp", net.JoinHostPort(host, port))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(client, "x")
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		local, remote, ip := nc.(*Socket).Addresses()
		if local.String() != client.RemoteAddr().String() || remote.String() != client.LocalAddr().String() || ip != host {
			t.Errorf("%s: expected %v from %v, got %v from %v (%s)", address, client.RemoteAddr(), client.LocalAddr(), local, remote, ip)
		}
		if nc.RemoteAddr().String() != client.LocalAddr().String() || nc.LocalAddr().String() != client.RemoteAddr().String() {
			t.Errorf("%s: expected the same of LocalAddr and RemoteAddr, got %v and %v", address, nc.LocalAddr(), nc.RemoteAddr())
		}
		nc.Close()
		client.Close()
		l.Close()
	}
}

func TestAcceptedOptions(t *testing.T) {
	_, a := acceptedPair(t, listenAt(t, "127.0.0.1:0"), "x")
	idle := keepAliveTimes(a.fd)
	check := func(when string) {
		for _, o := range []struct{ level, option int }{{unix.IPPROTO_TCP, unix.TCP_NODELAY}, {unix.SOL_SOCKET, unix.SO_KEEPALIVE}} {
			if v, err := unix.GetsockoptInt(a.fd, o.level, o.option); err != nil || v == 0 {
				t.Errorf("%s: expected option %d to be inherited, got %d, %v", when, o.option, v, err)
			}
		}
		if got := keepAliveTimes(a.fd); got != idle {
			t.Errorf("%s: expected the system's times %v, got %v", when, idle, got)
		}
	}
	check("accepted")
	if _, err := a.tcp(); err != nil {
		t.Fatal(err)
	}
	check("as package net's")
}

// TestAcceptedKeepsDeadlines sets them before there is anything to set them on, and before it is exchanged.
func TestAcceptedKeepsDeadlines(t *testing.T) {
	for _, exchange := range []bool{false, true} {
		_, a := acceptedPair(t, listenAt(t, "127.0.0.1:0"), "x")
		if err := a.SetDeadline(time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if exchange {
			if _, err := a.tcp(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("expected a timeout to read, got %v", err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("expected a timeout to write, got %v", err)
		}
		a.SetDeadline(time.Time{})
		if _, err := a.Read(make([]byte, 1)); err != nil {
			t.Errorf("expected to read after the deadline was taken away, got %v", err)
		}
	}
}

// TestAcceptedAbort aborts from another goroutine while the connection is read, exchanged and written: under the race detector.
func TestAcceptedAbort(t *testing.T) {
	l := listenAt(t, "127.0.0.1:0")
	for range 30 {
		_, a := acceptedPair(t, l, "x")
		c := NewConn(a)
		var wait sync.WaitGroup
		wait.Go(c.Abort)
		c.plainTCP()
		for {
			if _, err := c.Read(make([]byte, 8)); err != nil {
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("expected an aborted read, got %v", err)
				}
				break
			}
		}
		wait.Wait()
		c.WriteString("x")
		if err := c.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("expected an aborted write, got %v", err)
		}
		c.Close()
	}
}

func TestAcceptedAfterClose(t *testing.T) {
	_, a := acceptedPair(t, listenAt(t, "127.0.0.1:0"), "x")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	_, readErr := a.Read(make([]byte, 1))
	_, writeErr := a.Write([]byte("x"))
	_, tcpErr := a.tcp()
	for _, err := range []error{readErr, writeErr, tcpErr, a.Close(), a.CloseWrite(), a.SetDeadline(time.Time{})} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("expected %v, got %v", net.ErrClosed, err)
		}
	}
}

// TestAcceptedLargeWrites writes more than socket and buffer hold, to a client that reads only then.
func TestAcceptedLargeWrites(t *testing.T) {
	client, a := acceptedPair(t, listenAt(t, "127.0.0.1:0"), "x")
	c := NewConn(a)
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	var wait sync.WaitGroup
	wait.Go(func() {
		defer c.CloseWrite()
		c.WriteString("head")
		for _, part := range [][]byte{body[:20000], body[20000:40000], body[40000:]} {
			if n, err := c.Write(part); n != len(part) || err != nil {
				t.Errorf("expected to write %d, got %d, %v", len(part), n, err)
			}
		}
		if err := c.Flush(); err != nil {
			t.Error(err)
		}
	})
	got, err := io.ReadAll(client)
	wait.Wait()
	if err != nil || string(got[:4]) != "head" || !bytes.Equal(got[4:], body) {
		t.Errorf("expected what was written, got %d bytes, %v", len(got), err)
	}
	if c.BytesOut() != int64(len(got)) {
		t.Errorf("expected %d bytes to be counted, got %d", len(got), c.BytesOut())
	}
}

// TestAcceptedSplice moves a body from one accepted connection to another in the kernel.
func TestAcceptedSplice(t *testing.T) {
	l := listenAt(t, "127.0.0.1:0")
	from, a := acceptedPair(t, l, "x")
	to, b := acceptedPair(t, l, "x")
	src, dst := NewConn(a), NewConn(b)
	if _, err := src.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("splice"), 100000)
	var wait sync.WaitGroup
	wait.Go(func() { from.Write(content) })
	wait.Go(func() {
		defer dst.CloseWrite()
		var body Body
		body.ResetRequest(src, &RequestHead{ContentLength: int64(len(content))}, &Limits{})
		if n, err := body.Relay(dst, false); n != int64(len(content)) || err != nil {
			t.Errorf("expected %d bytes, got %d, %v", len(content), n, err)
		}
		if err := dst.Flush(); err != nil {
			t.Error(err)
		}
	})
	got, err := io.ReadAll(to)
	wait.Wait()
	if err != nil || !bytes.Equal(got, content) {
		t.Errorf("expected what was sent, got %d bytes, %v", len(got), err)
	}
	if _, ok := b.joined.(*net.TCPConn); !ok {
		t.Errorf("expected the kernel to move the body, got %T", b.joined)
	}
}

func TestListenerClose(t *testing.T) {
	l := listenAt(t, "127.0.0.1:0")
	done := make(chan error)
	go func() {
		_, err := l.Accept()
		done <- err
	}()
	l.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Errorf("expected %v, got %v", net.ErrClosed, err)
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("expected nobody to listen any more")
	}
}

// BenchmarkAccepted is a connection for one request, on both sides: accepted, read, answered and closed.
func BenchmarkAccepted(b *testing.B) {
	l := listenAt(b, "127.0.0.1:0")
	serve := func(b *testing.B, l net.Listener) {
		b.ReportAllocs()
		for b.Loop() {
			client, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			io.WriteString(client, "ping")
			nc, err := l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			c := NewConn(nc)
			c.Peek(4)
			c.WriteString("pong")
			c.Flush()
			c.Close()
			client.Close()
		}
	}
	b.Run("accepted", func(b *testing.B) { serve(b, l) })
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer plain.Close()
	b.Run("net", func(b *testing.B) { serve(b, plain) })
}

// TestAcceptedAllocations holds what a connection for one request allocates here in its whole life: the Socket, the Conn, and
// what the system is given to write the peer's address and its length to, and the closures around that.
func TestAcceptedAllocations(t *testing.T) {
	if raced {
		t.Skip("under the race detector pools forget at random")
	}
	const runs, most = 50, 8
	l := listenAt(t, "127.0.0.1:0")
	for range runs + 1 { // the first is not counted
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		if _, err := io.WriteString(client, "ping"); err != nil {
			t.Fatal(err)
		}
	}
	got := testing.AllocsPerRun(runs, func() {
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c := NewConn(nc)
		if _, err := c.Peek(4); err != nil {
			t.Fatal(err)
		}
		c.WriteString("pong")
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
	t.Logf("%v allocations", got)
	if got > most {
		t.Errorf("expected at most %d allocations, got %v", most, got)
	}
}
