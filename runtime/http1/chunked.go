package http1

import (
	"bytes"

	"pinion/runtime/table"
)

// chunkState is where in the framing of a chunked body the next byte stands.
type chunkState uint8

const (
	chunkStart chunkState = iota // first digit of a size
	chunkSize                    // further digits
	chunkSpace                   // blanks after the size (RFC 7230 erratum 4667: httpd takes up to ten)
	chunkExt                     // extension, ignored
	chunkLF                      // CR seen, LF expected
	chunkEnd                     // CR after the data
	chunkEndLF                   // LF after the data
	chunkTrailer
)

const maxChunkSpaces = 10

func badChunk(what string) error { return bad("AH01590", "chunked body: "+what) }

func chunkTooLong(what string) error {
	return &ProtocolError{Status: 413, Code: "AH01590", Close: true, Reason: "chunked body: " + what}
}

// readChunkHead reads up to the data of the next chunk, or, after the last one, the trailers.
func (b *Body) readChunkHead() error {
	for {
		if b.state == chunkTrailer {
			return b.readTrailers()
		}
		if b.c.Buffered() == 0 {
			if err := b.fill(); err != nil {
				b.fail(err)
				return b.err
			}
		}
		in := b.c.rb[b.c.r:b.c.w]
		for i := range in {
			ready, err := b.chunkByte(in[i])
			if err != nil {
				return err
			}
			if ready || b.state == chunkTrailer {
				b.c.consume(i + 1)
				if ready {
					return nil
				}
				break
			}
			if i == len(in)-1 {
				b.c.consume(len(in))
			}
		}
	}
}

// Prime reads the size of a chunked body's first chunk, where it has come already, and returns the error that a Read would
// meet there: so that a body which is none from its start can be answered for before its head is passed on. It never waits.
func (b *Body) Prime() error {
	in := b.c.rb[b.c.r:b.c.w]
	if b.framing != Chunked || b.err != nil || b.state != chunkStart || bytes.IndexByte(in, '\n') < 0 {
		return b.err
	}
	for i := range in {
		ready, err := b.chunkByte(in[i])
		if err != nil {
			b.err = err
			return err
		}
		if ready || b.state == chunkTrailer {
			b.c.consume(i + 1)
			return nil
		}
	}
	return nil
}

// chunkByte takes one byte of the framing; ready means that data follows.
func (b *Body) chunkByte(ch byte) (ready bool, err error) {
	switch b.state {
	case chunkEnd, chunkEndLF:
		if want := "\r\n"[b.state-chunkEnd]; ch != want {
			return false, badChunk("expected CR LF after the data, found " + quote(string(rune(ch))))
		}
		b.state++
		if b.state == chunkTrailer {
			b.state = chunkStart
		}
		return false, nil
	case chunkStart:
		if hexValue(ch) < 0 {
			return false, badChunk("expected a size in hex digits, found " + quote(string(rune(ch))))
		}
		b.state, b.line, b.spaces, b.digits = chunkSize, 0, 0, 0
	}
	if b.line++; b.line > max(b.lim.RequestFieldSize, 32) {
		return false, chunkTooLong("expected a size line of at most " + plural(b.lim.RequestFieldSize, "byte") + ", found more")
	}
	switch {
	case b.state == chunkLF:
		if ch != '\n' {
			return false, badChunk("expected LF after CR, found " + quote(string(rune(ch))))
		}
		if b.state = chunkTrailer; b.remaining > 0 {
			return true, nil
		}
	case ch == '\r':
		b.state = chunkLF
	case ch == '\n':
		return false, badChunk("expected CR LF after the size, found a bare LF")
	case ch == ';':
		b.state = chunkExt
	case b.state == chunkExt:
		if ch < 0x20 && ch != '\t' || ch == 0x7f {
			return false, badChunk("expected an extension without control characters, found " + quote(string(rune(ch))))
		}
	case ch == ' ' || ch == '\t':
		b.state = chunkSpace
		if b.spaces++; b.spaces > maxChunkSpaces {
			return false, badChunk("expected at most 10 blanks after the size, found more")
		}
	default:
		d := hexValue(ch)
		if b.state == chunkSpace || d < 0 {
			return false, badChunk("expected a size in hex digits, found " + quote(string(rune(ch))))
		}
		if b.remaining > (1<<63-1)>>4 {
			return false, chunkTooLong("expected a size below 2^63, found a greater one")
		}
		b.remaining = b.remaining<<4 | int64(d)
	}
	return false, nil
}

func hexValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// readTrailers reads the fields after the last chunk, within the limits of a head.
func (b *Body) readTrailers() error {
	for fields, size := 0, 0; ; {
		in := b.c.rb[b.c.r:b.c.w]
		i := bytes.IndexByte(in, '\n')
		if i < 0 {
			if err := lineTooLong(len(in)-1, 1, &b.lim); err != nil {
				return err
			}
			b.c.growFull()
			if err := b.fill(); err != nil {
				b.fail(err)
				return b.err
			}
			continue
		}
		if i == 1 && in[0] == '\r' { // nearly always: no trailers, no string
			b.c.consume(2)
			b.done = true
			return nil
		}
		key, value, n, _, err := parseField(string(in[:i+1]), &b.lim)
		if err != nil {
			return err
		}
		b.c.consume(n)
		if fields++; b.lim.RequestFields > 0 && fields > b.lim.RequestFields {
			return tooManyFields()
		}
		if size += n; size > MaxHeadBytes {
			return tooManyFields()
		}
		b.trailers.Add(key, value)
	}
}

// ChunkedWriter frames what is written to it as chunks. Small chunks gather in the connection's write buffer; large
// ones are written from where they are. It does not flush.
type ChunkedWriter struct{ c *Conn }

// NewChunkedWriter returns a writer of one chunked body on c.
func NewChunkedWriter(c *Conn) ChunkedWriter { return ChunkedWriter{c} }

// Write writes p as one chunk; an empty p writes nothing.
func (w ChunkedWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	const frame = 16 + 2 + 2
	if len(p) < bufferSize && len(w.c.wb)+len(p)+frame > bufferSize && len(w.c.wb) > 0 && !w.c.direct {
		if err := w.c.Flush(); err != nil {
			return 0, err
		}
	}
	w.c.wb = append(appendHex(w.c.writeBuffer(), uint64(len(p))), '\r', '\n')
	n, err := w.c.Write(p)
	if err != nil {
		return n, err
	}
	w.c.wb = append(w.c.writeBuffer(), '\r', '\n')
	return n, nil
}

// Close writes the last chunk and the trailers, which may be nil.
func (w ChunkedWriter) Close(trailers *table.Table) error {
	dst := append(w.c.writeBuffer(), '0', '\r', '\n')
	if trailers != nil {
		var err error
		if dst, err = AppendFields(dst, trailers); err != nil {
			w.c.wb = dst
			return err
		}
	}
	w.c.wb = append(dst, '\r', '\n')
	return nil
}

func appendHex(dst []byte, n uint64) []byte {
	const digits = "0123456789abcdef"
	shift := 60
	for shift > 0 && n>>shift == 0 {
		shift -= 4
	}
	for ; shift >= 0; shift -= 4 {
		dst = append(dst, digits[n>>shift&15])
	}
	return dst
}
