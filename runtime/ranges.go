package runtime

import (
	"strconv"
	"strings"

	"pinion/runtime/byterange"
)

// Ranges tells which parts of a body of that length the client asked for, for an answer whose head is in HeadersOut
// (httpd's byterange filter). None and ok is the whole; not ok is a 416. The OutputHead hooks run before, as mod_headers'
// filter does: they see the whole answer.
func (r *Request) Ranges(length int64) (ranges []byterange.Range, ok bool) {
	if r.Main != nil {
		return nil, true
	}
	r.outputHead(length)
	if r.filtering != nil {
		return nil, true // the filters' result is what the ranges are of
	}
	return r.ranges(length)
}

func (r *Request) ranges(length int64) (ranges []byterange.Range, ok bool) {
	value, asked := r.HeadersIn.Lookup("Range")
	if !asked || r.Status != 200 || r.ProtoNum < HTTP10 || r.HeadersOut.Has("Content-Range") || r.ifRange() == noMatch {
		return nil, true
	}
	const multipart = "multipart/byteranges"
	if t := r.HeadersOut.Get("Content-Type"); len(t) >= len(multipart) && strings.EqualFold(t[:len(multipart)], multipart) {
		return nil, true
	}
	d, def := &r.Dir.Core, byterange.DefaultLimits
	return byterange.Parse(value, length, byterange.Limits{Ranges: d.MaxRanges.Or(def.Ranges),
		Overlaps: d.MaxRangeOverlaps.Or(def.Overlaps), Reversals: d.MaxRangeReversals.Or(def.Reversals)})
}

// setPart makes the head that of one part of a body.
func (r *Request) setPart(part byterange.Range, of int64) {
	r.Status, r.StatusLine = 206, ""
	r.HeadersOut.Set("Content-Length", strconv.FormatInt(part.End-part.Start+1, 10))
	r.HeadersOut.Set("Content-Range", "bytes "+strconv.FormatInt(part.Start, 10)+"-"+strconv.FormatInt(part.End, 10)+"/"+strconv.FormatInt(of, 10))
}
