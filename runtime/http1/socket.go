package http1

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Socket is a TCP connection that a Listener accepted or Connect made. It joins Go's poller only when somebody first has to wait for it: a client's for
// one request, which has come by the time it is accepted and whose answer the socket takes at once, never does. That spares two
// system calls, a finalizer, and the allocations and locks of the poller's record. (Measured with a connection for each request of 256 bytes
// through a balancer, together with Listener's ways: 27 to 29 µs of processor time a request instead of 37 to 43.)
//
// It is used as any net.Conn. A Conn reads and writes it by its descriptor, as long as nothing has to wait.
type Socket struct {
	local, remote netip.AddrPort
	localIP       string

	mu       sync.Mutex // guards what follows: SetDeadline and Close may come from anywhere
	fd       int        // owned by joined, once there is one
	joined   joined     // nil before the first wait
	rdl, wdl time.Time  // deadlines, for a joined to come
	closed   bool
}

// joined is a connection in the poller: an *os.File, as it costs least, or a *net.TCPConn where the kernel is to move a body.
type joined interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	Close() error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	SyscallConn() (syscall.RawConn, error)
}

// Addresses returns both ends' addresses; IPv4 is never written as IPv6. localIP is the text of local's, of an accepted connection.
func (a *Socket) Addresses() (local, remote netip.AddrPort, localIP string) {
	return a.local, a.remote, a.localIP
}

// join returns the connection in the poller. Only the connection's owner may call it.
func (a *Socket) join() (joined, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil, net.ErrClosed
	}
	if a.joined == nil {
		f := os.NewFile(uintptr(a.fd), "") // in non-blocking mode, so the file is one of the poller's
		if f == nil {
			return nil, os.ErrInvalid
		}
		a.joined = f
		if err := a.armed(); err != nil { // there is no place in the poller
			return nil, err
		}
	}
	return a.joined, nil
}

// armed gives joined the deadlines that were set before. a.mu is held.
func (a *Socket) armed() (err error) {
	if !a.rdl.IsZero() {
		err = a.joined.SetReadDeadline(a.rdl)
	}
	if err == nil && !a.wdl.IsZero() {
		err = a.joined.SetWriteDeadline(a.wdl)
	}
	return err
}

// tcp makes package net's connection of it, which can splice: it has a descriptor of its own, and the old one is closed.
func (a *Socket) tcp() (*net.TCPConn, error) {
	if _, err := a.join(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.joined.(*os.File)
	if a.closed {
		return nil, net.ErrClosed
	} else if !ok {
		return a.joined.(*net.TCPConn), nil
	}
	timing := keepAliveTimes(a.fd)
	nc, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	tc := nc.(*net.TCPConn)
	fd, err := descriptorOf(tc)
	if err != nil {
		tc.Close()
		return nil, err
	}
	_ = f.Close() // tc has the socket
	a.joined, a.fd = tc, fd
	timing.set(fd)
	return tc, a.armed()
}

// keepTimes are the times of SO_KEEPALIVE. FileConn sets its own.
type keepTimes [3]int

var keepOptions = keepTimes{unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT}

func keepAliveTimes(fd int) (t keepTimes) {
	for i, o := range keepOptions {
		t[i], _ = unix.GetsockoptInt(fd, unix.IPPROTO_TCP, o)
	}
	return t
}

func (t keepTimes) set(fd int) {
	for i, o := range keepOptions {
		if t[i] > 0 {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, o, t[i]) // without it there are more probes, no harm
		}
	}
}

func descriptorOf(c syscall.Conn) (fd int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	err = raw.Control(func(f uintptr) { fd = int(f) })
	return fd, err
}

// Read implements net.Conn.
func (a *Socket) Read(p []byte) (int, error) {
	j, err := a.join()
	if err != nil {
		return 0, err
	}
	n, err := j.Read(p)
	return n, asNet(err)
}

// Write implements net.Conn.
func (a *Socket) Write(p []byte) (int, error) {
	j, err := a.join()
	if err != nil {
		return 0, err
	}
	n, err := j.Write(p)
	return n, asNet(err)
}

// asNet is a file's error as package net's would be.
func asNet(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return net.ErrClosed
	}
	return err
}

// Close implements net.Conn.
func (a *Socket) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return net.ErrClosed
	}
	a.closed = true
	if a.joined != nil {
		return a.joined.Close()
	}
	return closeSocket(a.fd)
}

// CloseWrite tells the peer that no more will come.
func (a *Socket) CloseWrite() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return net.ErrClosed
	}
	return os.NewSyscallError("shutdown", unix.Shutdown(a.fd, unix.SHUT_WR))
}

// LocalAddr implements net.Conn; it makes the address anew.
func (a *Socket) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(a.local) }

// RemoteAddr implements net.Conn; it makes the address anew.
func (a *Socket) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(a.remote) }

// SetDeadline implements net.Conn.
func (a *Socket) SetDeadline(t time.Time) error { return a.deadline(t, true, true) }

// SetReadDeadline implements net.Conn.
func (a *Socket) SetReadDeadline(t time.Time) error { return a.deadline(t, true, false) }

// SetWriteDeadline implements net.Conn.
func (a *Socket) SetWriteDeadline(t time.Time) error { return a.deadline(t, false, true) }

func (a *Socket) deadline(t time.Time, read, write bool) (err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return net.ErrClosed
	}
	if read {
		if a.rdl = t; a.joined != nil {
			err = a.joined.SetReadDeadline(t)
		}
	}
	if write {
		if a.wdl = t; a.joined != nil && err == nil {
			err = a.joined.SetWriteDeadline(t)
		}
	}
	return err
}

// SyscallConn implements syscall.Conn.
func (a *Socket) SyscallConn() (syscall.RawConn, error) {
	j, err := a.join()
	if err != nil {
		return nil, err
	}
	return j.SyscallConn()
}

// opError is the error that nc's own methods would return.
func opError(nc net.Conn, op string, err error) error {
	return &net.OpError{Op: op, Net: nc.LocalAddr().Network(), Source: nc.LocalAddr(), Addr: nc.RemoteAddr(),
		Err: os.NewSyscallError(op, err)}
}

// closeSocket closes a socket that nobody waits for.
func closeSocket(fd int) error { return os.NewSyscallError("close", rawClose(fd)) }
