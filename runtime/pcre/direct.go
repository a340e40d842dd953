package pcre

import "strings"

// Most patterns of a configuration never need a choice undone: in
// ^/app/([^/]+)(/.*)?$ the next byte says each time what comes. For these, a short
// program runs over the bytes, without backtracking and without a copy for bytes
// from 0x80 on: six to thirty times as fast as Go's regexp (see BenchmarkFind).
//
// A choice needs no undoing when the bytes that lead into one way can't begin
// the other (like LL(1) in parsers), or when the way in and all that follows can't
// fail; or when the distance to the subject's end decides, as in ^(.*)\.html$.
// Then greedy and lazy are the same, and so is the order of branches.

type inst struct {
	op       dop
	stop     byte // dUntil
	set      set
	lit      string
	n        int // slot, target or distance
	min, max int
	table    *[256]int // of targets
}

type dop uint8

const (
	dLit    dop = iota // lit
	dSet               // one byte of set
	dSpan              // min to max bytes of set, as many as there are
	dUntil             // dSpan of all bytes but stop, without max
	dRest              // all that is left, min bytes or more
	dTo                // min to max bytes of set, up to n bytes before the end
	dSave              // the offset into slot n
	dSplit             // goes on if the next byte is in set, else jumps to n
	dSwitch            // jumps to where table says for the next byte, to n without one
	dJump              // to n
	dStart             // at the subject's start
	dEnd               // at the subject's end
	dMatch
)

// maxDirect bounds a program; long ones are left to Go's regexp.
const maxDirect = 1000

// shortRun is the longest repeat that may fail at each start of a search
// without an anchor; beyond, the search would take the square of the length.
const shortRun = 32

// direct is a matcher.
type direct struct {
	prog     []inst
	anchored bool
	prefix   string // where a search stops to look
	first    set    // the same, when prefix is empty
	empty    bool   // may match without reading a byte
}

func (d *direct) match(s string) (bool, error) { return d.find(s, nil) }

func (d *direct) find(s string, loc []int) (bool, error) {
	if d.anchored {
		return d.run(s, 0, loc), nil
	}
	for at := 0; at <= len(s); at++ {
		switch {
		case d.prefix != "":
			next := strings.Index(s[at:], d.prefix)
			if next < 0 {
				return false, nil
			}
			at += next
		case !d.empty:
			for at < len(s) && !d.first.has(s[at]) {
				at++
			}
			if at == len(s) {
				return false, nil
			}
		}
		if d.run(s, at, loc) {
			return true, nil
		}
		for i := range loc {
			loc[i] = -1
		}
	}
	return false, nil
}

// run tries a match that begins at offset i. loc may be nil.
func (d *direct) run(s string, i int, loc []int) bool {
	if loc != nil {
		loc[0] = i
	}
	for pc := 0; ; pc++ {
		in := &d.prog[pc]
		switch in.op {
		case dLit:
			if !strings.HasPrefix(s[i:], in.lit) {
				return false
			}
			i += len(in.lit)
		case dSet:
			if i == len(s) || !in.set.has(s[i]) {
				return false
			}
			i++
		case dSpan:
			end := len(s)
			if in.max != unbounded && end-i > in.max {
				end = i + in.max
			}
			from := i
			for i < end && in.set.has(s[i]) {
				i++
			}
			if i-from < in.min {
				return false
			}
		case dUntil:
			n := strings.IndexByte(s[i:], in.stop)
			if n < 0 {
				n = len(s) - i
			}
			if n < in.min {
				return false
			}
			i += n
		case dRest:
			if len(s)-i < in.min {
				return false
			}
			i = len(s)
		case dTo:
			n := len(s) - in.n - i
			if n < in.min || in.max != unbounded && n > in.max {
				return false
			}
			end := i + n
			if in.set == all {
				i = end
			}
			for ; i < end; i++ {
				if !in.set.has(s[i]) {
					return false
				}
			}
		case dSave:
			if loc != nil {
				loc[in.n] = i
			}
		case dSplit:
			if i == len(s) || !in.set.has(s[i]) {
				pc = in.n - 1
			}
		case dSwitch:
			if i == len(s) {
				pc = in.n - 1
			} else {
				pc = in.table[s[i]] - 1
			}
		case dJump:
			pc = in.n - 1
		case dStart:
			if i != 0 {
				return false
			}
		case dEnd:
			if i != len(s) {
				return false
			}
		case dMatch:
			if loc != nil {
				loc[1] = i
			}
			return true
		}
	}
}
