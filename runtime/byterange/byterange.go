// Package byterange reads the Range header as httpd's byterange filter does (RFC 9110 14.1.2).
package byterange

import (
	"math"
	"strings"
)

// Range is the bytes from Start to End, both included, of a body: 0 <= Start <= End < its length.
type Range struct{ Start, End int64 }

// Limits bound what one request may ask for, each -1 for no limit (MaxRanges, MaxRangeOverlaps, MaxRangeReversals).
type Limits struct{ Ranges, Overlaps, Reversals int }

// DefaultLimits are httpd's.
var DefaultLimits = Limits{Ranges: 200, Overlaps: 20, Reversals: 20}

// Parse reads the value of a Range header for a body of that length. Ranges that touch or overlap their predecessor are
// made one. No ranges and ok means that the header is to be ignored; not ok means that no range can be satisfied (416).
func Parse(header string, length int64, l Limits) (ranges []Range, ok bool) {
	if length <= 0 || len(header) < 6 || !strings.EqualFold(header[:6], "bytes=") {
		return nil, true
	}
	p := parsed{length: length}
	for rest := header[6:]; rest != ""; {
		var spec string
		spec, rest, _ = strings.Cut(rest, ",")
		// httpd takes commas in a row for one.
		rest = strings.TrimLeft(rest, ",")
		if spec == "" {
			break
		}
		start, end, valid := bounds(spec, length)
		if !valid {
			return nil, true
		}
		if start == 0 && spec[len(spec)-1] == '-' {
			// "0-" is the whole body: the other ranges don't matter.
			p.ranges, p.sum, p.open, p.last = p.ranges[:0], 0, true, Range{0, end}
			break
		}
		p.add(Range{start, min(end, length-1)})
	}
	switch {
	case p.open:
		p.flush()
	case len(p.ranges) == 0 && p.unsatisfiable:
		return nil, false
	}
	if p.sum > length || over(len(p.ranges), l.Ranges) || over(p.overlaps, l.Overlaps) || over(p.reversals, l.Reversals) {
		return nil, true
	}
	return p.ranges, true
}

func over(n, limit int) bool { return limit >= 0 && n > limit }

type parsed struct {
	length, sum         int64
	ranges              []Range
	last                Range // the range that the next one may join, where open
	open, unsatisfiable bool
	overlaps, reversals int
}

func (p *parsed) add(r Range) {
	switch {
	case r.Start >= p.length:
		p.unsatisfiable = true
		return
	case !p.open:
		p.open, p.last = true, r
		return
	}
	joined := r.Start >= p.last.Start && r.End <= p.last.End
	if r.Start < p.last.Start && r.End >= p.last.Start-1 {
		p.last.Start = r.Start
		p.reversals++
		joined = true
	}
	if r.End >= p.last.End && r.Start <= p.last.End+1 {
		p.last.End = r.End
		joined = true
	}
	if joined {
		p.overlaps++
		return
	}
	p.flush()
	p.last = r
}

func (p *parsed) flush() {
	p.ranges = append(p.ranges, p.last)
	p.sum += p.last.End - p.last.Start + 1
}

// bounds reads one range: "2-4", "2-" or "-2", the last bytes. The end may lie behind the body's.
func bounds(spec string, length int64) (start, end int64, ok bool) {
	first, last, dash := strings.Cut(spec, "-")
	if !dash {
		return 0, 0, false
	}
	if first == "" {
		n, ok := number(last)
		return max(length-n, 0), length - 1, ok && n > 0
	}
	if start, ok = number(first); !ok {
		return 0, 0, false
	}
	if last == "" {
		return start, length - 1, true
	}
	end, ok = number(last)
	return start, end, ok && start <= end
}

// number reads digits alone, as httpd's ap_parse_strict_length.
func number(s string) (n int64, ok bool) {
	for i := 0; i < len(s); i++ {
		d := int64(s[i]) - '0'
		if d < 0 || d > 9 || n > (math.MaxInt64-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, s != ""
}
