package static

import (
	"io"
	"strings"

	"pinion/runtime"
)

// maxTraceBody is the longest body that TraceEnable extended echoes, in bytes.
const maxTraceBody = 64 << 10

// trace echoes the request (ap_send_http_trace).
func trace(r *runtime.Request) runtime.Result {
	if r.Method != "TRACE" {
		return runtime.Declined
	}
	first := r.First()
	mode := first.Server.Settings.TraceEnable.Or("on")
	if mode == "off" {
		r.Notes.Set("error-notes", "TRACE denied by server configuration")
		return 405
	}
	var body []byte
	if first.Body.Length() != 0 {
		if mode != "extended" {
			r.Logf(nil, runtime.LogInfo, "AH01595", "TRACE with body is not allowed for %s", r.URI)
			r.Notes.Set("error-notes", "TRACE with a request body is not allowed")
			return 413
		}
		var err error
		body, err = io.ReadAll(io.LimitReader(first.Body, maxTraceBody+1))
		if res := bodyResult(err); res != runtime.OK {
			return res
		}
		if len(body) > maxTraceBody {
			r.Notes.Set("error-notes", "Extended TRACE request bodies cannot exceed 64k\n")
			return 413
		}
	}
	var b strings.Builder
	b.WriteString(first.TheRequest + "\r\n")
	for _, f := range first.HeadersIn.Fields() {
		b.WriteString(f.Key + ": " + f.Value + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(body)
	r.ContentType = "message/http"
	// What follows is done whether or not the client reads it.
	if r.Begin(-1) == nil {
		_, _ = io.WriteString(r, b.String())
	}
	return runtime.Done
}
