//go:build !race

package http1

import (
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
