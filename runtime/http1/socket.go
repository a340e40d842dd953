package http1

import (
	"net"
	"os"
)

// opError is the error that nc's own methods would return.
func opError(nc net.Conn, op string, err error) error {
	return &net.OpError{Op: op, Net: nc.LocalAddr().Network(), Source: nc.LocalAddr(), Addr: nc.RemoteAddr(),
		Err: os.NewSyscallError(op, err)}
}

// closeSocket closes a socket that nobody waits for.
func closeSocket(fd int) error { return os.NewSyscallError("close", rawClose(fd)) }
