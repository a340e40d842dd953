package http1

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Measured on loopback, the thread that moves a body of 1 MiB spends 250 to 350 ns a KiB with splice and 400 with reads and
// writes; buffers of 64 KiB instead of 16 make that worse. Below spliceMin there is nothing to gain.
//
// Bodies with at least spliceMin left move within the kernel where both ends are plain TCP. They do so in slices, so
// that the timeouts, which are per wait, are set anew; a slice grows while one takes less than
// spliceQuick, else it shrinks: a peer may take a timeout for each spliceSlow bytes.
const (
	spliceMin   = 128 << 10
	spliceSlice = 256 << 10
	spliceSlow  = 64 << 10
	spliceMax   = 4 << 20
	spliceQuick = 50 * time.Millisecond
)

// WriteTo writes the rest of the body to w; at its end the error is nil, a failure of w is a *WriteError. Where w is a
// Conn or a ChunkedWriter, content isn't copied on its way from buffer to socket if there is much of it, large bodies between plain
// TCP connections are spliced, and the connection is flushed before a wait; it is not flushed at the end.
func (b *Body) WriteTo(w io.Writer) (int64, error) {
	dst, _ := w.(*Conn)
	if cw, ok := w.(ChunkedWriter); ok {
		b.flush = cw.c
	} else if dst != nil {
		b.flush = dst
	}
	start := b.read
	for {
		if dst != nil && b.canSplice(dst) {
			if err := b.splice(dst); err != nil {
				return b.read - start, err
			}
			continue
		}
		chunk, err := b.next()
		if err == io.EOF {
			return b.read - start, nil
		}
		if err != nil {
			return b.read - start, err
		}
		n, err := w.Write(chunk)
		b.take(n)
		if err == nil && n < len(chunk) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return b.read - start, &WriteError{err}
		}
	}
}

func (b *Body) canSplice(dst *Conn) bool {
	return b.framing == Length && b.remaining >= spliceMin && b.err == nil && b.deadline == nil &&
		b.c.Buffered() == 0 && b.c.plainTCP() != nil && dst.plainTCP() != nil
}

// splice moves the rest of the body, whose buffered part has gone before.
func (b *Body) splice(dst *Conn) error {
	if err := dst.Flush(); err != nil {
		return &WriteError{err}
	}
	slice := int64(spliceSlice)
	for b.remaining > 0 {
		began := time.Since(epoch)
		n, err := spliceOne(dst, b.c, min(slice, b.remaining))
		b.took(n)
		if err != nil {
			return err
		}
		if n == 0 {
			b.err = io.ErrUnexpectedEOF
			return b.err
		}
		slice = nextSlice(slice, time.Since(epoch)-began)
	}
	return nil
}

// nextSlice returns the size of the next slice after one that took so long.
func nextSlice(slice int64, took time.Duration) int64 {
	if took < spliceQuick {
		return min(2*slice, spliceMax)
	}
	return max(slice/2, spliceSlow)
}

func spliceOne(dst, src *Conn, n int64) (int64, error) {
	if err := src.armRead(); err != nil {
		return 0, err
	}
	if err := dst.armWrite(); err != nil {
		return 0, &WriteError{err}
	}
	moved, err := dst.tcp.ReadFrom(&io.LimitedReader{R: net.Conn(src.tcp), N: n})
	src.in.Add(moved)
	dst.out.Add(moved)
	if err != nil && !spliceReadFailed(src, err) {
		err = &WriteError{err}
	}
	return moved, err
}

// spliceReadFailed tells whose fault an error of splice is, which the kernel doesn't: after a timeout it is src's if it
// has nothing to read, after any other failure if it is at its end.
func spliceReadFailed(src *Conn, err error) bool {
	n, peekErr := peekByte(src.raw)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return peekErr == unix.EAGAIN
	}
	return peekErr != unix.EAGAIN && n <= 0
}
