package pcre

// op tells the kinds of node apart.
type op uint8

const (
	opSet    op = iota // one byte out of set
	opCat              // subs, one after the other
	opAlt              // the first of subs that leads to a match
	opRepeat           // subs[0], min to max times
	opGroup            // a capture, number n
	opAtomic           // (?>…)
	opLook             // (?=…) (?!…) (?<=…) (?<!…)
	opAssert           // a place, of kind n
	opRef              // back-reference to group n
	opCond             // (?(n)yes|no): subs are yes and no
	opKeep             // \K: the match begins here
)

// The kinds of opAssert.
const (
	atStart     = iota // \A, ^
	atLineStart        // ^ under (?m)
	atEnd              // \z, $ with DollarEndOnly
	atLastLine         // \Z, $ without: also before a final newline
	atLineEnd          // $ under (?m)
	atWord             // \b
	notAtWord          // \B
)

const unbounded = -1 // the max of * and +

type greed uint8

const (
	greedy greed = iota
	lazy
	possessive
)

// node is one node of a parsed pattern. Flags are resolved while parsing: a set
// holds both cases under (?i), an opAssert says which kind of $ it is.
type node struct {
	op       op
	greed    greed
	neg      bool // opLook
	behind   bool // opLook
	fold     bool // opRef
	n        int
	min, max int
	set      set
	subs     []*node
}

// nullable reports whether n can match the empty string; when in doubt, yes.
func (n *node) nullable() bool {
	switch n.op {
	case opSet:
		return false
	case opCat:
		for _, s := range n.subs {
			if !s.nullable() {
				return false
			}
		}
		return true
	case opAlt:
		for _, s := range n.subs {
			if s.nullable() {
				return true
			}
		}
		return false
	case opRepeat:
		return n.min == 0 || n.subs[0].nullable()
	case opGroup, opAtomic:
		return n.subs[0].nullable()
	}
	return true
}

// width returns the fixed number of bytes that n matches.
func (n *node) width() (int, bool) {
	switch n.op {
	case opSet:
		return 1, true
	case opCat:
		sum := 0
		for _, s := range n.subs {
			w, ok := s.width()
			if !ok {
				return 0, false
			}
			if sum += w; sum > maxBehind {
				return 0, false
			}
		}
		return sum, true
	case opAlt:
		first, ok := n.subs[0].width()
		for _, s := range n.subs[1:] {
			w, fixed := s.width()
			ok = ok && fixed && w == first
		}
		return first, ok
	case opRepeat:
		w, ok := n.subs[0].width()
		if n.max == 0 || n.subs[0].op == opLook {
			return 0, ok
		}
		return w * n.min, ok && n.min == n.max && w*n.min <= maxBehind
	case opGroup, opAtomic:
		return n.subs[0].width()
	case opLook, opAssert:
		return 0, true
	}
	return 0, false
}

// any reports whether f is true for n or a node below it.
func (n *node) any(f func(*node) bool) bool {
	if f(n) {
		return true
	}
	for _, s := range n.subs {
		if s.any(f) {
			return true
		}
	}
	return false
}

// prefix returns the bytes that each match begins with, whether n matches
// nothing else than them, and whether it can match at the subject's start only.
func (n *node) prefix() (lit string, whole, anchored bool) {
	switch n.op {
	case opSet:
		if b, ok := n.set.single(); ok {
			return string([]byte{b}), true, false
		}
	case opCat:
		var buf []byte
		for _, s := range n.subs {
			l, w, a := s.prefix()
			anchored = anchored || a && len(buf) == 0
			buf = append(buf, l...)
			if !w {
				// An anchor may still follow what has no width: (?=…)^ is not
				// worth a search.
				return string(buf), false, anchored
			}
		}
		return string(buf), true, anchored
	case opAlt:
		lit, whole, anchored = n.subs[0].prefix()
		for _, s := range n.subs[1:] {
			l, w, a := s.prefix()
			whole = whole && w && l == lit
			anchored = anchored && a
			k := 0
			for k < len(l) && k < len(lit) && l[k] == lit[k] {
				k++
			}
			lit = lit[:k]
		}
		return lit, whole, anchored
	case opRepeat:
		if n.min > 0 {
			lit, whole, anchored = n.subs[0].prefix()
			return lit, whole && n.min == 1 && n.max == 1, anchored
		}
	case opGroup, opAtomic:
		return n.subs[0].prefix()
	case opAssert:
		return "", true, n.n == atStart
	case opLook, opKeep:
		return "", true, false
	}
	return "", false, false
}
