package http1

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"pinion/runtime/file"
)

// randomFile returns an open file of that many random bytes, and the bytes.
func randomFile(t *testing.T, size int) (f *file.File, name string, data []byte) {
	t.Helper()
	data = make([]byte, size)
	_, _ = rand.Read(data) // never fails
	name = filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := file.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, name, data
}

// acceptedConn returns a client and the Conn of the connection that a Listener accepted from it.
func acceptedConn(t *testing.T) (client *net.TCPConn, c *Conn) {
	t.Helper()
	client, a := acceptedPair(t, listenAt(t, "127.0.0.1:0"), "x")
	c = NewConn(a)
	if b, err := c.Peek(1); err != nil { // unread bytes would make a reset of the connection's end
		t.Fatal(b, err)
	}
	return client, c
}

// emptyFile returns an open file that is larger than what sockets hold, without anything on the disk.
func emptyFile(t *testing.T) (f *file.File, size int64) {
	t.Helper()
	size = 64 << 20
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
	f, err := file.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, size
}

func TestSendFile(t *testing.T) {
	for _, limit := range []int64{-1, 1000, 2 << 20, 1 << 40} {
		for _, how := range []string{"tcp", "accepted", "other"} {
			f, _, data := randomFile(t, 3<<20)
			var client *net.TCPConn
			var c *Conn
			if how == "accepted" {
				client, c = acceptedConn(t)
			} else {
				var server *net.TCPConn
				client, server = tcpPair(t)
				c = NewConn(server)
				if how == "other" {
					c = NewConn(struct{ net.Conn }{server})
				}
			}
			c.SetWriteTimeout(time.Minute)
			want := data
			var src io.Reader = f
			if limit >= 0 {
				src = io.LimitReader(f, limit)
				want = data[:min(limit, int64(len(data)))]
			}
			var wait sync.WaitGroup
			wait.Go(func() {
				_, _ = c.WriteString("head ") // what arrives is compared
				n, err := c.SendFile(src)
				if err != nil || n != int64(len(want)) {
					t.Errorf("%s, limit %d: %d bytes, %v", how, limit, n, err)
				}
				if lr, ok := src.(*io.LimitedReader); ok && lr.N != limit-n {
					t.Errorf("%s, limit %d: %d left", how, limit, lr.N)
				}
				_ = c.Flush()
				_ = c.CloseWrite()
				if how == "other" {
					_ = c.Close()
				}
			})
			got, err := io.ReadAll(client)
			wait.Wait()
			if err != nil || !bytes.Equal(got, append([]byte("head "), want...)) {
				t.Errorf("%s, limit %d: %d bytes arrived, %v", how, limit, len(got), err)
			}
			if c.BytesOut() != int64(len(got)) {
				t.Errorf("%s, limit %d: counted %d bytes of %d", how, limit, c.BytesOut(), len(got))
			}
		}
	}
}

// A file that the socket takes at once leaves the connection out of the poller; it is read from where it stands.
func TestSendFileAtOnce(t *testing.T) {
	f, _, data := randomFile(t, 20000)
	client, c := acceptedConn(t)
	if _, err := f.Seek(1000, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if n, err := c.SendFile(io.LimitReader(f, 16000)); n != 16000 || err != nil {
		t.Fatalf("expected 16000 bytes to be sent, got %d, %v", n, err)
	}
	if c.sock.joined != nil {
		t.Error("expected a connection outside of the poller")
	}
	c.Close()
	if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, data[1000:17000]) {
		t.Errorf("expected 16000 bytes from 1000 on, got %d, %v", len(got), err)
	}
}

// A file that has become shorter ends early, without an error.
func TestSendFileTruncated(t *testing.T) {
	f, name, _ := randomFile(t, 100000)
	if err := os.Truncate(name, 30000); err != nil {
		t.Fatal(err)
	}
	client, c := acceptedConn(t)
	if n, err := c.SendFile(io.LimitReader(f, 100000)); n != 30000 || err != nil {
		t.Errorf("expected the 30000 bytes that are left, got %d, %v", n, err)
	}
	c.Close()
	if got, err := io.ReadAll(client); err != nil || len(got) != 30000 {
		t.Errorf("expected 30000 bytes, got %d, %v", len(got), err)
	}
}

// A client that takes nothing: the write timeout ends the wait, and so does an abort, before and meanwhile.
func TestSendFileWaits(t *testing.T) {
	for _, how := range []string{"timeout", "aborted before", "aborted meanwhile"} {
		f, size := emptyFile(t)
		_, c := acceptedConn(t)
		var wait sync.WaitGroup
		switch how {
		case "timeout":
			c.SetWriteTimeout(time.Millisecond)
		case "aborted before":
			c.Abort()
		case "aborted meanwhile":
			wait.Go(c.Abort)
		}
		n, err := c.SendFile(f)
		var write *WriteError
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &write) || n >= size {
			t.Errorf("%s: expected a timeout to write, got %d bytes, %v", how, n, err)
		}
		if how == "aborted before" && n > 0 {
			t.Errorf("%s: %d bytes were sent", how, n)
		}
		wait.Wait()
		c.Close()
	}
}

// A client that goes away while it is being sent a file is an error, no signal that ends the process.
func TestSendFileReset(t *testing.T) {
	f, _ := emptyFile(t)
	client, c := acceptedConn(t)
	var wait sync.WaitGroup
	wait.Go(func() {
		_, _ = io.CopyN(io.Discard, client, 1<<20)
		_ = client.SetLinger(0)
		_ = client.Close()
	})
	_, err := c.SendFile(f)
	var write *WriteError
	if !errors.As(err, &write) {
		t.Errorf("expected an error of the connection, got %v", err)
	}
	wait.Wait()
	c.Close()
}

// What the kernel can't send is copied: a process's environment is such a file where the kernel has no way to splice it.
func TestSendFileCopies(t *testing.T) {
	const name = "/proc/self/environ"
	want, err := os.ReadFile(name)
	if err != nil {
		t.Skipf("no file that can't be sent: %v", err)
	}
	f, err := file.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	client, c := acceptedConn(t)
	if n, err := c.SendFile(f); n != int64(len(want)) || err != nil {
		t.Errorf("expected %d bytes to be sent, got %d, %v", len(want), n, err)
	}
	if err := c.Flush(); err != nil {
		t.Error(err)
	}
	c.Close()
	if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, want) {
		t.Errorf("expected %d bytes, got %d, %v", len(want), len(got), err)
	}
}
