package http1

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"

	"pinion/runtime/table"
)

// Framing is how a body ends.
type Framing int

// The ways of RFC 9112 section 6.
const (
	NoBody     Framing = iota
	Length             // after Content-Length bytes
	Chunked            // with the last chunk and the trailers
	UntilClose         // with the connection
)

// Body reads the body of one message from a Conn. The zero value is ready to be Reset and can be used again and again.
type Body struct {
	c         *Conn
	framing   Framing
	remaining int64 // Length: bytes left; Chunked: bytes left of the chunk
	state     chunkState
	line      int // Chunked: bytes of the present size line, as httpd's limit counts them
	spaces    int
	digits    int
	read      int64
	done      bool
	err       error
	lim       Limits
	deadline  func(got int64) time.Time
	flush     *Conn
	trailers  table.Table
}

// Reset makes b the body that follows on c. length counts for Length only; lim bounds chunk lines and trailers.
func (b *Body) Reset(c *Conn, framing Framing, length int64, lim *Limits) {
	trailers := b.trailers
	trailers.Reset()
	*b = Body{c: c, framing: framing, remaining: length, lim: *lim, trailers: trailers}
	b.done = framing == NoBody || framing == Length && length <= 0
	if framing == Chunked {
		b.remaining = 0
	}
}

// Drop makes b nobody's body; it keeps the memory of its trailers for the next Reset.
func (b *Body) Drop() { b.Reset(nil, NoBody, 0, &Limits{}) }

// ResetRequest makes b the body of the request whose head c has just read.
func (b *Body) ResetRequest(c *Conn, h *RequestHead, lim *Limits) {
	switch {
	case h.Chunked:
		b.Reset(c, Chunked, 0, lim)
	case h.ContentLength > 0:
		b.Reset(c, Length, h.ContentLength, lim)
	default:
		b.Reset(c, NoBody, 0, lim)
	}
}

// ResetResponse makes b the body of the response whose head c has just read.
func (b *Body) ResetResponse(c *Conn, h *ResponseHead) {
	b.Reset(c, h.Framing, h.ContentLength, &DefaultLimits)
}

// SetDeadline makes f be asked, with the number of body bytes read so far, before each wait for more, for the time at
// which that wait ends; the zero time is the connection's read timeout. See ReqTimeout.
func (b *Body) SetDeadline(f func(got int64) time.Time) { b.deadline = f }

// FlushTo makes dst be flushed whenever a Read finds nothing and is going to wait for more: so that a slow body moves on
// without every piece being flushed. A failure of that is a *WriteError. WriteTo does it by itself where it writes to a
// Conn or a ChunkedWriter.
func (b *Body) FlushTo(dst *Conn) { b.flush = dst }

// Complete reports whether the body was read to its end, so that the next message can be read.
func (b *Body) Complete() bool { return b.done && b.err == nil }

// Remaining returns how many bytes are left, or -1 if that isn't known.
func (b *Body) Remaining() int64 {
	switch {
	case b.done:
		return 0
	case b.framing == Length:
		return b.remaining
	}
	return -1
}

// BytesRead returns how many bytes of content were read.
func (b *Body) BytesRead() int64 { return b.read }

// Trailers returns the fields after a chunked body; they are there once the body is complete.
func (b *Body) Trailers() *table.Table { return &b.trailers }

// Buffered reports whether a Read would not wait for the peer.
func (b *Body) Buffered() bool { return b.done || b.err != nil || b.c.Buffered() > 0 }

// Waits reports whether a Read would wait for the peer, as far as can be told: of bytes that TLS holds back nothing is known.
func (b *Body) Waits() bool {
	if b.Buffered() {
		return false
	}
	if !b.c.direct {
		return true
	}
	_, err := peekByte(b.c.raw)
	return err == unix.EAGAIN
}

// Read reads content. At the body's end it returns io.EOF; io.ErrUnexpectedEOF when the connection ends before;
// *ProtocolError for invalid chunks, with 413 where httpd answers that.
func (b *Body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	chunk, err := b.next()
	if err != nil {
		return 0, err
	}
	n := copy(p, chunk)
	b.take(n)
	return n, nil
}

// next returns buffered content, waiting for some if there is none.
func (b *Body) next() ([]byte, error) {
	for {
		switch {
		case b.err != nil:
			return nil, b.err
		case b.done:
			return nil, io.EOF
		}
		if b.framing == Chunked && b.remaining == 0 {
			if err := b.readChunkHead(); err != nil {
				b.err = err
			}
			continue
		}
		if b.c.Buffered() == 0 {
			if err := b.fill(); err != nil {
				b.fail(err)
				continue
			}
		}
		chunk := b.c.rb[b.c.r:b.c.w]
		if b.framing != UntilClose && int64(len(chunk)) > b.remaining {
			chunk = chunk[:b.remaining]
		}
		return chunk, nil
	}
}

// take consumes n bytes of what next returned.
func (b *Body) take(n int) {
	b.c.consume(n)
	b.took(int64(n))
}

func (b *Body) took(n int64) {
	b.read += n
	if b.framing == UntilClose {
		return
	}
	b.remaining -= n
	if b.remaining == 0 {
		if b.framing == Length {
			b.done = true
		} else {
			b.state = chunkEnd
		}
	}
}

// fill reads more from the connection.
func (b *Body) fill() error {
	if b.deadline != nil {
		if t := b.deadline(b.read); !t.IsZero() {
			if err := b.c.SetReadDeadline(t); err != nil {
				return err
			}
			defer b.c.SetReadTimeout(b.c.rd.timeout)
		}
	}
	b.c.partner = b.flush
	err := b.c.fill()
	b.c.partner = nil
	return err
}

// fail takes the connection's error: its end is the body's end or an early one.
func (b *Body) fail(err error) {
	switch {
	case !errors.Is(err, io.EOF):
		b.err = err
	case b.framing == UntilClose:
		b.done = true
	default:
		b.err = io.ErrUnexpectedEOF
	}
}

// Discard reads and drops the rest of the body, so that the connection can take the next message. If more than limit
// bytes of it come, it stops with ErrBodyTooLong.
func (b *Body) Discard(limit int64) error {
	if r := b.Remaining(); r > limit {
		return ErrBodyTooLong
	}
	for {
		chunk, err := b.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if limit -= int64(len(chunk)); limit < 0 {
			return ErrBodyTooLong
		}
		b.take(len(chunk))
	}
}
