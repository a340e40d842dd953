//go:build race

package http1

import "syscall"

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
