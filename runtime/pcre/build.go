package pcre

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
	anchored = anchored || leadsAnywhere(n)
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
	case opGroup:
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
	case opGroup:
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
	case opGroup:
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
	// (.*)$ can't fail either, whatever comes.
	sure := f.sure && optional(n) || f.tail == 0 && takesAll(n)
	r := follow{set: first(n, f.set), sure: sure, tail: -1}
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

// branches writes a choice that the next byte makes. As the branches exclude each
// other, their order is of no matter, but at the subject's end there is no byte:
// one branch at most may be empty, and it becomes the default.
func (b *builder) branches(subs []*node, f follow) bool {
	subs = factor(subs)
	if len(subs) == 1 {
		return b.build(subs[0], f)
	}
	var seen set
	other := len(subs) - 1
	for i, s := range subs {
		own := first(s, f.set)
		if own.meets(seen) || s.nullable() && other != len(subs)-1 {
			return false
		}
		seen.union(own)
		if s.nullable() {
			other = i
		}
	}
	if other != len(subs)-1 && subs[len(subs)-1].nullable() {
		return false
	}
	table := new([256]int)
	choice := b.emit(inst{op: dSwitch, table: table})
	var ends []int
	for i, s := range subs {
		b.mark = len(b.prog)
		if i == other {
			b.prog[choice].n = len(b.prog)
		} else {
			for c, own := 0, first(s, f.set); c < 256; c++ {
				if own.has(byte(c)) {
					table[c] = len(b.prog)
				}
			}
		}
		if !b.build(s, f) {
			return false
		}
		ends = append(ends, b.emit(inst{op: dJump}))
	}
	for c := range table {
		if table[c] == 0 { // no branch stands at 0: the choice itself is before
			table[c] = b.prog[choice].n
		}
	}
	b.land(ends...)
	return true
}

// factor joins the branches that begin with the same byte: gif|jpe?g|js becomes
// gif|j(?:pe?g|s). The order among those joined stays.
func factor(subs []*node) []*node {
	var out []*node
	heads := map[set]int{}
	tails := map[int][]*node{}
	for _, s := range subs {
		seq := []*node{s}
		if s.op == opCat {
			seq = s.subs
		}
		if len(seq) == 0 || seq[0].op != opSet {
			out = append(out, s)
			continue
		}
		at, ok := heads[seq[0].set]
		if !ok {
			at = len(out)
			heads[seq[0].set] = at
			out = append(out, s)
		}
		tails[at] = append(tails[at], &node{op: opCat, subs: seq[1:]})
		if ok {
			out[at] = &node{op: opCat, subs: []*node{seq[0], {op: opAlt, subs: tails[at]}}}
		}
	}
	return out
}

// takesAll reports whether n is .* for all bytes, captured or not.
func takesAll(n *node) bool {
	switch n.op {
	case opGroup:
		return takesAll(n.subs[0])
	case opCat:
		return len(n.subs) == 1 && takesAll(n.subs[0])
	case opRepeat:
		return n.min == 0 && n.max == unbounded && n.greed != possessive && n.subs[0].op == opSet && n.subs[0].set == all
	}
	return false
}

// leadsAnywhere reports whether n begins with .* for all bytes. A search that
// fails at the first byte then fails at each one after it.
func leadsAnywhere(n *node) bool {
	for n.op == opGroup || n.op == opCat && len(n.subs) > 0 {
		n = n.subs[0]
	}
	return takesAll(n)
}

func (b *builder) repeat(n *node, f follow) bool {
	sub := n.subs[0]
	if n.max == 0 {
		return true
	}
	if n.greed == possessive {
		// It takes what it would take if nothing followed: for a set, all there
		// is, without a look at the end; for more than a set, who knows.
		if f.tail = -1; sub.op != opSet {
			return false
		}
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
