package runtime

import (
	"io"
	"strings"
)

// Allow is the value of an Allow header: AllowedMethods, and TRACE where it is enabled (httpd's make_allow).
func (r *Request) Allow() string {
	methods := r.AllowedMethods
	if !EqualFold(r.Server.Settings.TraceEnable.Or("on"), "off") {
		methods = append(methods[:len(methods):len(methods)], "TRACE")
	}
	return strings.Join(methods, ",")
}

// maxTrace is the largest request body that an extended TRACE sends back, in bytes.
const maxTrace = 64 << 10

// SendTrace answers with the request itself, as it came (httpd's ap_send_http_trace).
func (r *Request) SendTrace() Result {
	mode := r.Server.Settings.TraceEnable.Or("on")
	if EqualFold(mode, "off") {
		r.Notes.Set("error-notes", "TRACE denied by server configuration")
		return 405
	}
	var body []byte
	if r.Body.Length() != 0 {
		if !EqualFold(mode, "extended") {
			r.Notes.Set("error-notes", "TRACE with a request body is not allowed")
			return 413
		}
		var err error
		if body, err = io.ReadAll(io.LimitReader(r.Body, maxTrace+1)); err != nil {
			return 400
		}
		if len(body) > maxTrace {
			r.Notes.Set("error-notes", "Extended TRACE request bodies cannot exceed 64k\n")
			return 413
		}
	}
	var b strings.Builder
	b.WriteString(r.First().TheRequest)
	b.WriteString("\r\n")
	for _, f := range r.HeadersIn.Fields() {
		b.WriteString(f.Key + ": " + f.Value + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	// httpd doesn't say the length beforehand: the answer is chunked.
	r.ContentType = "message/http"
	r.SkipOutputHead()
	if r.Begin(-1) == nil {
		// Where the client is gone, nothing more is to be done.
		_, _ = io.WriteString(r, b.String())
	}
	return Done
}
