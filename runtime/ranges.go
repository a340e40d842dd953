package runtime

import (
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
	r.outputHead()
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
