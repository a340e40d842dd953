package core

import (
	"io"
	"strings"

	"pinion/runtime"
)

// heads marks the servers whose requests' heads are looked at again, by StrictHostCheck and RegisteredMethods: the
// others have no hook for it.
type heads struct{}

func checkHead(r *runtime.Request) runtime.Result {
	s := r.Server
	if s.Settings.RegisteredMethods.Or(false) && !r.Graph.KnownMethod(r.Method) {
		r.Logf(nil, runtime.LogDebug, "AH02423", "HTTP Request Line; Unrecognized HTTP method: '%s' (disallowed by RegisteredMethods)", r.Method)
		return 501
	}
	// Where no virtual host has the name, the first one of the address was taken, or the main server.
	if s.Settings.StrictHostCheck.Or(false) && r.Hostname != "" && !s.Called(r.Hostname) {
		if s.Main {
			r.Logf(nil, runtime.LogWarn, "AH10156", "Requested hostname '%s' did not match any ServerName/ServerAlias in the global server configuration ", r.Hostname)
		} else {
			r.Logf(nil, runtime.LogWarn, "AH10157", "Requested hostname '%s' did not match any ServerName/ServerAlias in the matching virtual host "+
				"(default vhost for current connection is %s:%d)", r.Hostname, s.Place.File, s.Place.Range.Start.Line)
		}
		return 400
	}
	return runtime.OK
}

// traceAndOptions answers what http_core answers by itself: TRACE, and OPTIONS of the server as a whole.
func traceAndOptions(r *runtime.Request) runtime.Result {
	switch {
	case r.Method == "OPTIONS" && r.URI == "*":
		r.SkipOutputHead()
		return runtime.Done
	case r.Method == "TRACE":
		return trace(r)
	}
	return runtime.Declined
}

// maxTrace is the largest request body that an extended TRACE sends back, in bytes.
const maxTrace = 64 << 10

// trace is httpd's ap_send_http_trace: the request goes back as it came.
func trace(r *runtime.Request) runtime.Result {
	mode := r.Server.Settings.TraceEnable.Or("on")
	if mode == "off" {
		r.Notes.Set("error-notes", "TRACE denied by server configuration")
		return 405
	}
	var body []byte
	if r.Body.Length() != 0 {
		if mode != "extended" {
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
	return runtime.Done
}
