//go:build race

package http1

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Under the race detector the calls are package syscall's, which tell it that what was done before a write comes before what
// is done after the read of its bytes. See socket_raw.go.

func recv(fd int, p []byte, flags int) (n int, err error) {
	for {
		if flags == 0 {
			n, err = syscall.Read(fd, p)
		} else {
			n, _, err = syscall.Recvfrom(fd, p, flags|syscall.MSG_DONTWAIT)
		}
		if err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func send(fd int, p []byte) (n int, err error) {
	for {
		if n, err = syscall.Write(fd, p); err != syscall.EINTR {
			return max(n, 0), err
		}
	}
}

func sendTwo(fd int, a, b []byte) (n int, err error) {
	if len(a) > 0 {
		if n, err = send(fd, a); n < len(a) || err != nil {
			return n, err
		}
	}
	more, err := send(fd, b)
	return n + more, err
}

func accept(listening int) (fd int, remote netip.AddrPort, err error) {
	for {
		fd, sa, err := unix.Accept4(listening, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != unix.EINTR && err != unix.ECONNABORTED {
			return fd, addrPortOf(sa), err
		}
	}
}

func openSocket(family int) (fd int, err error) {
	if fd, err = unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err == nil {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // without it small writes may wait
	}
	return fd, err
}

func connect(fd int, to netip.AddrPort) error {
	if to.Addr().Is4() {
		return unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	}
	return unix.Connect(fd, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
}

func rawClose(fd int) error { return syscall.Close(fd) }
