package proxyhttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"pinion/runtime"
	"pinion/runtime/http1"
	"pinion/runtime/proxy"
)

// connectFailed answers for a backend that can't be connected to, and puts the worker in error.
func (x *exchange) connectFailed(err error) runtime.Result {
	r, w := x.r, x.w
	var d *dialError
	if !errors.As(err, &d) {
		r.Server.LogCausef(proxy.Module, runtime.LogErr, err, "AH00941", "%s: failed to acquire connection for (%s:%d)", x.scheme, w.Hostname, w.Port)
		return 503
	}
	switch d.stage {
	case atLookup:
		return proxy.Error(r, 500, "DNS lookup failure for: "+x.host)
	case atHandshake:
		cause := errors.New("(20014)Internal error (" + strings.ReplaceAll(d.err.Error(), ": ", ", ") + ")")
		r.LogCausef(proxy.Module, runtime.LogErr, cause, "AH01084", "pass request body failed to %s (%s)", d.remote, x.host)
		res := proxy.Error(r, 500, "Error during SSL Handshake with remote server")
		x.logPassFailed(d.remote)
		return res
	case atSetup:
		return 500
	}
	if w.Fail(time.Now()) {
		r.Server.Logf(proxy.Module, runtime.LogErr, "AH00959", "ap_proxy_connect_backend disabling worker for (%s:%d) for %ds",
			w.Hostname, w.Port, int(w.Params.Retry/time.Second))
	}
	r.Logf(Module, runtime.LogErr, "AH01114", "HTTP: failed to make connection to backend: %s", x.host)
	return 503
}

// statusLineFailed answers for a backend that has sent no byte of an answer. Once the client's connection has served a
// request, it is closed without an answer, as httpd does: the client then knows that it may try again.
func (x *exchange) statusLineFailed(err error) runtime.Result {
	r := x.r
	timedOut := isTimeout(err)
	cause := err
	switch {
	case errors.Is(err, http1.ErrNoStatusLine):
		cause = nil
	case errors.Is(err, io.EOF) && x.c.Buffered() == 0:
		cause = runtime.ErrGeneral
	}
	r.LogCausef(Module, runtime.LogErr, cause, "AH01102", "error reading status line from remote server %s:%d", x.host, x.port)
	if timedOut {
		r.Notes.Set("proxy_timedout", "1")
		r.Logf(Module, runtime.LogDebug, "AH01103", "read timeout")
		if x.expect {
			return proxy.Error(r, 503, "Timeout on 100-Continue")
		}
	}
	if r.Proxy == runtime.ProxyReverse && r.Conn.Keepalives > 0 && !timedOut && r.ProtoNum < runtime.HTTP20 {
		r.Logf(Module, runtime.LogDebug, "AH01104", "Closing connection to client because reading from backend server %s:%d failed. "+
			"Number of keepalives %d", x.host, x.port, r.Conn.Keepalives)
		r.NoCache = true
		r.Wire.Abort()
		if x.reused {
			return runtime.OK
		}
		return 500
	}
	if r.Conn.Keepalives == 0 {
		r.Logf(Module, runtime.LogDebug, "AH01105", "NOT Closing connection to client although reading from backend server %s:%d failed.", x.host, x.port)
	}
	return proxy.Error(r, 502, "Error reading from remote server")
}

// headFailed answers for a head that could not be read; err is ReadResponseHead's.
func (x *exchange) headFailed(err error) runtime.Result {
	r := x.r
	var bad *http1.ResponseError
	if !errors.As(err, &bad) {
		if b, _ := x.c.Peek(x.c.Buffered()); isTimeout(err) && bytes.IndexByte(b, '\n') >= 0 { // in the midst of the head
			r.LogCausef(Module, runtime.LogWarn, err, "AH10404", "Error reading headers from backend")
			return x.badHead()
		}
		return x.statusLineFailed(err)
	}
	switch bad.Kind {
	case http1.NotHTTP:
		return x.http09()
	case http1.BadStatusLine:
		return proxy.Error(r, 502, "Corrupt status line returned by remote server: "+x.firstLine())
	case http1.HeadTooLong:
		trunc := min(len(bad.Line), 128) / 2
		r.LogCausef(Module, runtime.LogWarn, syscall.ENOSPC, "AH10124", "header size is over the limit allowed by ResponseFieldSize (%d bytes). "+
			"Bad response header: '%s[...]%s'", x.w.FieldSize.Or(8192), bad.Line[:trunc], bad.Line[len(bad.Line)-trunc:])
	case http1.BadFraming:
		return x.badBody()
	default:
		if bad.Err != nil {
			r.LogCausef(Module, runtime.LogWarn, bad.Err, "AH10404", "Error reading headers from backend")
		}
	}
	return x.badHead()
}

func (x *exchange) badHead() runtime.Result {
	r := x.r
	minor := x.head.ProtoNum % 1000
	if x.head.ProtoNum == 0 {
		minor = 1
	}
	r.Logf(Module, runtime.LogWarn, "AH01106", "bad HTTP/1.%d header returned by %s (%s)", minor, r.URI, r.Method)
	r.HeadersOut.Reset()
	r.StatusLine = ""
	return 502
}

// badBody answers for a body whose framing can't be understood from its first byte. httpd meets that when it has taken
// the head, but not sent it.
func (x *exchange) badBody() runtime.Result {
	r := x.r
	x.closing = true
	r.LogCausef(Module, runtime.LogErr, runtime.ErrGeneral, "AH01110", "error reading response")
	r.NoCache, r.UnknownLength = true, true
	if r.ProtoNum < runtime.HTTP11 || runtime.HasToken(r.HeadersIn.Get("Connection"), "close") {
		r.Conn.KeepAlive = runtime.KeepAliveClose // decided with the head that was taken: the page is not chunked
		r.ErrHeadersOut.Set("Connection", "close")
	}
	r.HeadersOut.Reset()
	r.StatusLine = ""
	return 502
}

// firstLine is what the backend sent up to a line's end, for an error page.
func (x *exchange) firstLine() string {
	b, _ := x.c.Peek(min(x.c.Buffered(), 4096))
	for i, c := range b {
		if c == '\r' || c == '\n' {
			return string(b[:i])
		}
	}
	return string(b)
}

// bodyFailed answers for a request body that could not be sent: the client's fault, or the backend's.
func (x *exchange) bodyFailed(err error) runtime.Result {
	r := x.r
	x.closing = true
	var we *http1.WriteError
	if !errors.As(err, &we) {
		r.LogCausef(proxy.Module, runtime.LogErr, err, "AH02608", "read request body failed to %s:%d (%s) from %s ()", x.host, x.port, x.host, r.ClientIP)
		x.logPassFailed(x.peer())
		return bodyStatus(err)
	}
	r.LogCausef(proxy.Module, runtime.LogErr, we.Err, "AH01084", "pass request body failed to %s (%s)", x.peer(), x.host)
	x.logPassFailed(x.peer())
	if isTimeout(err) {
		return 504
	}
	return 502
}

func (x *exchange) logPassFailed(peer string) {
	x.r.Logf(Module, runtime.LogErr, "AH01097", "pass request body failed to %s (%s) from %s ()", peer, x.host, x.r.ClientIP)
}

// peer is the address of the backend as logged.
func (x *exchange) peer() string {
	if x.c != nil && x.socket == "" {
		return x.c.NetConn().RemoteAddr().String()
	}
	return net.JoinHostPort(x.host, strconv.Itoa(x.port))
}

// relayFailed ends an answer whose body could not be had, or not be sent on.
func (x *exchange) relayFailed(err error) runtime.Result {
	r := x.r
	x.closing = true
	var we *http1.WriteError
	if !errors.As(err, &we) && !clientGone(err) {
		var bad *http1.ProtocolError
		switch {
		case errors.As(err, &bad):
			err = runtime.ErrGeneral
		case errors.Is(err, io.ErrUnexpectedEOF):
			err = runtime.ErrIncomplete
		}
		r.LogCausef(Module, runtime.LogErr, err, "AH01110", "error reading response")
		r.NoCache = true
		if r.HeadHeld() {
			return 502
		}
	}
	if !r.NoBodyToSend() { // else another answer has gone out instead
		r.Cut()
	}
	return runtime.Done
}

// clientGone tells an error of writing that the wire has not marked; reading from a backend ends in an unexpected EOF, a
// timeout, a reset or an error in the chunks.
func clientGone(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.ErrShortWrite)
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
