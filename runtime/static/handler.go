package static

import (
	"errors"
	"io"
	"strconv"
	"sync"
	"time"

	"pinion/runtime"
	"pinion/runtime/file"
)

var allowed = []string{"GET", "HEAD", "OPTIONS", "POST"}

// serve is httpd's default handler.
func serve(r *runtime.Request) runtime.Result {
	if len(r.AllowedMethods) == 0 {
		r.AllowedMethods = allowed
	}
	if res := discardBody(r); res != runtime.OK {
		return res
	}
	switch r.Method {
	case "GET", "HEAD", "POST":
		return serveFile(r)
	case "OPTIONS":
		r.HeadersOut.Set("Allow", r.Allow())
		if r.Begin(0) != nil {
			return runtime.Done
		}
		return runtime.OK
	}
	if !r.Graph.KnownMethod(r.Method) {
		r.Logf(nil, runtime.LogErr, "AH00135", "Invalid method in request %s", r.TheRequest)
		return 501
	}
	return 405
}

var discards = sync.Pool{New: func() any { b := make([]byte, 8<<10); return &b }}

// discardBody reads a request's body that nobody wants, so that a bad or too long one is answered with its error
// (ap_discard_request_body).
func discardBody(r *runtime.Request) runtime.Result {
	if r.Body == runtime.NoBody || r.Main != nil || r.Conn.KeepAlive == runtime.KeepAliveClose {
		return runtime.OK
	}
	buf := discards.Get().(*[]byte)
	defer discards.Put(buf)
	for {
		if _, err := r.Body.Read(*buf); err != nil {
			res := bodyResult(err)
			// httpd's error comes from a filter, after the length was settled, and has none.
			r.UnknownLength = res != runtime.OK
			return res
		}
	}
}

func bodyResult(err error) runtime.Result {
	var bad *runtime.BodyError
	switch {
	case err == nil || err == io.EOF:
		return runtime.OK
	case errors.As(err, &bad):
		return runtime.Result(bad.Status)
	}
	return 400
}

func serveFile(r *runtime.Request) runtime.Result {
	if _, ok := runtime.ScriptHandler(r.Handler); ok {
		// An expression gave it, or the configuration would have been refused.
		r.Logf(nil, runtime.LogErr, "AH00519", "handler \"%s\" not found for: %s", r.Handler, r.Filename)
		return 500
	}
	switch info := r.FileInfo; {
	case info == nil:
		r.Logf(nil, runtime.LogInfo, "AH00128", "File does not exist: %s", r.Filename+r.PathInfo)
		return 404
	case info.IsDir():
		r.Logf(nil, runtime.LogInfo, "AH00129", "Attempt to serve directory: %s", r.Filename)
		return 404
	case r.PathInfo != "" && r.Dir.Core.AcceptPathInfo.Or("default") != "on":
		r.Logf(nil, runtime.LogInfo, "AH00130", "File does not exist: %s", r.Filename+r.PathInfo)
		return 404
	}
	f, err := file.Open(r.Filename)
	if err != nil {
		r.Logf(nil, runtime.LogErr, "AH00132", "(%v) file permissions deny server access: %s", err, r.Filename)
		return 403
	}
	defer f.Close()
	// What was opened counts, not what was there before: the length must be the one that can be read.
	r.FileInfo = f.Info()
	if !r.FileInfo.Mode().IsRegular() {
		r.Logf(nil, runtime.LogErr, "AH00038", "Forbidden: %s doesn't point to a file or directory", r.Filename)
		return 403
	}
	setValidators(r, f)
	size := r.FileInfo.Size()
	r.HeadersOut.Set("Content-Length", strconv.FormatInt(size, 10))
	if status := r.MeetsConditions(); status != runtime.OK {
		r.Status = int(status)
		if !r.HeaderOnly {
			r.HeadersOut.Set("Content-Length", "0")
		}
		return begun(r.Begin(0))
	}
	return serveRange(r, f, size)
}

// setValidators sets Last-Modified, ETag and Accept-Ranges.
func setValidators(r *runtime.Request, f *file.File) {
	out := &r.HeadersOut
	out.Set("Last-Modified", lastModified(r))
	if tag := fileETag(r, f); tag != "" {
		out.Set("ETag", tag)
	} else {
		r.Notes.Set("no-etag", "omit")
	}
	ranges := "bytes"
	if m := r.Dir.Core.MaxRanges; m.Set && m.V == 0 {
		ranges = "none"
	}
	out.Set("Accept-Ranges", ranges)
}

// lastModified is the file's time, no later than now.
func lastModified(r *runtime.Request) string {
	t := r.FileInfo.ModTime()
	if t.After(r.Time) {
		if now := time.Now(); t.After(now) {
			t = now
		}
	}
	return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
}

func begun(err error) runtime.Result {
	if err != nil {
		return runtime.Done
	}
	return runtime.OK
}

// sendPart sends the next n bytes of the file. A file that has become shorter, or can't be read, leaves the answer
// without its end: the 500 makes the engine cut the connection, the head being out.
func sendPart(r *runtime.Request, f *file.File, n int64) runtime.Result {
	if r.NoBodyToSend() {
		return runtime.OK
	}
	sent, err := r.SendBody(&io.LimitedReader{R: f, N: n})
	if !r.NoBodyToSend() && (err != nil || sent < n && r.Main == nil) {
		r.Logf(nil, runtime.LogDebug, "AH00133", "default_handler: sent %d of %d bytes of %s: %v", sent, n, r.Filename, err)
		return 500
	}
	return runtime.OK
}
