package pcre

import (
	"fmt"
	"strings"
)

// What may follow "(?" that pinion doesn't take, by the bytes it begins with.
var refused = []struct{ start, what string }{
	{"|", "branch reset (?|…)"},
	{"R", "recursion (?R)"},
	{"&", "subroutine call (?&name)"},
	{"P>", "subroutine call (?P>name)"},
	{"+", "subroutine call (?+n)"},
	{"C", "callout (?C)"},
	{"*", "non-atomic lookahead (?*…)"},
	{"<*", "non-atomic lookbehind (?<*…)"},
}

// parens reads one group, from its opening parenthesis on.
func (p *parser) parens() (*node, bool) {
	open := p.i
	if p.depth++; p.depth > maxNesting {
		p.fail(open, "parentheses are nested too deeply", fmt.Sprintf("the limit is %d", maxNesting))
		return nil, false
	}
	defer func() { p.depth-- }()
	p.i++
	if p.at("*") {
		p.fail(open, "verbs such as (*SKIP) are not supported", "")
		return nil, false
	}
	if !p.take("?") {
		if p.flags&noCapture != 0 {
			return p.body(open), true
		}
		return p.capture(open, ""), true
	}
	for _, r := range refused {
		if p.at(r.start) {
			p.fail(open, r.what+" is not supported", "")
			return nil, false
		}
	}
	switch {
	case p.take(":"):
		return p.body(open), true
	case p.take(">"):
		return &node{op: opAtomic, subs: []*node{p.body(open)}}, true
	case p.take("="):
		return p.lookaround(open, false, false), true
	case p.take("!"):
		return p.lookaround(open, true, false), true
	case p.take("<="):
		return p.lookaround(open, false, true), true
	case p.take("<!"):
		return p.lookaround(open, true, true), true
	case p.take("P<"), p.take("<"):
		return p.capture(open, p.name(">")), true
	case p.take("'"):
		return p.capture(open, p.name("'")), true
	case p.take("P="):
		at := p.i
		n := p.reference(0, p.name(")"), at)
		return n, true
	case p.take("("):
		return p.conditional(open), true
	}
	return p.options(open)
}

// body reads up to the closing parenthesis and restores the options.
func (p *parser) body(open int) *node {
	flags := p.flags
	n := p.alternatives()
	p.flags = flags
	if p.err == nil && !p.take(")") {
		p.fail(open, "missing ) for this parenthesis", `write \( for a literal one`)
	}
	return n
}

func (p *parser) capture(open int, name string) *node {
	if len(p.names) > maxGroups {
		p.fail(open, "too many groups", fmt.Sprintf("the limit is %d", maxGroups))
		return nil
	}
	n := &node{op: opGroup, n: len(p.names)}
	p.names = append(p.names, name)
	n.subs = []*node{p.body(open)}
	return n
}

func (p *parser) lookaround(open int, neg, behind bool) *node {
	p.look++
	sub := p.body(open)
	p.look--
	if p.err == nil && behind {
		p.checkBehind(open, sub)
	}
	return &node{op: opLook, neg: neg, behind: behind, subs: []*node{sub}}
}

// checkBehind holds PCRE's rule that each branch of a lookbehind has one length.
func (p *parser) checkBehind(open int, sub *node) {
	branches := []*node{sub}
	if sub.op == opAlt {
		branches = sub.subs
	}
	for _, b := range branches {
		if b.any(func(n *node) bool { return n.op == opRef || n.op == opCond }) {
			p.fail(open, "lookbehind with a back-reference or condition is not supported", "")
		} else if _, ok := b.width(); !ok {
			p.fail(open, "lookbehind assertion is not of fixed length", "each branch must match one length only; no *, + or ? in it")
		}
	}
	// The engine reads a lookbehind from right to left, so that a group repeated
	// in it would keep its first turn, not its last.
	if sub.any(func(n *node) bool {
		return n.op == opRepeat && n.any(func(n *node) bool { return n.op == opGroup })
	}) {
		p.fail(open, "repeated capture in a lookbehind is not supported", "write (?:…) for the group")
	}
}

// name reads a group's name up to its terminator.
func (p *parser) name(term string) string {
	start := p.i
	for p.more() && words.has(p.src[p.i]) {
		p.i++
	}
	name := p.src[start:p.i]
	switch {
	case name == "" || digits.has(name[0]):
		p.fail(start, "name of a group expected", "letters, digits and _, not beginning with a digit")
	case len(name) > maxName:
		p.fail(start, "name of a group is too long", fmt.Sprintf("the limit is %d", maxName))
	case !p.take(term):
		p.fail(p.i, "name of a group does not end", "expected "+term)
	}
	return name
}

// reference makes a back-reference to group n or, when name is set, to the
// group of that name.
func (p *parser) reference(n int, name string, pos int) *node {
	r := &node{op: opRef, n: n, fold: p.flags&ICase != 0}
	p.refs = append(p.refs, ref{node: r, name: name, pos: pos})
	return r
}

// conditional reads (?(1)yes|no) and (?(<name>)yes|no), from after "(?(" on.
func (p *parser) conditional(open int) *node {
	at := p.i
	c := &node{op: opCond}
	switch {
	case p.more() && digits.has(p.src[p.i]):
		for p.more() && digits.has(p.src[p.i]) {
			c.n = min(c.n*10+int(p.src[p.i]-'0'), maxCount)
			p.i++
		}
		if !p.take(")") {
			p.fail(p.i, "condition does not end", "expected )")
		}
		p.refs = append(p.refs, ref{node: c, pos: at})
	case p.take("<"):
		p.refs = append(p.refs, ref{node: c, name: p.name(">)"), pos: at})
	case p.take("'"):
		p.refs = append(p.refs, ref{node: c, name: p.name("')"), pos: at})
	default:
		p.fail(at, "condition is not supported", "only a group's number or <name> is, as (?(1)yes|no)")
	}
	sub := p.body(open)
	c.subs = []*node{sub, {op: opCat}}
	if sub.op == opAlt {
		if len(sub.subs) > 2 {
			p.fail(open, "condition with more than two branches", "write (?(1)yes|no)")
		}
		c.subs = sub.subs
	}
	return c
}

// options reads (?i), (?i-s), (?^x) and the same with a colon and a group.
func (p *parser) options(open int) (*node, bool) {
	flags := p.flags
	off := false
	if p.take("^") {
		flags &^= ICase | MultiLine | DotAll | extended | extendedMore | noCapture
	}
	for p.more() && p.err == nil {
		var f Flags
		at := p.i
		switch c := p.src[p.i]; c {
		case ')':
			p.i++
			p.flags = flags
			return nil, false
		case ':':
			p.i++
			outer := p.flags
			p.flags = flags
			n := p.body(open)
			p.flags = outer
			return n, true
		case '-':
			if off {
				p.fail(at, "second - among options", "")
			}
			if at+1 < len(p.src) && digits.has(p.src[at+1]) {
				p.fail(open, "subroutine call (?-n) is not supported", "")
			}
			off = true
		case 'i':
			f = ICase
		case 'm':
			f = MultiLine
		case 's':
			f = DotAll
		case 'n':
			f = noCapture
		case 'U':
			f = ungreedy
		case 'J': // duplicate names: httpd always allows them
		case 'x':
			f = extended
			if p.at("xx") {
				p.i++
				f |= extendedMore
			} else if !off {
				flags &^= extendedMore
			} else {
				f |= extendedMore
			}
		default:
			if digits.has(c) {
				p.fail(open, "subroutine call (?n) is not supported", "")
				return nil, false
			}
			p.fail(at, "unknown character after (?", "expected one of : = ! < > ' P ( # or options imnsxJU")
			return nil, false
		}
		if off {
			flags &^= f
		} else {
			flags |= f
		}
		if p.err == nil {
			p.i++
		}
	}
	p.fail(open, "missing ) for this parenthesis", "")
	return nil, false
}

// brackets reads a class, from its opening bracket on.
func (p *parser) brackets() *node {
	open := p.i
	if p.at("[[:<:]]") || p.at("[[:>:]]") {
		p.fail(open, "[[:<:]] and [[:>:]] are not supported", `write \b`)
		return nil
	}
	p.i++
	neg := p.take("^")
	var s set
	first, quote := true, false
	last := -1     // the byte before, when it may begin a range
	typed := false // a class such as \d or [:alpha:] stands before
	for ; ; first = false {
		if !p.more() {
			p.fail(open, "missing ] for this bracket", `write \[ for a literal one`)
			return nil
		}
		at := p.i
		switch {
		case !quote && p.take(`\Q`):
			quote = true
			continue
		case p.take(`\E`):
			quote = false
			continue
		case !quote && p.flags&extendedMore != 0 && (p.at(" ") || p.at("\t")):
			p.i++
			continue
		case !quote && !first && p.take("]"):
			if p.flags&ICase != 0 {
				s = s.fold()
			}
			if neg {
				s = s.not()
			}
			return &node{op: opSet, set: s}
		}
		// A hyphen makes a range unless it stands at an edge of the class.
		if !quote && (last >= 0 || typed) && p.at("-") && !p.at("-]") && p.i+1 < len(p.src) {
			if typed {
				p.fail(at, "range from a class of characters", `write \- for a literal hyphen`)
				return nil
			}
			p.i++
			hi, _, single := p.member(false)
			switch {
			case p.err != nil:
				return nil
			case !single:
				p.fail(at, "range to a class of characters", `write \- for a literal hyphen`)
				return nil
			case int(hi) < last:
				p.fail(at, "range out of order in class", fmt.Sprintf("%q is after %q", byte(last), hi))
				return nil
			}
			s.addRange(byte(last), hi)
			last = -1
			continue
		}
		b, cls, single := p.member(quote)
		if p.err != nil {
			return nil
		}
		last, typed = -1, !single
		if single {
			s.add(b)
			last = int(b)
		} else {
			s.union(cls)
		}
	}
}

// member reads one byte, escape or [:name:] of a class.
func (p *parser) member(quote bool) (b byte, cls set, single bool) {
	if !quote && p.at("[") {
		if cls, ok := p.posixClass(); ok || p.err != nil {
			return 0, cls, false
		}
	}
	if !quote && p.at(`\`) {
		return p.escapeInClass()
	}
	b = p.src[p.i]
	p.i++
	return b, cls, true
}

// posixClass reads [:name:] or [:^name:]; without the closing :] the bracket is
// a literal one.
func (p *parser) posixClass() (set, bool) {
	rest := p.src[p.i+1:]
	if rest == "" || !strings.ContainsRune(":.=", rune(rest[0])) {
		return set{}, false
	}
	end := strings.IndexAny(rest[1:], `]\[`)
	for end > 0 && rest[1+end] == '[' {
		return set{}, false
	}
	if end < 1 || rest[1+end] != ']' || rest[end] != rest[0] {
		return set{}, false
	}
	name := strings.TrimPrefix(rest[1:end], "^")
	s, ok := posix[name]
	if rest[0] != ':' || !ok {
		p.fail(p.i, "unknown class ["+rest[:end+2], "expected a name such as [:alpha:]")
		return set{}, false
	}
	// Case folding turns [:upper:] and [:lower:] into [:alpha:], before ^.
	if p.flags&ICase != 0 {
		s = s.fold()
	}
	if rest[1] == '^' {
		s = s.not()
	}
	p.i += end + 3
	return s, true
}
