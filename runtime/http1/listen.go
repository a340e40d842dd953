package http1

import (
	"context"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// deferAccept is the time in seconds that the kernel keeps a connection to itself while nothing has come over it. It is httpd's:
// there as here the first request is nearly always read without waiting for it.
const deferAccept = 30

// Listener accepts client connections over TCP. What package net's does besides costs a third of the processor time of accepting:
// the options that connections inherit are set once (TCP_NODELAY, SO_KEEPALIVE and TCP_DEFER_ACCEPT, as httpd does), their own address is
// asked for only where it can differ, and they are Sockets rather than *net.TCPConn.
type Listener struct {
	file    *os.File // the socket in the poller: package net lets nobody wait for its listeners
	raw     syscall.RawConn
	addr    net.Addr
	local   netip.AddrPort
	localIP string
	any     bool // a connection's own address isn't known beforehand
	closed  atomic.Bool
}

// Listen listens on a TCP address, "host:port" with an IP address or nothing as host.
func Listen(address string) (*Listener, error) {
	lc := net.ListenConfig{KeepAlive: -1, Control: func(_, _ string, raw syscall.RawConn) (err error) {
		ctlErr := raw.Control(func(fd uintptr) { err = setInherited(int(fd)) })
		if ctlErr != nil {
			return ctlErr
		}
		return err
	}}
	nl, err := lc.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	defer nl.Close() // file is a duplicate
	l := &Listener{addr: nl.Addr()}
	if l.file, err = nl.(*net.TCPListener).File(); err != nil {
		return nil, err
	}
	if l.raw, err = l.file.SyscallConn(); err != nil {
		l.file.Close()
		return nil, err
	}
	l.local = plainAddrPort(nl.Addr().(*net.TCPAddr).AddrPort())
	l.localIP, l.any = l.local.Addr().String(), l.local.Addr().IsUnspecified()
	return l, nil
}

// setInherited sets on a listening socket what its connections are to have.
func setInherited(fd int) error {
	for _, o := range []struct{ level, option, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferAccept},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.option, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// Accept implements net.Listener; the connection is a *Socket. It must be called by one goroutine at a time only.
func (l *Listener) Accept() (net.Conn, error) {
	var (
		fd     int
		remote netip.AddrPort
		failed error
	)
	err := l.raw.Read(func(listening uintptr) bool {
		fd, remote, failed = accept(int(listening))
		return failed != unix.EAGAIN
	})
	switch {
	case err != nil && l.closed.Load(): // the file's own error for it has no name
		return nil, net.ErrClosed
	case err != nil:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: err}
	case failed != nil:
		return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.addr, Err: os.NewSyscallError("accept4", failed)}
	}
	c := &Socket{fd: fd, local: l.local, localIP: l.localIP, remote: remote}
	if l.any {
		c.local = localOf(fd)
		c.localIP = c.local.Addr().String()
	}
	return c, nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.addr }

// Close implements net.Listener; a running Accept returns net.ErrClosed.
func (l *Listener) Close() error {
	l.closed.Store(true)
	return asNet(l.file.Close())
}

// localOf is a connection's own address, zero if it can't be told.
func localOf(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addrPortOf(sa)
}

func addrPortOf(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		return inet6(a.Addr, uint16(a.Port), a.ZoneId)
	}
	return netip.AddrPort{}
}

// plainAddrPort is a with an IPv4 address as such, not as one of IPv6.
func plainAddrPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// inet6 makes an address with its zone, which only an address of one link has.
func inet6(ip [16]byte, port uint16, zone uint32) netip.AddrPort {
	a := netip.AddrFrom16(ip).Unmap()
	if zone != 0 && a.Is6() {
		name := strconv.Itoa(int(zone))
		if i, err := net.InterfaceByIndex(int(zone)); err == nil {
			name = i.Name
		}
		a = a.WithZone(name)
	}
	return netip.AddrPortFrom(a, port)
}
