package http1

import (
	"errors"
	"io"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"pinion/runtime/file"
)

// SendFile writes what src yields until its end, through the kernel where c is a plain socket and src a *file.File or an
// *io.LimitedReader of one; what is buffered goes first. A failure of c is a *WriteError. Like a spliced body a file moves
// in slices, so that the write timeout is one for each slice and not for the whole.
func (c *Conn) SendFile(src io.Reader) (n int64, err error) {
	if err := c.Flush(); err != nil {
		return 0, &WriteError{err}
	}
	f, left := fileOf(src)
	if f == nil || !c.direct {
		return io.Copy(blaming{c}, src)
	}
	if lr, ok := src.(*io.LimitedReader); ok {
		defer func() { lr.N -= n }()
	}
	slice := int64(spliceSlice)
	for n < left {
		began := time.Since(epoch)
		want := min(slice, left-n)
		moved, err := c.sendSlice(f.Descriptor(), want)
		n += moved
		c.out.Add(moved)
		if n == 0 && cannotSend(err) {
			return io.Copy(blaming{c}, io.LimitReader(f, left))
		}
		if err != nil {
			return n, &WriteError{err}
		}
		if moved < want {
			break // the file's end
		}
		slice = nextSlice(slice, time.Since(epoch)-began)
	}
	return n, nil
}

// sendSlice moves as much from where the file is read next. It joins the poller only for a socket that doesn't take all
// at once. (Before, the socket was made package net's first: with the first file of 16 KiB a new connection cost 51 µs of processor
// time.) Less than want without an error is the file's end.
func (c *Conn) sendSlice(fd int, want int64) (moved int64, err error) {
	try := func(uintptr) (done bool) {
		for moved < want {
			n, e := syscall.Sendfile(c.fd, fd, nil, int(want-moved))
			switch {
			case n > 0:
				moved += int64(n)
			case e == unix.EAGAIN:
				return false
			case e != nil && e != unix.EINTR:
				err = opError(c.nc, "sendfile", e)
				return true
			case e == nil:
				return true
			}
		}
		return true
	}
	if !c.aborted.Load() && try(0) {
		return moved, err
	}
	if c.raw == nil {
		if err := c.watch(c.sock); err != nil {
			return moved, err
		}
	}
	if err := c.armWrite(); err != nil {
		return moved, err
	}
	// Write tries once more before it waits: it forgets what became writable earlier.
	if waitErr := c.raw.Write(try); waitErr != nil {
		return moved, asNet(waitErr)
	}
	return moved, err
}

// cannotSend tells of a file that its file system doesn't let the kernel send.
func cannotSend(err error) bool {
	if err == nil {
		return false
	}
	for _, e := range []syscall.Errno{unix.EINVAL, unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// fileOf returns the file behind src, or nil, and how much of it is to be read.
func fileOf(src io.Reader) (f *file.File, limit int64) {
	switch s := src.(type) {
	case *file.File:
		return s, 1<<63 - 1
	case *io.LimitedReader:
		f, _ = s.R.(*file.File)
		return f, s.N
	}
	return nil, 0
}

// blaming writes to a Conn and says so in its errors; it hides the Conn's other methods from io.Copy.
type blaming struct{ c *Conn }

func (w blaming) Write(p []byte) (int, error) {
	n, err := w.c.Write(p)
	if err != nil {
		err = &WriteError{err}
	}
	return n, err
}
