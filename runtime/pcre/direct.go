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
// Then greedy, lazy and possessive are the same, and so is the order of branches.

type inst struct {
	op       dop
	stop     byte // dUntil
	set      set
	lit      string
	n        int // slot, target or distance
	min, max int
}

type dop uint8

const (
	dLit   dop = iota // lit
	dSet              // one byte of set
	dSpan             // min to max bytes of set, as many as there are
	dUntil            // dSpan of all bytes but stop, without max
	dRest             // all that is left, min bytes or more
	dTo               // min to max bytes of set, up to n bytes before the end
	dSave             // the offset into slot n
	dSplit            // goes on if the next byte is in set, else jumps to n
	dJump             // to n
	dStart            // at the subject's start
	dEnd              // at the subject's end
	dMatch
)

// maxDirect bounds a program; long ones are left to Go's regexp.
const maxDirect = 200

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

// follow is what stands after a node.
type follow struct {
	set  set  // the bytes with which it can begin
	sure bool // it can't fail
	tail int  // the bytes it takes up to the subject's end, -1 when that varies
}

type builder struct {
	prog []inst
	work int  // calls of build, so that nested copies of nothing end
	mark int  // no literal is joined with one before this instruction
	slow bool // a run without bound can fail at its end
}

// newDirect returns nil when a choice may have to be undone.
func newDirect(n *node, prefix string, anchored bool) *direct {
	b := &builder{}
	end := follow{set: all, sure: true, tail: -1}
	if !b.build(n, end) || b.slow && !anchored {
		return nil
	}
	b.emit(inst{op: dMatch})
	if len(b.prog) > maxDirect {
		return nil
	}
	return &direct{prog: b.prog, anchored: anchored, prefix: prefix, first: first(n, set{}), empty: n.nullable()}
}

// first returns the bytes with which n can begin, or what follows when n is empty.
func first(n *node, after set) set {
	switch n.op {
	case opSet:
		return n.set
	case opCat:
		for i := len(n.subs) - 1; i >= 0; i-- {
			after = first(n.subs[i], after)
		}
		return after
	case opAlt:
		var s set
		for _, sub := range n.subs {
			s.union(first(sub, after))
		}
		return s
	case opRepeat:
		if n.max == 0 {
			return after
		}
		s := first(n.subs[0], after)
		if n.min == 0 {
			s.union(after)
		}
		return s
	case opGroup, opAtomic:
		return first(n.subs[0], after)
	case opAssert:
		if n.n == atEnd {
			return set{}
		}
	}
	return after
}

// total reports whether n matches whenever its first byte does.
func total(n *node) bool {
	switch n.op {
	case opSet:
		return true
	case opGroup, opAtomic:
		return total(n.subs[0])
	case opCat:
		if len(n.subs) == 0 || !total(n.subs[0]) {
			return false
		}
		for _, s := range n.subs[1:] {
			if !optional(s) {
				return false
			}
		}
		return true
	}
	return false
}

// optional reports whether n matches anywhere.
func optional(n *node) bool {
	switch n.op {
	case opGroup, opAtomic:
		return optional(n.subs[0])
	case opRepeat:
		return n.min == 0 && total(n.subs[0])
	case opCat:
		for _, s := range n.subs {
			if !optional(s) {
				return false
			}
		}
		return true
	}
	return n.op == opKeep
}

// before returns what stands in front of n when f follows it.
func (f follow) before(n *node) follow {
	r := follow{set: first(n, f.set), sure: f.sure && optional(n), tail: -1}
	if n.op == opAssert && n.n == atEnd {
		r.tail = 0
	} else if w, ok := n.width(); ok && f.tail >= 0 {
		r.tail = f.tail + w
	}
	return r
}

func (b *builder) emit(in inst) int {
	b.prog = append(b.prog, in)
	return len(b.prog) - 1
}

// land makes the next instruction the target of jumps.
func (b *builder) land(from ...int) {
	b.mark = len(b.prog)
	for _, i := range from {
		b.prog[i].n = len(b.prog)
	}
}

func (b *builder) build(n *node, f follow) bool {
	if b.work++; b.work > 10*maxDirect || len(b.prog) > maxDirect {
		return false
	}
	switch n.op {
	case opSet:
		c, single := n.set.single()
		if last := len(b.prog) - 1; single && last >= b.mark && b.prog[last].op == dLit {
			b.prog[last].lit += string([]byte{c})
		} else if single {
			b.emit(inst{op: dLit, lit: string([]byte{c})})
		} else {
			b.emit(inst{op: dSet, set: n.set})
		}
		return true
	case opCat:
		after := make([]follow, len(n.subs))
		for i := len(n.subs) - 1; i >= 0; i-- {
			after[i] = f
			f = f.before(n.subs[i])
		}
		for i, s := range n.subs {
			if !b.build(s, after[i]) {
				return false
			}
		}
		return true
	case opAlt:
		return b.branches(n.subs, f)
	case opRepeat:
		return b.repeat(n, f)
	case opGroup:
		b.emit(inst{op: dSave, n: 2 * n.n})
		ok := b.build(n.subs[0], f)
		b.emit(inst{op: dSave, n: 2*n.n + 1})
		return ok
	case opAtomic:
		return b.build(n.subs[0], f)
	case opKeep:
		b.emit(inst{op: dSave, n: 0})
		return true
	case opAssert:
		switch n.n {
		case atStart:
			b.emit(inst{op: dStart})
			return true
		case atEnd:
			b.emit(inst{op: dEnd})
			return true
		}
	}
	return false
}

func (b *builder) branches(subs []*node, f follow) bool {
	var ends []int
	for i, s := range subs[:len(subs)-1] {
		own := first(s, f.set)
		for _, other := range subs[i+1:] {
			if own.meets(first(other, f.set)) {
				return false
			}
		}
		// At the subject's end no byte decides: only the last may be empty.
		if s.nullable() {
			return false
		}
		split := b.emit(inst{op: dSplit, set: own})
		b.mark = len(b.prog)
		if !b.build(s, f) {
			return false
		}
		ends = append(ends, b.emit(inst{op: dJump}))
		b.land(split)
	}
	ok := b.build(subs[len(subs)-1], f)
	b.land(ends...)
	return ok
}

func (b *builder) repeat(n *node, f follow) bool {
	sub := n.subs[0]
	if n.max == 0 {
		return true
	}
	own := first(sub, set{})
	apart := !own.meets(f.set)
	if n.min == n.max && n.max <= 4 {
		return b.copies(n, f)
	}
	if sub.op == opSet {
		if !apart && f.tail >= 0 {
			b.slow = b.slow || n.max == unbounded || n.max > shortRun
			b.emit(inst{op: dTo, set: sub.set, min: n.min, max: n.max, n: f.tail})
			return true
		}
		if apart || n.min == n.max || f.sure && n.greed != lazy {
			b.slow = b.slow || !f.sure && (n.max == unbounded || n.max > shortRun)
			b.span(sub.set, n)
			return true
		}
		return false
	}
	if sub.nullable() || !apart && !(f.sure && total(sub) && n.greed != lazy) {
		return false
	}
	b.slow = b.slow || n.max == unbounded || n.max > shortRun
	return b.copies(n, f)
}

// span writes a run of bytes of s, in the form that is the cheapest to run.
func (b *builder) span(s set, n *node) {
	in := inst{op: dSpan, set: s, min: n.min, max: n.max}
	if stop, ok := s.not().single(); ok && n.max == unbounded {
		in.op, in.stop = dUntil, stop
	} else if s == all && n.max == unbounded {
		in.op = dRest
	}
	b.emit(in)
}

// copies writes a repeat out: min times, then max-min times or a loop behind a
// split each.
func (b *builder) copies(n *node, f follow) bool {
	sub := n.subs[0]
	own := first(sub, set{})
	inner := f
	if n.max != 1 {
		inner = follow{set: f.set, sure: f.sure && total(sub), tail: -1}
		inner.set.union(own)
	}
	for range n.min {
		if !b.build(sub, inner) {
			return false
		}
	}
	if n.max == unbounded {
		b.mark = len(b.prog)
		loop := b.emit(inst{op: dSplit, set: own})
		b.mark = len(b.prog)
		ok := b.build(sub, inner)
		b.emit(inst{op: dJump, n: loop})
		b.land(loop)
		return ok
	}
	var splits []int
	for range n.max - n.min {
		splits = append(splits, b.emit(inst{op: dSplit, set: own}))
		b.mark = len(b.prog)
		if !b.build(sub, inner) {
			return false
		}
	}
	b.land(splits...)
	return true
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
