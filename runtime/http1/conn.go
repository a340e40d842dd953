package http1

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bufferSize holds nearly every head whole and lets a body move in few system calls.
const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

func getBuffer() []byte { return buffers.Get().(*[bufferSize]byte)[:] }

// putBuffer takes b back, unless a long head had made it grow.
func putBuffer(b []byte) {
	if cap(b) == bufferSize {
		buffers.Put((*[bufferSize]byte)(b[:bufferSize]))
	}
}

// Conn is a connection with buffers on both ways. The buffers come from a pool when bytes arrive or are written and go
// back when they are empty: a connection that waits holds none.
type Conn struct {
	nc     net.Conn
	tcp    *net.TCPConn    // nil unless nc is plain TCP; see plainTCP
	sock   *Socket         // nc, or nil
	raw    syscall.RawConn // nil unless nc is plain TCP or a unix socket; of sock only once it was waited for
	fd     int             // valid until Close: the owner uses it without nc's lock, as nobody else closes nc
	direct bool            // there is fd

	rb   []byte // read buffer or nil; rb[r:w] is unread
	r, w int
	wb   []byte // bytes to be written, or nil

	rd, wd  deadline
	in, out atomic.Int64
	aborted atomic.Bool
	sent    bool // FlushAwait: the request is on its way
	kept    bool // FlushAwait: the connection was idle before
	stale   bool // FlushAwait: it is of no use any more
	rn      int  // result of fillRaw
	rerr    error
	partner *Conn // flushed before a wait for bytes: see Body.FlushTo
	perr    error // the error of that
	werr    error
	fillFn  func(fd uintptr) bool
	awaitFn func(fd uintptr) bool
	vec     [2][]byte
	bufs    net.Buffers
	small   [1]byte
	first   *[firstSize]byte // what waitPlain reads into
	idle    time.Duration    // Pool: since when it is idle

	// Data is its user's: it stays with the connection while a Pool holds it.
	Data any
}

// NewConn wraps nc. TCP and unix connections are read through their file descriptor; any other (TLS) through Read.
func NewConn(nc net.Conn) *Conn {
	c := &Conn{nc: nc}
	switch nc := nc.(type) {
	case *Socket:
		c.sock, c.fd, c.direct = nc, nc.fd, true
	case *net.TCPConn:
		c.tcp = nc
		c.direct = c.watch(nc) == nil
	case *net.UnixConn:
		c.direct = c.watch(nc) == nil
	}
	return c
}

// watch makes ready to wait for sc, which is nc or, of a Socket, what stands in the poller for it.
func (c *Conn) watch(sc syscall.Conn) error {
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) { c.fd = int(fd) }); err != nil {
		return err
	}
	c.raw = raw
	if c.fillFn == nil {
		c.fillFn, c.awaitFn = c.fillRaw, c.awaitRaw
	}
	return nil
}

// plainTCP returns package net's connection, by which the kernel can move a body, nil where there is none. No other goroutine may use c meanwhile.
func (c *Conn) plainTCP() *net.TCPConn {
	if c.tcp == nil && c.sock != nil {
		if tcp, err := c.sock.tcp(); err == nil && c.watch(tcp) == nil {
			c.tcp = tcp
		}
	}
	return c.tcp
}

// NetConn returns the wrapped connection. What is read from it past the Conn's buffer is lost to the Conn.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Detach gives the wrapped connection away, for another protocol on it, with the bytes that were read and not consumed.
// The Conn is of no use any more; what waited to be written must have been flushed.
func (c *Conn) Detach() (nc net.Conn, unread []byte) {
	unread = append(unread, c.rb[c.r:c.w]...)
	c.releaseRead()
	c.releaseWrite()
	return c.nc, unread
}

// BytesIn returns how many bytes have been read from the connection (%I). Safe for concurrent use.
func (c *Conn) BytesIn() int64 { return c.in.Load() }

// BytesOut returns how many bytes have been written to the connection (%O); what is still buffered doesn't count.
// Safe for concurrent use.
func (c *Conn) BytesOut() int64 { return c.out.Load() }

// Buffered returns how many bytes have been read from the connection and not consumed.
func (c *Conn) Buffered() int { return c.w - c.r }

// Unflushed returns how many bytes wait to be flushed.
func (c *Conn) Unflushed() int { return len(c.wb) }

// WaitReadable waits, with the read timeout, until there is at least one byte to read or the connection ends, and
// reads it. While it waits the connection holds no read buffer but a small one under TLS. What waits to be written is not flushed.
func (c *Conn) WaitReadable() error {
	if c.w > c.r {
		return nil
	}
	if !c.direct {
		return c.waitPlain()
	}
	return c.fill()
}

// Peek returns the next n bytes without consuming them, waiting for them if need be; n is at most 4096. With fewer
// bytes before the end it returns those and the error.
func (c *Conn) Peek(n int) ([]byte, error) {
	for c.w-c.r < n {
		if err := c.fill(); err != nil {
			return c.rb[c.r:c.w], err
		}
	}
	return c.rb[c.r : c.r+n], nil
}

// Read reads what is buffered, else from the connection.
func (c *Conn) Read(p []byte) (int, error) {
	if c.w == c.r {
		if len(p) == 0 {
			return 0, nil
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.rb[c.r:c.w])
	c.consume(n)
	return n, nil
}

// consume drops n buffered bytes, and the buffer with the last of them.
func (c *Conn) consume(n int) {
	c.r += n
	if c.r == c.w {
		c.releaseRead()
	}
}

func (c *Conn) releaseRead() {
	if c.rb != nil {
		putBuffer(c.rb)
	}
	c.rb, c.r, c.w = nil, 0, 0
}

// fill reads at least one byte into the buffer. The buffer must have room, or unread bytes that can be moved down.
func (c *Conn) fill() error {
	if c.rb != nil && c.w == len(c.rb) {
		if c.r == 0 {
			return errBufferFull
		}
		c.w = copy(c.rb, c.rb[c.r:c.w])
		c.r = 0
	}
	if c.raw == nil && c.direct { // nobody has waited for it yet
		if !c.aborted.Load() && c.fillRaw(0) {
			return c.filled()
		}
		if err := c.watch(c.sock); err != nil {
			return err
		}
	}
	if err := c.armRead(); err != nil {
		return err
	}
	if !c.direct {
		return c.fillPlain()
	}
	if err := c.raw.Read(c.fillFn); err != nil {
		return err
	}
	return c.filled()
}

var errBufferFull = errors.New("http1: read buffer is full")

// filled takes the result of fillRaw.
func (c *Conn) filled() error {
	if err := c.perr; err != nil {
		c.perr = nil
		return &WriteError{err}
	}
	switch {
	case c.rerr != nil:
		return opError(c.nc, "read", c.rerr)
	case c.rn == 0:
		return io.EOF
	}
	c.w += c.rn
	c.in.Add(int64(c.rn))
	return nil
}

// fillRaw is what RawConn.Read calls, first at once, then each time the descriptor may have become readable. It
// gives an empty buffer back before it says "wait": this is how an idle connection comes to hold none.
//
// It tries to read at the first call. To wait first would save the system call that says EAGAIN, but loses the
// wake-up for bytes that came before: RawConn.Read forgets an edge that it has not been waiting for. See awaitRaw.
func (c *Conn) fillRaw(uintptr) bool {
	if c.rb == nil {
		c.rb = getBuffer()
	}
	n, err := recv(c.fd, c.rb[c.w:], 0)
	if err != nil || n == 0 {
		if c.w == 0 {
			c.releaseRead()
		}
		if err == unix.EAGAIN {
			if p := c.partner; p != nil && len(p.wb) > 0 {
				c.perr = p.Flush()
			}
			return c.perr != nil
		}
	}
	c.rn, c.rerr = n, err
	return true
}

// fillPlain reads through nc.
func (c *Conn) fillPlain() error {
	if p := c.partner; p != nil { // it can't be known whether this is going to wait
		if err := p.Flush(); err != nil {
			return &WriteError{err}
		}
	}
	if c.rb == nil {
		c.rb = getBuffer()
	}
	n, err := c.nc.Read(c.rb[c.w:])
	c.w += n
	c.in.Add(int64(n))
	if n > 0 {
		return nil // a late error comes again
	}
	if c.w == c.r {
		c.releaseRead()
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// firstSize is enough for most heads.
const firstSize = 2 << 10

// waitPlain waits for bytes with a small buffer of the connection's own, as nc can't be asked whether it is readable. (It
// must hold more than a byte: to find the rest of a head that has come whole would take a second read with a deadline.)
func (c *Conn) waitPlain() error {
	if err := c.armRead(); err != nil {
		return err
	}
	if c.first == nil {
		c.first = new([firstSize]byte)
	}
	n, err := c.nc.Read(c.first[:])
	if n == 0 {
		if err == nil {
			err = io.ErrNoProgress
		}
		return err
	}
	c.rb = getBuffer()
	c.r, c.w = 0, copy(c.rb, c.first[:n])
	c.in.Add(int64(n))
	return nil
}

// Close closes the connection and gives the buffers back; unflushed bytes are lost. It must not run while another
// goroutine reads or writes: that is what Abort is for.
func (c *Conn) Close() error {
	c.releaseRead()
	c.releaseWrite()
	return c.nc.Close()
}

// Descriptor returns the file descriptor of the connection, or of that under TLS; ok is false where it has none. It is
// valid until Close, and only for watching.
func (c *Conn) Descriptor() (fd int32, ok bool) {
	if c.direct {
		return int32(c.fd), true
	}
	raw := c.underTLS()
	if raw == nil {
		return 0, false
	}
	err := raw.Control(func(f uintptr) { fd = int32(f) })
	return fd, err == nil
}

// Abort makes every read and write, running or to come, fail with os.ErrDeadlineExceeded. It is safe for concurrent use.
func (c *Conn) Abort() {
	c.aborted.Store(true)
	_ = c.nc.SetDeadline(time.Unix(1, 0)) // fails only on a closed connection
}

// CloseWrite tells the peer that no more will come (a FIN, or TLS close_notify); reading goes on.
func (c *Conn) CloseWrite() error {
	if cw, ok := c.nc.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return nil
}

// Alive reports, with one system call, whether an idle connection can take a request: the peer has not closed it and
// has sent nothing that nobody asked for. On TLS unread bytes are fine, they may be a session ticket.
func (c *Conn) Alive() bool {
	if c.w > c.r {
		return false
	}
	if c.direct {
		_, err := recv(c.fd, c.small[:], unix.MSG_PEEK)
		return err == unix.EAGAIN
	}
	raw := c.underTLS()
	if raw == nil {
		return true
	}
	n, err := peekByte(raw)
	return err == unix.EAGAIN || err == nil && n > 0
}

// underTLS returns the socket of a TLS connection, nil if it has none.
func (c *Conn) underTLS() syscall.RawConn {
	under, ok := c.nc.(interface{ NetConn() net.Conn })
	if !ok {
		return nil
	}
	sc, ok := under.NetConn().(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// Undelivered reports whether the peer's system has not acknowledged all that was written: where the peer has ended the
// stream, too, it had done so before and has read nothing of it. Only TCP can tell; else it is false.
func (c *Conn) Undelivered() bool {
	left := 0
	switch raw := c.underTLS(); {
	case c.tcp != nil, c.sock != nil:
		left, _ = unix.IoctlGetInt(c.fd, unix.TIOCOUTQ) // 0 with an error
	case raw != nil:
		_ = raw.Control(func(fd uintptr) { left, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) }) // fails only on a closed connection
	}
	return left > 0
}

// peekByte looks for a byte to read without waiting for it: n is 0 at the stream's end, err EAGAIN if there is none yet.
func peekByte(raw syscall.RawConn) (n int, err error) {
	ctlErr := raw.Control(func(fd uintptr) {
		var b [1]byte
		n, err = recv(int(fd), b[:], unix.MSG_PEEK)
	})
	if ctlErr != nil {
		return 0, ctlErr
	}
	return n, err
}

// growFull makes a full buffer longer. The callers bound how often.
func (c *Conn) growFull() {
	if c.r == 0 && c.w > 0 && c.w == len(c.rb) {
		longer := make([]byte, 2*len(c.rb))
		copy(longer, c.rb)
		putBuffer(c.rb)
		c.rb = longer
	}
}
