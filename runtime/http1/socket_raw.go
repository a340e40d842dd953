//go:build !race

package http1

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below are recv, send and a look at a socket that never block: the sockets are in non-blocking mode. So they
// are made as raw system calls, of which Go's scheduler is not told. It would be for nothing: a P that is marked as being in a
// system call is looked after by the runtime's monitor thread, which takes it away from a thread that the kernel has put aside meanwhile
// and sleeps no longer than 20 µs as long as it finds any. With 64 busy connections on two cores that thread took a tenth of the
// processor time of the whole process. (recv and send also do without what the file system's read and write look at: 0.05 to 0.1 µs each.)

// recv reads what is there into p, which must not be empty; n is 0 at the stream's end, err EAGAIN if there is nothing yet.
func recv(fd int, p []byte, flags int) (n int, err error) {
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), uintptr(flags|unix.MSG_DONTWAIT), 0, 0)
		switch e {
		case 0:
			return int(r), nil
		case unix.EINTR:
		default:
			return 0, e
		}
	}
}

// send writes what the socket takes of p, which must not be empty; err is EAGAIN if it takes nothing now.
func send(fd int, p []byte) (n int, err error) {
	for {
		r, _, e := syscall.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		switch e {
		case 0:
			return int(r), nil
		case unix.EINTR:
		default:
			return 0, e
		}
	}
}

// sendTwo is send of a, which may be empty, and then b.
func sendTwo(fd int, a, b []byte) (n int, err error) {
	if len(a) == 0 {
		return send(fd, b)
	}
	parts := [2]unix.Iovec{{Base: &a[0], Len: uint64(len(a))}, {Base: &b[0], Len: uint64(len(b))}}
	message := unix.Msghdr{Iov: &parts[0], Iovlen: 2}
	for {
		r, _, e := syscall.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		switch e {
		case 0:
			return int(r), nil
		case unix.EINTR:
		default:
			return 0, e
		}
	}
}

// accept takes a connection from a listening socket in non-blocking mode; err is EAGAIN if there is none.
func accept(listening int) (fd int, remote netip.AddrPort, err error) {
	var sa unix.RawSockaddrInet6 // holds the smaller one of IPv4 as well
	for {
		size := uint32(unsafe.Sizeof(sa))
		r, _, e := syscall.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listening), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch e {
		case 0:
			return int(r), peerOf(&sa), nil
		case unix.EINTR, unix.ECONNABORTED: // the latter has gone while it waited
		default:
			return 0, netip.AddrPort{}, e
		}
	}
}

// openSocket makes a TCP socket in non-blocking mode, which sends at once what is written.
func openSocket(family int) (fd int, err error) {
	r, _, e := syscall.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if e != 0 {
		return 0, e
	}
	on := int32(1)
	_, _, _ = syscall.RawSyscall6(unix.SYS_SETSOCKOPT, r, unix.IPPROTO_TCP, unix.TCP_NODELAY, uintptr(unsafe.Pointer(&on)), 4, 0) // without it small writes may wait
	return int(r), nil
}

// connect begins to connect a socket, and tells at each further call how that goes: EINPROGRESS or EALREADY as long as it does.
func connect(fd int, to netip.AddrPort) error {
	var sa unix.RawSockaddrInet6 // holds the smaller one of IPv4 as well
	port, size := [2]byte{byte(to.Port() >> 8), byte(to.Port())}, unix.SizeofSockaddrInet6
	if to.Addr().Is4() {
		size = unix.SizeofSockaddrInet4
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(&sa)) = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}
	} else {
		sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: to.Addr().As16()}
	}
	*(*[2]byte)(unsafe.Pointer(&sa.Port)) = port // at the same place in both
	if _, _, e := syscall.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(size)); e != 0 {
		return e
	}
	return nil
}

// peerOf reads what the kernel wrote for an address of either family.
func peerOf(sa *unix.RawSockaddrInet6) netip.AddrPort {
	port := *(*[2]byte)(unsafe.Pointer(&sa.Port)) // in network order
	number := uint16(port[0])<<8 | uint16(port[1])
	switch sa.Family {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(sa)).Addr), number)
	case unix.AF_INET6:
		return inet6(sa.Addr, number, sa.Scope_id)
	}
	return netip.AddrPort{}
}

// rawClose closes a socket; it doesn't wait for what is still to be sent, as no socket is set to linger.
func rawClose(fd int) error {
	if _, _, e := syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0); e != 0 {
		return e
	}
	return nil
}
