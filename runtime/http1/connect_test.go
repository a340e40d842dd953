package http1

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestConnect connects to both families, and talks before anything has joined the poller.
func TestConnect(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", address)
		if err != nil && address[0] == '[' {
			t.Logf("no IPv6 here: %v", err)
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		to := l.Addr().(*net.TCPAddr).AddrPort()
		s, err := Connect(to, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		if s.RemoteAddr().String() != peer.LocalAddr().String() || s.LocalAddr().String() != peer.RemoteAddr().String() {
			t.Errorf("%v to %v, seen from there as %v to %v", s.LocalAddr(), s.RemoteAddr(), peer.RemoteAddr(), peer.LocalAddr())
		}
		if on, err := unix.GetsockoptInt(s.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || on == 0 {
			t.Errorf("TCP_NODELAY is %d, %v", on, err)
		}
		c := NewConn(s)
		if _, err := c.WriteString("ping"); err != nil {
			t.Fatal(err)
		}
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
		if s.joined != nil {
			t.Error("expected a connection outside of the poller")
		}
		var b [4]byte
		if _, err := io.ReadFull(peer, b[:]); err != nil || string(b[:]) != "ping" {
			t.Fatalf("the peer read %q, %v", b, err)
		}
		go func() { _, _ = peer.Write([]byte("pong")) }() // what arrives is compared
		if p, err := c.Peek(4); err != nil || string(p) != "pong" {
			t.Errorf("read %q, %v", p, err)
		}
	}
}

// TestFlushAwaitConnected asks as a backend is asked: the request goes out, and what waits then is in the poller.
func TestFlushAwaitConnected(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		var b [4]byte
		if _, err := io.ReadFull(c, b[:]); err == nil {
			_, _ = c.Write(b[:]) // what arrives is compared
		}
	}()
	s, err := Connect(l.Addr().(*net.TCPAddr).AddrPort(), 0)
	if err != nil {
		t.Fatal(err)
	}
	c := NewConn(s)
	defer c.Close()
	c.SetReadTimeout(time.Minute)
	_, _ = c.WriteString("ping") // into the buffer
	if err := c.FlushAwait(false); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Peek(4); err != nil || string(p) != "ping" || s.joined == nil {
		t.Errorf("read %q, %v; joined %v", p, err, s.joined)
	}
}

// TestConnectRefused checks the error, and that the failed socket is closed.
func TestConnectRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	to := l.Addr().(*net.TCPAddr).AddrPort()
	l.Close()
	before := openFiles(t)
	for range 20 {
		var op *net.OpError
		if s, err := Connect(to, time.Minute); !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || op.Op != "dial" || op.Addr.String() != to.String() {
			t.Fatalf("got %v, %v", s, err)
		}
	}
	if after := openFiles(t); after >= before+20 {
		t.Errorf("%d files are open, before %d", after, before)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no list of open files: %v", err)
	}
	return len(all)
}

// TestConnectBadAddress is refused by the kernel before anything is sent.
func TestConnectBadAddress(t *testing.T) {
	if s, err := Connect(netip.MustParseAddrPort("255.255.255.255:9"), time.Minute); err == nil {
		s.Close()
		t.Error("expected an error")
	}
}

// full returns a server that answers no more connections until room is called.
func full(t *testing.T) (to netip.AddrPort, room func()) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	to = localOf(fd)
	taken := 0
	for ; taken < 10; taken++ { // one fits, or a few, as the kernel likes
		s, err := Connect(to, 50*time.Millisecond)
		if err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			break
		}
		t.Cleanup(func() { s.Close() })
	}
	if taken == 10 {
		t.Skip("this kernel's queues of connections have no end")
	}
	return to, func() {
		for range taken {
			if c, _, err := unix.Accept(fd); err == nil {
				t.Cleanup(func() { unix.Close(c) })
			}
		}
	}
}

// TestConnectWaits has a server that takes the connection late, or never.
func TestConnectWaits(t *testing.T) {
	to, room := full(t)
	if s, err := Connect(to, time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("expected a timeout, got %v, %v", s, err)
	}
	result := make(chan error, 1)
	go func() {
		s, err := Connect(to, time.Minute)
		if err == nil {
			_, err = s.Write([]byte("x"))
			s.Close()
		}
		result <- err
	}()
	room() // seen when the kernel asks again, after a second at the latest
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// connectedPair is tcpPair with what Connect makes as the client.
func connectedPair(t *testing.T) (client *Socket, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = Connect(l.Addr().(*net.TCPAddr).AddrPort(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}
