package http1

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"pinion/runtime/table"
)

// plainReader hides WriteTo, so that io.Copy reads.
type plainReader struct{ io.Reader }

func TestBody(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		framing  Framing
		length   int64
		body     string
		rest     string
		err      error
	}{
		{"none", "next", NoBody, 0, "", "next", nil},
		{"length", "hellonext", Length, 5, "hello", "next", nil},
		{"length 0", "next", Length, 0, "", "next", nil},
		{"length cut", "hel", Length, 5, "hel", "", io.ErrUnexpectedEOF},
		{"close", "hello", UntilClose, 0, "hello", "", nil},
		{"chunked", "5\r\nhello\r\n006;a=b\r\n world\r\n0\r\n\r\nnext", Chunked, 0, "hello world", "next", nil},
		{"chunked empty", "0\r\n\r\nnext", Chunked, 0, "", "next", nil},
		{"chunked upper", "A\r\n0123456789\r\n0\r\n\r\n", Chunked, 0, "0123456789", "", nil},
		{"chunked cut in data", "5\r\nhel", Chunked, 0, "hel", "", io.ErrUnexpectedEOF},
		{"chunked cut in size", "5", Chunked, 0, "", "", io.ErrUnexpectedEOF},
		{"chunked cut before end", "5\r\nhello\r\n", Chunked, 0, "hello", "", io.ErrUnexpectedEOF},
		{"chunked cut in trailer", "0\r\nA: b\r\n", Chunked, 0, "", "", io.ErrUnexpectedEOF},
	} {
		for _, step := range []int{0, 1, 2} {
			for _, how := range []string{"read", "write"} {
				c := connOf(tt.in, step)
				var b Body
				b.Reset(c, tt.framing, tt.length, &DefaultLimits)
				var got bytes.Buffer
				var err error
				if how == "read" {
					_, err = io.CopyBuffer(&got, plainReader{&b}, make([]byte, 3))
				} else {
					_, err = b.WriteTo(&got)
				}
				if got.String() != tt.body || !errors.Is(err, tt.err) || b.Complete() != (tt.err == nil) || b.BytesRead() != int64(len(tt.body)) {
					t.Errorf("%s, %s, step %d: %q, %v, complete %v", tt.name, how, step, got.String(), err, b.Complete())
				}
				rest, _ := io.ReadAll(c)
				if tt.err == nil && string(rest) != tt.rest {
					t.Errorf("%s, %s, step %d: rest %q", tt.name, how, step, rest)
				}
			}
		}
	}
}

func TestTrailers(t *testing.T) {
	c := connOf("1\r\na\r\n0\r\nX-A: 1 \r\nx-b: 2\r\n\r\nnext", 1)
	var b Body
	b.Reset(c, Chunked, 0, &DefaultLimits)
	if err := b.Discard(1); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]table.Field{{Key: "X-A", Value: "1"}, {Key: "x-b", Value: "2"}}, b.Trailers().Fields()); d != "" {
		t.Error(d)
	}
	lim := DefaultLimits
	lim.RequestFields = 2
	b.Reset(connOf("0\r\nA: 1\r\nA: 1\r\nA: 1\r\n\r\n", 0), Chunked, 0, &lim)
	var p *ProtocolError
	if err := b.Discard(1); !errors.As(err, &p) || p.Note != noteFields {
		t.Errorf("three trailers of two: %v", err)
	}
	lim.RequestFields = 0
	b.Reset(connOf("0\r\n"+strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 2000), 0), Chunked, 0, &lim)
	if err := b.Discard(1); !errors.As(err, &p) {
		t.Errorf("endless trailers: %v", err)
	}
	b.Reset(connOf("0\r\nA: "+strings.Repeat("b", 50000), 0), Chunked, 0, &DefaultLimits)
	if err := b.Discard(1); !errors.As(err, &p) || p.Note != noteFieldSize {
		t.Errorf("endless trailer: %v", err)
	}
}

func TestDiscard(t *testing.T) {
	var b Body
	b.Reset(connOf("hello", 0), Length, 5, &DefaultLimits)
	if err := b.Discard(4); !errors.Is(err, ErrBodyTooLong) || b.Complete() {
		t.Errorf("length: %v", err)
	}
	if err := b.Discard(5); err != nil || !b.Complete() {
		t.Errorf("length: %v", err)
	}
	b.Reset(connOf("5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", 0), Chunked, 0, &DefaultLimits)
	if err := b.Discard(9); !errors.Is(err, ErrBodyTooLong) {
		t.Errorf("chunked: %v", err)
	}
}

// What ChunkedWriter writes reads back as the same, whatever the sizes are, and over a socket as well.
func TestChunkedWriter(t *testing.T) {
	data := make([]byte, 200000)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	var trailers table.Table
	trailers.Add("X-Sum", "1")
	write := func(c *Conn) error {
		w := NewChunkedWriter(c)
		for rest, n := data, 1; len(rest) > 0; n = n*3 + 1 {
			n = min(n, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				return err
			}
			rest = rest[n:]
			if n > 30000 {
				n = 5
			}
		}
		if _, err := w.Write(nil); err != nil {
			return err
		}
		if err := w.Close(&trailers); err != nil {
			return err
		}
		return c.Flush()
	}
	check := func(c *Conn) {
		t.Helper()
		var b Body
		b.Reset(c, Chunked, 0, &DefaultLimits)
		got, err := io.ReadAll(&b)
		if err != nil || !bytes.Equal(got, data) || b.Trailers().Get("x-sum") != "1" {
			t.Errorf("%d bytes, %v, trailers %v", len(got), err, b.Trailers().Fields())
		}
	}
	s := new(script)
	if err := write(NewConn(s)); err != nil {
		t.Fatal(err)
	}
	check(connOf(string(s.out), 0))

	client, server := tcpPair(t)
	done := make(chan error, 1)
	go func() { done <- write(NewConn(client)) }()
	check(NewConn(server))
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A large body crosses from one socket to another: the part that came with the head first, the rest through splice.
func TestSplice(t *testing.T) {
	data := make([]byte, 5<<20)
	if _, err := rand.Read(data); err != nil {
		t.Fatal(err)
	}
	for _, cut := range []int{0, 1000} { // bytes that the sender keeps back
		origin, in := tcpPair(t)
		out, client := tcpPair(t)
		errs := make(chan error, 1)
		go func() {
			_, err := origin.Write(append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5242880\r\n\r\n"), data[:len(data)-cut]...))
			origin.Close()
			errs <- err
		}()
		received := make(chan []byte, 1)
		go func() {
			all, _ := io.ReadAll(client) // a failure shows in what is received
			received <- all
		}()
		src, dst := NewConn(in), NewConn(out)
		var h ResponseHead
		if err := src.ReadResponseHead(&h, "GET", &ResponseLimits{}); err != nil {
			t.Fatal(err)
		}
		if err := dst.WriteResponseHead(h.StatusLine, &h.Fields); err != nil {
			t.Fatal(err)
		}
		var b Body
		b.ResetResponse(src, &h)
		n, err := b.WriteTo(dst)
		if cut == 0 && (err != nil || !b.Complete()) || cut != 0 && !errors.Is(err, io.ErrUnexpectedEOF) || n != int64(len(data)-cut) {
			t.Errorf("cut %d: %d bytes, %v", cut, n, err)
		}
		if err := dst.Flush(); err != nil {
			t.Error(err)
		}
		out.Close()
		got := <-received
		if want := append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5242880\r\n\r\n"), data[:len(data)-cut]...); !bytes.Equal(got, want) {
			t.Errorf("cut %d: %d bytes arrived, want %d", cut, len(got), len(want))
		}
		if src.BytesIn() != int64(len(got)) || dst.BytesOut() != int64(len(got)) {
			t.Errorf("cut %d: counted %d in, %d out of %d", cut, src.BytesIn(), dst.BytesOut(), len(got))
		}
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// A slow body must not sit in the write buffer while more of it is awaited: the origin sends the next piece only after
// the client has the one before.
func TestSlowBodyIsFlushed(t *testing.T) {
	for _, chunked := range []bool{false, true} {
		origin, in := tcpPair(t)
		out, client := tcpPair(t)
		errs := make(chan error, 1)
		src, dst := NewConn(in), NewConn(out)
		go func() {
			var b Body
			b.Reset(src, UntilClose, 0, &DefaultLimits)
			var w io.Writer = dst
			if chunked {
				w = NewChunkedWriter(dst)
			}
			_, err := b.WriteTo(w)
			errs <- err
		}()
		c := NewConn(client)
		var got Body
		if chunked {
			got.Reset(c, Chunked, 0, &DefaultLimits)
		} else {
			got.Reset(c, UntilClose, 0, &DefaultLimits)
		}
		for range 3 {
			if _, err := origin.Write([]byte("piece")); err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 5)
			if _, err := io.ReadFull(&got, p); err != nil || string(p) != "piece" {
				t.Fatalf("%q, %v", p, err)
			}
		}
		origin.Close()
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// Whose failure an error is must be told, also when the kernel moves the body.
func TestWhoFailed(t *testing.T) {
	for _, size := range []int64{1000, 10 << 20} {
		for _, clientGone := range []bool{false, true} {
			origin, in := tcpPair(t)
			out, client := tcpPair(t)
			src, dst := NewConn(in), NewConn(out)
			dst.SetWriteTimeout(0)
			if clientGone {
				if err := client.SetLinger(0); err != nil {
					t.Fatal(err)
				}
				client.Close()
				awaitInput(t, out)
				go func() {
					_, _ = origin.Write(make([]byte, size-1)) // fails when the test closes in
				}()
			} else {
				go func() { _, _ = io.Copy(io.Discard, plainReader{client}) }()
				if _, err := origin.Write(make([]byte, size/100)); err != nil {
					t.Fatal(err)
				}
				origin.Close()
			}
			var b Body
			b.Reset(src, Length, size, &DefaultLimits)
			_, err := b.WriteTo(dst)
			var we *WriteError
			if err == nil || errors.As(err, &we) != clientGone {
				t.Errorf("%d bytes, client gone %v: %v", size, clientGone, err)
			}
			src.Close()
			dst.Close()
		}
	}
}
