package http1

import (
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Connect makes a TCP connection to an address without a zone, within the timeout, or for as long as the system tries where it is 0.
// Errors are *net.OpError of the system's error or os.ErrDeadlineExceeded, as net.Dialer's are.
//
// It is there for backends that get a new connection for each request: net.Dialer makes three system calls more, tells Go's
// scheduler of each, and joins the poller before there is anything to wait for.
func Connect(to netip.AddrPort, timeout time.Duration) (*Socket, error) {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	family := unix.AF_INET6
	if to.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := openSocket(family)
	if err != nil {
		return nil, connectError(to, os.NewSyscallError("socket", err))
	}
	s := &Socket{fd: fd, remote: to}
	if err = s.connect(timeout); err == nil {
		// A port of those that the system hands out, at which nobody listens, can come to be connected to itself.
		if s.local = localOf(fd); s.local == to {
			err = os.NewSyscallError("connect", unix.ECONNREFUSED)
		}
	}
	if err != nil {
		_ = s.Close() // nothing was sent on it
		return nil, connectError(to, err)
	}
	return s, nil
}

func connectError(to netip.AddrPort, err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(to), Err: err}
}

// connect asks twice before it waits: the kernel says at first that connecting goes on even where it is done when the call returns, as to
// a server on the same machine.
func (s *Socket) connect(timeout time.Duration) error {
	err := connect(s.fd, s.remote)
	if goesOn(err) {
		err = connect(s.fd, s.remote)
	}
	if goesOn(err) {
		if waitErr := s.await(timeout, func(fd uintptr) bool {
			err = connect(int(fd), s.remote)
			return !goesOn(err)
		}); waitErr != nil {
			return waitErr
		}
	}
	return os.NewSyscallError("connect", err)
}

func goesOn(err error) bool {
	return err == unix.EINPROGRESS || err == unix.EALREADY || err == unix.EINTR
}

// await waits until done says so, which is asked each time the socket may have become writable.
func (s *Socket) await(timeout time.Duration, done func(fd uintptr) bool) error {
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	if timeout > 0 {
		if err := s.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return err
		}
	}
	if err := raw.Write(done); err != nil {
		return asNet(err)
	}
	return s.SetWriteDeadline(time.Time{})
}
