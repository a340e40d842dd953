package http1

import (
	"net"

	"golang.org/x/sys/unix"
)

// Write buffers p, or, when it doesn't fit, writes the buffer and p together without copying p.
func (c *Conn) Write(p []byte) (int, error) {
	if len(c.wb)+len(p) <= bufferSize {
		c.wb = append(c.writeBuffer(), p...)
		return len(p), nil
	}
	if c.sock != nil {
		return c.sendBoth(p)
	}
	if err := c.armWrite(); err != nil {
		return 0, err
	}
	if len(c.wb) == 0 {
		n, err := c.nc.Write(p)
		c.out.Add(int64(n))
		return n, err
	}
	if c.raw == nil { // two TLS records rather than a copy
		if err := c.Flush(); err != nil {
			return 0, err
		}
		n, err := c.nc.Write(p)
		c.out.Add(int64(n))
		return n, err
	}
	head := len(c.wb)
	c.vec = [2][]byte{c.wb, p}
	c.bufs = net.Buffers(c.vec[:])
	n, err := c.bufs.WriteTo(c.nc)
	c.bufs, c.vec = nil, [2][]byte{}
	c.out.Add(n)
	c.releaseWrite()
	return max(0, int(n)-head), err
}

// sendBoth writes the buffer and p; only what the socket doesn't take at once is waited for.
func (c *Conn) sendBoth(p []byte) (int, error) {
	head, sent := len(c.wb), 0
	if !c.aborted.Load() {
		n, err := sendTwo(c.fd, c.wb, p)
		c.out.Add(int64(n))
		if err != nil && err != unix.EAGAIN {
			c.releaseWrite()
			return 0, opError(c.nc, "write", err)
		}
		sent = n
	}
	if sent < head {
		c.wb = c.wb[:copy(c.wb, c.wb[sent:])]
		if err := c.Flush(); err != nil {
			return 0, err
		}
		sent = head
	}
	c.releaseWrite()
	rest := p[sent-head:]
	if len(rest) == 0 {
		return len(p), nil
	}
	if err := c.armWrite(); err != nil {
		return len(p) - len(rest), err
	}
	n, err := c.nc.Write(rest)
	c.out.Add(int64(n))
	return len(p) - len(rest) + n, err
}

// WriteString is Write for a string.
func (c *Conn) WriteString(s string) (int, error) {
	if len(c.wb)+len(s) <= bufferSize {
		c.wb = append(c.writeBuffer(), s...)
		return len(s), nil
	}
	return c.Write([]byte(s))
}

// Flush writes what is buffered.
func (c *Conn) Flush() error {
	if len(c.wb) == 0 {
		return nil
	}
	if c.direct && !c.aborted.Load() {
		if done, err := c.sendBuffered(); done || err != nil {
			c.releaseWrite()
			return err
		}
	}
	if err := c.armWrite(); err != nil {
		return err
	}
	n, err := c.nc.Write(c.wb)
	c.out.Add(int64(n))
	c.releaseWrite()
	return err
}

// sendBuffered writes what the socket takes at once, which is nearly always all: then nothing waits and no deadline is needed.
func (c *Conn) sendBuffered() (done bool, err error) {
	n, err := send(c.fd, c.wb)
	c.out.Add(int64(n))
	switch {
	case n == len(c.wb):
		return true, nil
	case err != nil && err != unix.EAGAIN:
		return false, opError(c.nc, "write", err)
	}
	c.wb = c.wb[:copy(c.wb, c.wb[n:])]
	return false, nil
}

// FlushAwait writes what is buffered, waits for the first bytes of the answer and reads them: Flush and WaitReadable
// in one, with one system call less. It is for a request that is buffered whole; a caller that has written parts of it
// before uses the two. (Measured on the proxy of BenchmarkProxy: 18.5 instead of 19.1 µs of processor time for all three
// parties of a request.) An error may be of either; io.EOF is a peer that closed without an answer.
//
// kept says that the connection has lain idle: then it asks Alive at the last moment before it writes, and writes nothing
// but returns ErrStale where it isn't.
func (c *Conn) FlushAwait(kept bool) error {
	if c.raw == nil && c.direct { // it has just been made, and its answer is to be waited for
		if err := c.watch(c.sock); err != nil {
			return err
		}
	}
	if c.raw == nil || c.w > c.r || len(c.wb) == 0 {
		if kept && !c.Alive() {
			return ErrStale
		}
		if err := c.Flush(); err != nil {
			return err
		}
		return c.WaitReadable()
	}
	if err := c.armRead(); err != nil {
		return err
	}
	c.sent, c.kept, c.stale, c.werr = false, kept, false, nil
	if err := c.raw.Read(c.awaitFn); err != nil {
		return err
	}
	if c.stale {
		return ErrStale
	}
	if c.werr != nil { // the socket did not take all at once, or failed: Flush waits, or finds out how
		c.werr = nil
		if err := c.Flush(); err != nil {
			return err
		}
		return c.WaitReadable()
	}
	return c.filled()
}

// awaitRaw is fillRaw, but its first call writes the request instead of trying to read. RawConn.Read has forgotten
// older edges just before, and the answer's edge can only come after the request: none is lost, and no read finds
// nothing. (What came before the request, on a connection that was idle, is the peer's end: then the write draws a
// reset, which is an edge too.)
func (c *Conn) awaitRaw(fd uintptr) bool {
	if c.sent {
		return c.fillRaw(fd)
	}
	if c.kept && !c.Alive() {
		c.stale = true
		return true
	}
	c.sent = true
	n, err := send(c.fd, c.wb)
	if n > 0 {
		c.out.Add(int64(n))
	}
	if n == len(c.wb) {
		c.releaseWrite()
		return false
	}
	if n > 0 {
		c.wb = c.wb[:copy(c.wb, c.wb[n:])]
	}
	if err == nil {
		err = unix.EAGAIN
	}
	c.werr = err
	return true
}

// writeBuffer returns the buffer to append to; the caller stores the result in c.wb.
func (c *Conn) writeBuffer() []byte {
	if c.wb == nil {
		return getBuffer()[:0]
	}
	return c.wb
}

func (c *Conn) releaseWrite() {
	if c.wb != nil {
		putBuffer(c.wb)
	}
	c.wb = nil
}
