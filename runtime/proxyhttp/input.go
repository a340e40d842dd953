package proxyhttp

import (
	"errors"
	"io"
	"os"
	"sync"

	"pinion/runtime"
	"pinion/runtime/http1"
	"pinion/runtime/proxy"
)

// framing is how the request's body is sent to the backend.
type framing uint8

const (
	noBody   framing = iota
	byLength         // with Content-Length
	chunked
)

const (
	maxPrefetch = 16 << 10         // MAX_MEM_SPOOL
	enough      = maxPrefetch - 80 // as much as makes httpd stop
)

// input is what was read of a request's body before a backend was connected to, so that a slow client holds no
// backend. It outlives an exchange that may be followed by one with another member.
type input struct {
	buf  []byte   // the body's beginning
	file *os.File // the whole body, where it had to be spooled
	size int64    // of file
	done bool     // buf is the whole body
	gone bool     // what follows buf has been read: the body can't be sent again
	kept bool
}

var inputBuffers = sync.Pool{New: func() any { b := make([]byte, maxPrefetch); return &b }}

func (in *input) free() {
	if in == nil || in.kept {
		return
	}
	if cap(in.buf) == maxPrefetch {
		b := in.buf[:maxPrefetch]
		inputBuffers.Put(&b)
	}
	in.buf = nil
	if in.file != nil {
		in.file.Close()
	}
}

// keepFor keeps the input for a further exchange of the request.
func (in *input) keepFor(r *runtime.Request) {
	if in != nil && !in.gone {
		in.kept = true
		runtime.SetRequestConf(r, Module, in)
	}
}

// prefetch reads the beginning of the request's body and decides how the body is sent (ap_proxy_http_prefetch).
func (x *exchange) prefetch() runtime.Result {
	r := x.r
	length := r.Body.Length()
	if length == 0 {
		if r.HeadersIn.Has("Content-Length") {
			x.framing = byLength // a Content-Length of 0 is passed on
		}
		return runtime.OK
	}
	x.in = runtime.RequestConf[input](r, Module)
	if x.in == nil {
		x.in = &input{}
	}
	x.in.kept = false
	// A client that waits for 100 Continue sends nothing yet.
	waits := x.expect && r.Expecting100
	if !waits && !x.in.done && len(x.in.buf) < enough && !r.Env.Has("proxy-prefetch-nonblocking") {
		if err := x.in.read(r.Body); err != nil {
			r.LogCausef(Module, runtime.LogErr, err, "AH01095", "prefetch request body failed to %s:%d (%s) from %s ()", x.host, x.port, x.host, r.ClientIP)
			return bodyStatus(err)
		}
	}
	switch {
	case x.in.done:
		x.framing, x.length = byLength, int64(len(x.in.buf))
	case length > 0:
		x.framing, x.length = byLength, length
	case x.force10 || r.Env.Has("proxy-sendcl") && !r.Env.Has("proxy-sendchunks") && !r.Env.Has("proxy-sendchunked"):
		return x.spool()
	default:
		x.framing = chunked
	}
	return runtime.OK
}

// read reads until there is enough, or all.
func (in *input) read(body runtime.Body) error {
	if in.buf == nil {
		in.buf = (*inputBuffers.Get().(*[]byte))[:0]
	}
	for len(in.buf) < enough {
		n, err := body.Read(in.buf[len(in.buf):maxPrefetch])
		in.buf = in.buf[:len(in.buf)+n]
		if err == io.EOF || err == nil && body.Complete() {
			in.done = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spool reads the whole body into a file, to learn its length (ap_proxy_spool_input).
func (x *exchange) spool() runtime.Result {
	in := x.in
	if in.file == nil {
		f, err := os.CreateTemp("", "modproxy.tmp.")
		if err != nil {
			x.r.LogCausef(proxy.Module, runtime.LogErr, err, "AH01090", "creation of temporary file in directory %s failed", os.TempDir())
			return 500
		}
		_ = os.Remove(f.Name()) // it lives until it is closed
		in.file = f
		n, err := f.Write(in.buf)
		var more int64
		if err == nil {
			more, err = io.Copy(f, struct{ io.Reader }{x.r.Body})
		}
		in.size = int64(n) + more
		if err != nil {
			x.r.LogCausef(proxy.Module, runtime.LogErr, err, "AH02608", "read request body failed to %s:%d (%s) from %s ()", x.host, x.port, x.host, x.r.ClientIP)
			var be *runtime.BodyError
			if errors.As(err, &be) {
				return runtime.Result(be.Status)
			}
			return 500
		}
	}
	x.framing, x.length = byLength, in.size
	return runtime.OK
}

func bodyStatus(err error) runtime.Result {
	var be *runtime.BodyError
	if errors.As(err, &be) {
		return runtime.Result(be.Status)
	}
	return 400
}

// relayer is a request's body that comes from an HTTP/1 connection.
type relayer interface {
	RelayBody(dst *http1.Conn, chunked bool) (int64, error)
}

// writeBody sends the body; what is left of it in the connection's buffer goes with the wait for the answer.
func (x *exchange) writeBody() runtime.Result {
	in := x.in
	if in == nil {
		return runtime.OK
	}
	var n int64
	var err error
	switch {
	case in.file != nil:
		if _, err = in.file.Seek(0, io.SeekStart); err == nil {
			n, err = io.Copy(struct{ io.Writer }{lengthWriter{x.c}}, struct{ io.Reader }{in.file})
		}
	default:
		n, err = x.streamBody()
	}
	if err == nil && x.framing == chunked {
		err = http1.NewChunkedWriter(x.c).Close(nil)
	}
	if err == nil && x.framing == byLength && n != x.length {
		return x.lengthDiffers(n)
	}
	if err != nil {
		return x.bodyFailed(err)
	}
	return runtime.OK
}

// lengthDiffers ends a request whose body is not as long as its head says: the backend would take what follows for a part of it.
func (x *exchange) lengthDiffers(n int64) runtime.Result {
	word := "less"
	if n > x.length {
		word = "more"
	}
	x.r.Logf(Module, runtime.LogErr, "AH01086", "read %s bytes of request body than expected (got %d, expected %d)", word, n, x.length)
	x.logPassFailed(x.peer())
	return 500
}

// lengthWriter marks errors of writing.
type lengthWriter struct{ c *http1.Conn }

func (b lengthWriter) Write(p []byte) (int, error) {
	n, err := b.c.Write(p)
	if err != nil {
		err = &http1.WriteError{Err: err}
	}
	return n, err
}

func (x *exchange) streamBody() (int64, error) {
	var w io.Writer = lengthWriter{x.c}
	if x.framing == chunked {
		w = chunkWriter{x.c}
	}
	n := int64(len(x.in.buf))
	if n > 0 {
		if _, err := w.Write(x.in.buf); err != nil {
			return 0, err
		}
	}
	if x.in.done {
		return n, nil
	}
	x.in.gone = true
	if b, ok := x.r.Body.(relayer); ok {
		more, err := b.RelayBody(x.c, x.framing == chunked)
		return n + more, err
	}
	more, err := io.Copy(flushing{w, x.c}, struct{ io.Reader }{x.r.Body})
	return n + more, err
}

type chunkWriter struct{ c *http1.Conn }

func (w chunkWriter) Write(p []byte) (int, error) {
	n, err := http1.NewChunkedWriter(w.c).Write(p)
	if err != nil {
		err = &http1.WriteError{Err: err}
	}
	return n, err
}

// flushing sends each piece at once: the next one may be long in coming.
type flushing struct {
	io.Writer
	c *http1.Conn
}

func (w flushing) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err == nil {
		if err = w.c.Flush(); err != nil {
			err = &http1.WriteError{Err: err}
		}
	}
	return n, err
}
