package runtime

import (
	"io"
	"sync"

	"pinion/runtime/file"
	"pinion/runtime/http1"
	"pinion/runtime/table"
)

// WriteInterim implements Wire.
func (c *httpConn) WriteInterim(status int, h *table.Table) error {
	if c.req.ProtoNum < HTTP11 {
		return nil
	}
	if h == nil {
		h = &table.Table{}
	}
	if status == 100 {
		c.wantContinue = false // a backend's own 100 Continue has been passed on
	}
	line := StatusLine(status)
	if own := c.req.Last().StatusLine; lineOf(own, status) {
		line = own
	}
	if err := c.conn.WriteResponseHead(line, h); err != nil {
		return err
	}
	return c.conn.Flush()
}

// WriteHead implements Wire: status line, Date, Server, then HeadersOut in order, as httpd's basic_http_header. A
// *http1.FieldError tells of a field that would break the head; nothing is written then.
func (c *httpConn) WriteHead(r *Request) error {
	c.chunked = r.Chunked
	if c.headless {
		return nil
	}
	for i := range r.HeadersOut.Fields() {
		f := &r.HeadersOut.Fields()[i]
		if !http1.ValidName(f.Key) || !http1.ValidValue(f.Value) {
			return &http1.FieldError{Key: f.Key, Value: f.Value}
		}
	}
	c.conn.AppendTo(func(dst []byte) []byte { return appendHead(dst, r) })
	return nil
}

func appendHead(dst []byte, r *Request) []byte {
	version := "HTTP/1.1 "
	if r.ProtoNum == HTTP10 && r.Env.Has("force-response-1.0") {
		version = "HTTP/1.0 "
	}
	dst = append(dst, version...)
	if lineOf(r.StatusLine, r.Status) && http1.ValidValue(r.StatusLine) {
		dst = append(dst, r.StatusLine...)
	} else {
		dst = append(dst, StatusLine(r.Status)...)
	}
	dst = append(dst, "\r\n"...)
	date, server := "", r.Graph.Banner
	if r.Proxy != ProxyNone {
		date = r.HeadersOut.Get("Date")
		if s, ok := r.HeadersOut.Lookup("Server"); ok {
			server = s
		}
	}
	if date == "" {
		date = HTTPDate(r.Time)
	}
	dst = http1.AppendField(dst, "Date", date)
	if server != "" {
		dst = http1.AppendField(dst, "Server", server)
	}
	for i := range r.HeadersOut.Fields() {
		f := &r.HeadersOut.Fields()[i]
		switch len(f.Key) {
		case 4:
			if EqualFold(f.Key, "Date") {
				continue
			}
		case 6:
			if server != "" && EqualFold(f.Key, "Server") {
				continue
			}
		}
		dst = http1.AppendField(dst, f.Key, f.Value)
	}
	return append(dst, "\r\n"...)
}

// lineOf tells whether line begins with the status.
func lineOf(line string, status int) bool {
	return len(line) > 3 && status >= 0 && status <= 999 &&
		line[0] == byte('0'+status/100) && line[1] == byte('0'+status/10%10) && line[2] == byte('0'+status%10)
}

// Write implements Wire.
func (c *httpConn) Write(p []byte) (int, error) {
	if c.chunked {
		return http1.NewChunkedWriter(c.conn).Write(p)
	}
	return c.conn.Write(p)
}

var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}

// ReadFrom implements Wire.
func (c *httpConn) ReadFrom(src io.Reader) (int64, error) {
	switch s := src.(type) {
	case *http1.Body:
		return s.Relay(c.conn, c.chunked)
	case *file.File, *io.LimitedReader:
		if !c.chunked && !c.meta.Secure {
			return c.sendFile(src)
		}
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{src}, *buf)
}

// sendFile lets the kernel move a file (or a part of one) to the socket. A small one is read and leaves together with its
// head: up to 16 KiB that costs less processor time, and from 64 KiB on more.
func (c *httpConn) sendFile(src io.Reader) (int64, error) {
	const small = 16 << 10
	part, ok := src.(*io.LimitedReader)
	if !ok || part.N > small {
		return c.conn.SendFile(src)
	}
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	n, err := io.ReadFull(part, (*buf)[:part.N])
	if n > 0 {
		if _, werr := c.conn.Write((*buf)[:n]); werr != nil {
			return int64(n), &http1.WriteError{Err: werr}
		}
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil // it has become shorter
	}
	return int64(n), err
}

// Flush implements Wire.
func (c *httpConn) Flush() error { return c.conn.Flush() }

// Finish implements Wire. With another request already in the buffer the answer waits for its successor, as httpd's
// core output filter lets pipelined answers gather.
func (c *httpConn) Finish(trailers *table.Table) error {
	if c.broken {
		return nil
	}
	if c.chunked && !c.req.Last().eaten {
		if trailers.Len() == 0 {
			trailers = nil
		}
		if err := http1.NewChunkedWriter(c.conn).Close(trailers); err != nil {
			return err
		}
	}
	c.chunked = false
	if c.meta.KeepAlive == KeepAliveOn && c.conn.Buffered() > 0 && c.body.Complete() {
		return nil
	}
	return c.conn.Flush()
}
