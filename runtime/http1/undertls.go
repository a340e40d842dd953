package http1

import (
	"io"
	"net"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// UnderTLS returns what TLS is to speak on instead of nc: the same connection, which is read and written by the calls of
// recv and send where it is TCP, any other as it is. What holds for a net.Conn holds for it, but at a time only one goroutine
// may read and one may write, as crypto/tls keeps it. (Measured with 256-byte answers over TLS on 64 connections: 6 of 100
// parts of the processor time went to the monitor thread that socket_raw.go tells of.)
func UnderTLS(nc net.Conn) net.Conn {
	var owner tcpConn
	switch c := nc.(type) {
	case *net.TCPConn:
		owner = c
	case *Socket:
		owner = c
	default:
		return nc
	}
	raw, err := owner.SyscallConn()
	if err != nil {
		return nc
	}
	s := &rawConn{tcpConn: owner, raw: raw}
	s.in.call, s.out.call = s.in.recv, s.out.send
	return s
}

// tcpConn is a connection by TCP.
type tcpConn interface {
	net.Conn
	syscall.Conn
	CloseWrite() error
}

// rawConn is what UnderTLS returns. Waiting, deadlines and the lock against a Close at the same time are net's.
type rawConn struct {
	tcpConn
	raw     syscall.RawConn
	in, out transfer
	more    func() bool // see Gather; nil: never
}

// Gather makes each write to a connection that UnderTLS was called for let other goroutines run before, where more says that they
// may have something to write, too: what they write meanwhile to something that gathers writes goes out as one after it.
// It must be called when no write is under way; more is called by the goroutines that write.
func Gather(nc net.Conn, more func() bool) {
	if under, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = under.NetConn()
	}
	if s, ok := nc.(*rawConn); ok {
		s.more = more
	}
}

// transfer is the arguments and results of a read or write under way.
type transfer struct {
	p    []byte
	n    int
	err  error
	call func(fd uintptr) bool // recv or send, made once for all calls
}

// recv reads what is there; false is to wait for some.
func (t *transfer) recv(fd uintptr) bool {
	t.n, t.err = recv(int(fd), t.p, 0)
	return t.err != unix.EAGAIN
}

// send writes until all is written; false is to wait until the socket takes more.
func (t *transfer) send(fd uintptr) bool {
	for t.n < len(t.p) {
		n, err := send(int(fd), t.p[t.n:])
		if err == unix.EAGAIN {
			return false
		}
		if err != nil {
			t.err = err
			return true
		}
		t.n += n
	}
	return true
}

// Read implements net.Conn.
func (s *rawConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	t := &s.in
	t.p, t.n, t.err = p, 0, nil
	err := s.raw.Read(t.call)
	t.p = nil
	switch {
	case err != nil:
		return 0, asNet(err)
	case t.err != nil:
		return 0, opError(s.tcpConn, "read", t.err)
	case t.n == 0:
		return 0, io.EOF
	}
	return t.n, nil
}

// Write implements net.Conn.
func (s *rawConn) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if s.more != nil && s.more() {
		runtime.Gosched()
	}
	t := &s.out
	t.p, t.n, t.err = p, 0, nil
	err := s.raw.Write(t.call)
	t.p = nil
	if err = asNet(err); err == nil && t.err != nil {
		err = opError(s.tcpConn, "write", t.err)
	}
	return t.n, err
}

// ReadFrom hides TCPConn's, which would write past Write.
func (s *rawConn) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{s}, r)
}

// WriteTo hides TCPConn's.
func (s *rawConn) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{s})
}
