package proxyhttp

import (
	"errors"
	"io"
	"strconv"
	"time"

	"pinion/runtime"
	"pinion/runtime/http1"
	"pinion/runtime/proxy"
)

// maxInterim is how many 1xx heads in a row a backend may send (AP_MAX_INTERIM_RESPONSES).
const maxInterim = 10

// answer reads the backend's answer and sends it to the client (ap_proxy_http_process_response).
func (x *exchange) answer() runtime.Result {
	r, h := x.r, &x.head
	original := r.Status
	for interim := 0; ; {
		if err := x.c.ReadResponseHead(h, r.Method, &x.limits); err != nil {
			return x.headFailed(err)
		}
		x.w.State.Read.Add(int64(len("HTTP/1.1 ") + len(h.StatusLine)))
		if h.BadLines > 0 || h.NoBlank {
			x.logBadLines()
		}
		r.Status, r.StatusLine = h.Status, h.StatusLine
		if len(h.StatusLine) >= 3 {
			r.Notes.Set("proxy-status", h.StatusLine[:3])
		} else {
			r.Notes.Set("proxy-status", strconv.Itoa(h.Status))
		}
		closes := x.take()
		if h.Status == 101 {
			return x.switched()
		}
		if h.Status/100 == 1 {
			x.passInterim()
			if interim++; interim >= maxInterim {
				return proxy.Error(r, 502, "Too many ("+strconv.Itoa(interim)+") interim responses from origin server")
			}
		}
		if x.expect && (h.Status/100 != 1 || h.Status == 100) {
			if res := x.goOn(closes); res != runtime.OK {
				return res
			}
		}
		if h.Status/100 != 1 {
			return x.final(original)
		}
	}
}

// logBadLines tells of lines of the head that were no fields.
func (x *exchange) logBadLines() {
	r, h := x.r, &x.head
	for range h.BadLines {
		r.Logf(Module, runtime.LogWarn, "AH01100", "Ignoring bogus HTTP header returned by %s (%s)", r.URI, r.Method)
	}
	switch {
	case h.NoBlank && h.Fields.Len() > 0:
		r.Logf(Module, runtime.LogWarn, "AH01098", "Starting body due to bogus non-header in headers returned by %s (%s)", r.URI, r.Method)
	case h.NoBlank:
		r.Logf(Module, runtime.LogWarn, "AH01099", "No HTTP headers returned by %s (%s)", r.URI, r.Method)
	}
}

// passInterim sends a 1xx head on, as proxy-interim-response says.
func (x *exchange) passInterim() {
	r, status := x.r, x.head.Status
	policy, set := r.Env.Lookup("proxy-interim-response")
	switch {
	case !set && status == 100 && !r.Expecting100:
		return // the client did not ask for it
	case set && !runtime.EqualFold(policy, "RFC"):
		if !runtime.EqualFold(policy, "Suppress") {
			r.Logf(Module, runtime.LogWarn, "AH01108", "undefined proxy interim response policy")
		}
		return
	}
	if status == 100 {
		r.Expecting100 = false
	}
	if err := r.Wire.WriteInterim(status, &r.HeadersOut); err != nil {
		r.LogCausef(Module, runtime.LogDebug, err, "", "a %d response of the backend was not sent on", status)
	}
}

// goOn sends the body that waited for the backend's word, which is 100 Continue or a final status. closes says that the
// backend will take no more.
func (x *exchange) goOn(closes bool) runtime.Result {
	r, h := x.r, &x.head
	send := h.Status == 100 || !closes && h.ProtoNum >= 1001
	no, not := "no ", "not "
	if h.Status == 100 {
		no = ""
	}
	if send {
		not = ""
	}
	r.Logf(Module, runtime.LogDebug, "AH10153", "HTTP: %s100 continue sent by %s:%d (%s): %ssending body (response: HTTP/1.%d %s)",
		no, x.host, x.port, x.host, not, h.ProtoNum%1000, h.StatusLine)
	x.expect = false
	x.c.SetReadTimeout(x.w.Timeout(r))
	if !send {
		return runtime.OK
	}
	start := x.c.BytesOut()
	var res runtime.Result
	if h.Status >= 300 && r.Expecting100 {
		res = x.withholdBody()
	} else {
		res = x.writeBody()
	}
	if res == runtime.OK {
		if err := x.c.Flush(); err != nil {
			res = x.bodyFailed(&http1.WriteError{Err: err})
		}
	}
	x.w.State.Transferred.Add(x.c.BytesOut() - start)
	if res != runtime.OK {
		x.closing = true
	}
	return res
}

// withholdBody ends the request for a backend that has refused it while the client still waits. As in httpd the client's
// body then counts as empty, which a Content-Length contradicts.
func (x *exchange) withholdBody() runtime.Result {
	if x.framing != chunked {
		return x.lengthDiffers(0)
	}
	if err := http1.NewChunkedWriter(x.c).Close(nil); err != nil {
		return x.bodyFailed(&http1.WriteError{Err: err})
	}
	return runtime.OK
}

// final sends the answer whose head was read. original is the request's status before: of an error whose document this is.
func (x *exchange) final(original int) runtime.Result {
	r, h := x.r, &x.head
	if info, ok := x.c.Data.(*connInfo); ok {
		r.Notes.Set("proxy-source-port", info.port)
	}
	if x.dir.Overrides(h.Status) {
		return x.override()
	}
	if h.Upgrade != "" && x.mayUpgrade(h.Upgrade) {
		r.HeadersOut.Set("Connection", "Upgrade")
		r.HeadersOut.Set("Upgrade", h.Upgrade)
	}
	if original != 200 && !r.HeaderOnly && h.Framing != http1.NoBody && x.dir.Overrides(original) {
		r.Status, r.StatusLine = original, ""
	}
	length := x.atOnce()
	if r.Status == 200 && r.HeadersIn.Has("Range") && !r.FiltersBody(length) {
		if res, done := x.cutRange(); done {
			return res
		}
	}
	if h.Framing != http1.NoBody {
		x.body.ResetResponse(x.c, h)
		if x.body.Prime() != nil {
			return x.badBody()
		}
	}
	if err := r.Begin(length); err != nil {
		return x.beginFailed(err)
	}
	if h.Framing == http1.NoBody {
		x.release(h.KeepAlive)
		return runtime.OK
	}
	return x.relay()
}

// atOnce is the length of a body that is there as a whole, and would be one piece to httpd's filters; -1 for any other.
func (x *exchange) atOnce() int64 {
	h := &x.head
	switch {
	case h.Framing == http1.NoBody:
		return 0
	case h.Framing == http1.Length && h.ContentLength <= int64(x.c.Buffered()):
		return h.ContentLength
	}
	return -1
}

// beginFailed ends an answer whose head could not be sent: the server has answered 500 itself, or the client is gone.
func (x *exchange) beginFailed(err error) runtime.Result {
	x.closing = true
	var bad *http1.FieldError
	if !errors.As(err, &bad) {
		x.r.Wire.Abort()
	}
	return runtime.Done
}

// relay sends the body on. The connection goes back to the pool before the last bytes go to the client, who may be slow.
func (x *exchange) relay() runtime.Result {
	r, h := x.r, &x.head
	_, err := r.SendBody(&x.body)
	x.w.State.Read.Add(x.body.BytesRead())
	if err != nil {
		return x.relayFailed(err)
	}
	x.release(h.KeepAlive && x.body.Complete())
	return runtime.OK
}

// maxOverridden bounds what is read of a body that an error page of this server replaces.
const maxOverridden = 1 << 20

// override drops the answer for a page of this server's own (ProxyErrorOverride).
func (x *exchange) override() runtime.Result {
	r, h := x.r, &x.head
	if h.Status == 401 {
		if v, ok := r.HeadersOut.Lookup("WWW-Authenticate"); ok {
			r.ErrHeadersOut.Set("WWW-Authenticate", v)
		} else {
			r.Logf(Module, runtime.LogDebug, "AH01109", "origin server sent 401 without WWW-Authenticate header")
		}
	}
	r.Status = 200 // else the page's status would seem an error of an error page
	if h.Framing == http1.NoBody {
		x.release(h.KeepAlive)
	} else {
		x.body.ResetResponse(x.c, h)
		err := x.body.Discard(maxOverridden)
		x.release(err == nil && h.KeepAlive)
	}
	r.Notes.Set("proxy-error-override", "1")
	return runtime.Result(h.Status)
}

// http09 takes what is no HTTP/1 head for the body of an HTTP/0.9 answer. Its first line loses its end, as in httpd.
func (x *exchange) http09() runtime.Result {
	r := x.r
	x.closing = true
	r.Status, r.StatusLine = 200, "200 OK"
	x.body.Reset(x.c, http1.UntilClose, 0, &http1.DefaultLimits)
	line, length := x.firstLine(), int64(-1)
	if r.HeaderOnly {
		length = int64(len(line)) // all that httpd reads
	}
	if err := r.Begin(length); err != nil {
		return x.beginFailed(err)
	}
	if r.HeaderOnly {
		return runtime.OK
	}
	skip := make([]byte, len(line)+2)
	n := len(line)
	if b, _ := x.c.Peek(min(x.c.Buffered(), n+2)); len(b) > n && b[n] == '\n' {
		n++
	} else if len(b) > n+1 && b[n] == '\r' && b[n+1] == '\n' {
		n += 2
	}
	if n > 0 {
		if _, err := io.ReadFull(&x.body, skip[:n]); err != nil {
			return x.relayFailed(err)
		}
	}
	if _, err := io.WriteString(r, line); err != nil {
		return x.relayFailed(&http1.WriteError{Err: err})
	}
	_, err := r.SendBody(&x.body)
	x.w.State.Read.Add(x.body.BytesRead())
	if err != nil {
		return x.relayFailed(err)
	}
	return runtime.OK
}

// httpTime is how httpd writes dates.
const httpTime = "Mon, 02 Jan 2006 15:04:05 GMT"

// canonDate writes dates of the two old formats in the one of today (date_canon).
func canonDate(s string) string {
	if len(s) == len(httpTime) && s[3] == ',' && s[26:] == "GMT" {
		return s
	}
	for _, layout := range []string{"Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Format(httpTime)
		}
	}
	return s
}
