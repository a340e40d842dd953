package http1

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

type tunnelResult struct {
	aToB, bToA int64
	err        error
}

// startTunnel returns the outer ends of a tunnel and what it will have returned.
func startTunnel(t *testing.T, ctx context.Context, idle time.Duration, early string) (left, right *net.TCPConn, done chan tunnelResult) {
	t.Helper()
	left, inner := tcpPair(t)
	outer, right := tcpPair(t)
	a, b := NewConn(inner), NewConn(outer)
	if early != "" {
		if _, err := left.Write([]byte(early)); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Peek(len(early)); err != nil {
			t.Fatal(err)
		}
	}
	done = make(chan tunnelResult, 1)
	go func() {
		var r tunnelResult
		r.aToB, r.bToA, r.err = Tunnel(ctx, a, b, idle)
		a.Close()
		b.Close()
		done <- r
	}()
	return left, right, done
}

func TestTunnel(t *testing.T) {
	data := make([]byte, 3<<20)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	left, right, done := startTunnel(t, t.Context(), time.Minute, "early ")
	go func() { // echo until the end, then one more: the tunnel is half closed by then
		_, _ = io.Copy(right, plainReader{right})
		_, _ = right.Write([]byte("bye"))
		_ = right.CloseWrite()
	}()
	go func() {
		_, _ = left.Write(data)
		_ = left.CloseWrite()
	}()
	got, err := io.ReadAll(left)
	if err != nil || !bytes.Equal(got, append(append([]byte("early "), data...), "bye"...)) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if r := <-done; r.err != nil || r.aToB != int64(len(data)+6) || r.bToA != int64(len(data)+9) {
		t.Errorf("%+v", r)
	}
}

func TestTunnelCancel(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	left, right, done := startTunnel(t, ctx, 0, "hello")
	b := make([]byte, 5)
	if _, err := io.ReadFull(right, b); err != nil || string(b) != "hello" {
		t.Fatal(err)
	}
	cause := errors.New("stopped")
	cancel(cause)
	if r := <-done; !errors.Is(r.err, cause) || r.aToB != 5 {
		t.Errorf("%+v", r)
	}
	if _, err := left.Read(b); err == nil {
		t.Error("still open")
	}
}

func TestTunnelIdle(t *testing.T) {
	_, _, done := startTunnel(t, t.Context(), time.Millisecond, "")
	if r := <-done; !errors.Is(r.err, os.ErrDeadlineExceeded) {
		t.Errorf("%+v", r)
	}
}

func TestTunnelReset(t *testing.T) {
	left, right, done := startTunnel(t, t.Context(), 0, "")
	if err := left.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	left.Close()
	if r := <-done; r.err == nil {
		t.Error("no error")
	}
	if _, err := right.Read(make([]byte, 1)); err == nil {
		t.Error("the other side is still open")
	}
}

func TestTunnelTLS(t *testing.T) {
	client, server := tlsPair(t)
	outer, right := tcpPair(t)
	done := make(chan tunnelResult, 1)
	go func() {
		var r tunnelResult
		a, b := NewConn(server), NewConn(outer)
		r.aToB, r.bToA, r.err = Tunnel(context.Background(), a, b, 0)
		a.Close()
		b.Close()
		done <- r
	}()
	go func() {
		_, _ = io.Copy(right, plainReader{right})
		_ = right.CloseWrite()
	}()
	if _, err := client.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(client); string(got) != "hello" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if r := <-done; r.err != nil || r.aToB != 5 || r.bToA != 5 {
		t.Errorf("%+v", r)
	}
}
