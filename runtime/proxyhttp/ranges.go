package proxyhttp

import (
	"io"
	"strconv"
	"strings"

	"pinion/runtime"
	"pinion/runtime/byterange"
	"pinion/runtime/http1"
)

// wholeAtOnce is how much of a body httpd's byterange filter sees in one piece; of longer ones it cuts nothing.
const wholeAtOnce = 8192

// cutRange answers a request for one range that the backend has answered with the whole of a small body (httpd's byterange
// filter). done is false where the answer is to go out as it is.
func (x *exchange) cutRange() (res runtime.Result, done bool) {
	r, h := x.r, &x.head
	want, ok := r.HeadersIn.Lookup("Range")
	if !ok || h.Framing != http1.Length || h.ContentLength > wholeAtOnce || int64(x.c.Buffered()) < h.ContentLength ||
		r.HeadersOut.Has("Content-Range") || !x.ifRange() || strings.HasPrefix(r.ContentType, "multipart/byteranges") {
		return 0, false
	}
	d := &r.Dir.Core
	parts, ok := byterange.Parse(want, h.ContentLength, byterange.Limits{Ranges: d.MaxRanges.Or(byterange.DefaultLimits.Ranges),
		Overlaps: d.MaxRangeOverlaps.Or(byterange.DefaultLimits.Overlaps), Reversals: d.MaxRangeReversals.Or(byterange.DefaultLimits.Reversals)})
	if ok && len(parts) != 1 {
		return 0, false
	}
	x.body.ResetResponse(x.c, h)
	body := make([]byte, h.ContentLength)
	if _, err := io.ReadFull(&x.body, body); err != nil {
		return x.relayFailed(err), true
	}
	x.w.State.Read.Add(h.ContentLength)
	x.release(h.KeepAlive)
	if !ok {
		r.StatusLine, r.UnknownLength = "", true
		return 416, true
	}
	part := body[parts[0].Start : parts[0].End+1]
	r.Status, r.StatusLine = 206, ""
	r.HeadersOut.Set("Content-Length", strconv.Itoa(len(part)))
	r.HeadersOut.Set("Content-Range", "bytes "+strconv.FormatInt(parts[0].Start, 10)+"-"+strconv.FormatInt(parts[0].End, 10)+"/"+strconv.Itoa(len(body)))
	if err := r.Begin(int64(len(part))); err != nil {
		return x.beginFailed(err), true
	}
	if _, err := r.Write(part); err != nil {
		return x.relayFailed(&http1.WriteError{Err: err}), true
	}
	return runtime.OK, true
}

// ifRange tells whether the client's If-Range names what the backend has sent, or there is none.
func (x *exchange) ifRange() bool {
	v, ok := x.r.HeadersIn.Lookup("If-Range")
	if !ok {
		return true
	}
	if strings.HasPrefix(v, `"`) {
		return v == x.r.HeadersOut.Get("ETag")
	}
	return v == x.r.HeadersOut.Get("Last-Modified")
}
