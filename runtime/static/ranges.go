package static

import (
	"crypto/rand"
	"fmt"
	"io"
	"strconv"

	"pinion/runtime"
	"pinion/runtime/byterange"
	"pinion/runtime/file"
)

// boundary separates the parts of every multipart answer of this process.
var boundary = func() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails; the program ends otherwise
	return fmt.Sprintf("%x", b)
}()

// flushedParts is how many parts httpd gathers before it sends the first ones, and so no longer knows the length.
const flushedParts = 32

// serveRange answers with the parts of the file that the Range header asks for, or with the whole of it where the
// header is to be ignored (httpd's byterange filter).
func serveRange(r *runtime.Request, f *file.File, size int64) runtime.Result {
	ranges, ok := r.Ranges(size)
	if !ok {
		// httpd's 416 comes from a filter, after the length was settled, and has none.
		r.UnknownLength = true
		if runtime.HasToken(r.HeadersIn.Get("Connection"), "close") {
			r.Conn.KeepAlive = runtime.KeepAliveClose
		}
		return 416
	}
	switch len(ranges) {
	case 0:
		if err := r.Begin(size); err != nil {
			return runtime.Done
		}
		return sendPart(r, f, size)
	case 1:
		return serveOne(r, f, size, ranges[0])
	}
	return serveMany(r, f, size, ranges)
}

func serveOne(r *runtime.Request, f *file.File, size int64, part byterange.Range) runtime.Result {
	n := part.End - part.Start + 1
	r.Status = 206
	r.HeadersOut.Set("Content-Length", strconv.FormatInt(n, 10))
	r.HeadersOut.Set("Content-Range", contentRange(part, size))
	if err := r.Begin(n); err != nil {
		return runtime.Done
	}
	return seekAndSend(r, f, part)
}

func contentRange(p byterange.Range, size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", p.Start, p.End, size)
}

func seekAndSend(r *runtime.Request, f *file.File, p byterange.Range) runtime.Result {
	if _, err := f.Seek(p.Start, io.SeekStart); err != nil {
		return 500
	}
	return sendPart(r, f, p.End-p.Start+1)
}

func serveMany(r *runtime.Request, f *file.File, size int64, ranges []byterange.Range) runtime.Result {
	head := "\r\n--" + boundary
	if ct := r.MakeContentType(r.ContentType); ct != "" {
		head += "\r\nContent-type: " + ct
	}
	head += "\r\nContent-range: "
	heads := make([]string, len(ranges))
	end := "\r\n--" + boundary + "--\r\n"
	length := int64(len(end))
	for i, p := range ranges {
		heads[i] = head + contentRange(p, size) + "\r\n\r\n"
		length += int64(len(heads[i])) + p.End - p.Start + 1
	}
	r.Status = 206
	r.ContentType = "multipart/byteranges; boundary=" + boundary
	if len(ranges) > flushedParts {
		r.HeadersOut.Del("Content-Length")
		length = -1
	} else {
		r.HeadersOut.Set("Content-Length", strconv.FormatInt(length, 10))
	}
	if err := r.Begin(length); err != nil {
		return runtime.Done
	}
	for i, p := range ranges {
		if _, err := io.WriteString(r, heads[i]); err != nil {
			return 500
		}
		if res := seekAndSend(r, f, p); res != runtime.OK {
			return res
		}
	}
	if _, err := io.WriteString(r, end); err != nil {
		return 500
	}
	return runtime.OK
}
