package pcre

import (
	"fmt"
	"strings"
)

// The bounds of a pattern. PCRE2 has 250 for nesting and 65535 for counts; its
// bound on size is one of compiled code and comes to about this length.
const (
	maxPattern = 32 << 10
	maxNesting = 250
	maxCount   = 65535
	maxGroups  = 1000
	maxName    = 32
	maxBehind  = 65535
)

// parser reads PCRE2's syntax as of 10.42. The first error wins: fail keeps it
// and moves to the end of the pattern, so that every loop ends.
type parser struct {
	src   string
	i     int
	flags Flags
	depth int
	quote bool     // between \Q and \E
	names []string // by group number, "" when unnamed; [0] is the match
	refs  []ref
	keep  bool // a \K was seen
	look  int  // depth of assertions around
	err   *Error
}

// ref is a reference to a group that may stand before it is defined.
type ref struct {
	node *node
	name string
	pos  int
}

func parse(src string, flags Flags) (*parser, *node) {
	p := &parser{src: src, flags: flags, names: []string{""}}
	if len(src) > maxPattern {
		p.fail(maxPattern, "pattern is too long", fmt.Sprintf("it has %d bytes, the limit is %d", len(src), maxPattern))
		return p, nil
	}
	if i := strings.IndexByte(src, 0); i >= 0 {
		p.fail(i, "NUL byte in pattern", `write it as \x00`)
		return p, nil
	}
	n := p.alternatives()
	if p.err == nil && p.i < len(src) {
		p.fail(p.i, "unmatched )", `write \) for a literal one`)
	}
	p.resolve()
	return p, n
}

func (p *parser) fail(pos int, summary, detail string) {
	if p.err == nil {
		p.err = &Error{Offset: min(pos, len(p.src)), Summary: summary, Detail: detail}
	}
	p.i = len(p.src)
}

func (p *parser) more() bool { return p.i < len(p.src) }

// at reports whether the rest of the pattern begins with s.
func (p *parser) at(s string) bool { return strings.HasPrefix(p.src[p.i:], s) }

// take steps over s where it stands next.
func (p *parser) take(s string) bool {
	if !p.at(s) {
		return false
	}
	p.i += len(s)
	return true
}

// resolve finds the groups that references name, once all groups are known.
func (p *parser) resolve() {
	for _, r := range p.refs {
		if p.err != nil {
			return
		}
		if r.name != "" {
			r.node.n = p.group(r)
		}
		if p.err == nil && (r.node.n < 1 || r.node.n >= len(p.names)) {
			p.fail(r.pos, "reference to a group that does not exist", fmt.Sprintf("the pattern has %d groups", len(p.names)-1))
		}
	}
}

func (p *parser) group(r ref) int {
	found := 0
	for i, name := range p.names {
		if name == r.name && found != 0 {
			p.fail(r.pos, "reference to a name that several groups have is not supported", "refer to the group by its number, as \\g{1}")
		} else if name == r.name {
			found = i
		}
	}
	return found
}

// alternatives reads branches up to ) or the end. Options set inside, as (?i),
// hold for the following branches too; the caller restores them.
func (p *parser) alternatives() *node {
	subs := []*node{p.sequence()}
	for p.take("|") {
		subs = append(subs, p.sequence())
	}
	if len(subs) == 1 {
		return subs[0]
	}
	return &node{op: opAlt, subs: subs}
}

// What stands before, for a quantifier.
const (
	nothing    = iota // that can be repeated
	item              // that can be repeated
	quantified        // an item and a quantifier, which ? and + may qualify
)

func (p *parser) sequence() *node {
	seq := &node{op: opCat}
	after := nothing
	for p.more() {
		if p.skip() {
			continue
		}
		c := p.src[p.i]
		if p.quote {
			p.i++
			seq.subs, after = append(seq.subs, p.literal(c)), item
			continue
		}
		if c == '|' || c == ')' {
			break
		}
		if after == quantified && (c == '?' || c == '+') {
			p.i++
			p.suffix(seq.subs[len(seq.subs)-1], c)
			after = nothing
			continue
		}
		if p.quantifier(seq, after == item) {
			after = quantified
			continue
		}
		if p.err != nil {
			break
		}
		after = nothing
		if n, ok := p.atom(); n != nil {
			seq.subs = append(seq.subs, n)
			if ok {
				after = item
			}
		}
	}
	return seq
}

// skip steps over what matches nothing and doesn't part an item from its
// quantifier: \Q, \E, comments, and white space under (?x).
func (p *parser) skip() bool {
	if p.quote {
		if p.take(`\E`) {
			p.quote = false
			return true
		}
		return false
	}
	if p.take(`\Q`) {
		p.quote = true
		return true
	}
	if p.take(`\E`) {
		return true
	}
	if p.at("(?#") {
		end := strings.IndexByte(p.src[p.i:], ')')
		if end < 0 {
			p.fail(p.i, "comment without end", "close (?# with )")
			return true
		}
		p.i += end + 1
		return true
	}
	if p.flags&extended == 0 {
		return false
	}
	if spaces.has(p.src[p.i]) {
		p.i++
		return true
	}
	if p.src[p.i] == '#' {
		if end := strings.IndexByte(p.src[p.i:], '\n'); end >= 0 {
			p.i += end + 1
		} else {
			p.i = len(p.src)
		}
		return true
	}
	return false
}

// quantifier applies a quantifier to the last item of seq, if one stands here.
func (p *parser) quantifier(seq *node, ok bool) bool {
	lo, hi, size := 0, unbounded, 1
	switch p.src[p.i] {
	case '*':
	case '+':
		lo = 1
	case '?':
		hi = 1
	case '{':
		if lo, hi, size = p.counts(); size == 0 {
			return false
		}
	default:
		return false
	}
	if p.err != nil {
		return false
	}
	if !ok {
		p.fail(p.i, "quantifier without anything to repeat", `write \`+p.src[p.i:p.i+1]+" for a literal one")
		return false
	}
	p.i += size
	g := greedy
	if p.flags&ungreedy != 0 {
		g = lazy
	}
	last := &seq.subs[len(seq.subs)-1]
	*last = &node{op: opRepeat, greed: g, min: lo, max: hi, subs: []*node{*last}}
	return true
}

// suffix makes a repeat lazy (greedy under (?U)) or possessive.
func (p *parser) suffix(repeat *node, c byte) {
	if c == '+' {
		repeat.greed = possessive
	} else {
		repeat.greed = greedy + lazy - repeat.greed
	}
}

// counts reads {n}, {n,} or {n,m}; size is 0 when the brace is a literal one,
// as it is in {,m}.
func (p *parser) counts() (lo, hi, size int) {
	j := p.i + 1
	number := func() (int, bool) {
		v, start := 0, j
		for j < len(p.src) && digits.has(p.src[j]) {
			v = min(v*10+int(p.src[j]-'0'), maxCount+1)
			j++
		}
		return v, j > start
	}
	lo, ok := number()
	if !ok {
		return 0, 0, 0
	}
	hi = lo
	if j < len(p.src) && p.src[j] == ',' {
		j++
		if hi, ok = number(); !ok {
			hi = unbounded
		}
	}
	if j >= len(p.src) || p.src[j] != '}' {
		return 0, 0, 0
	}
	if lo > maxCount || hi > maxCount {
		p.fail(p.i, "number too big in {} quantifier", fmt.Sprintf("the limit is %d", maxCount))
	} else if hi != unbounded && hi < lo {
		p.fail(p.i, "numbers out of order in {} quantifier", fmt.Sprintf("%d is more than %d", lo, hi))
	}
	return lo, hi, j + 1 - p.i
}

func (p *parser) literal(c byte) *node {
	return p.setNode(setOf(string([]byte{c, c})), true)
}

// setNode makes a node of s; letters stand for both cases under (?i) when fold is set.
func (p *parser) setNode(s set, fold bool) *node {
	if fold && p.flags&ICase != 0 {
		s = s.fold()
	}
	return &node{op: opSet, set: s}
}

func assert(kind int) *node { return &node{op: opAssert, n: kind} }

// atom reads one item. It is nil when it only set options.
func (p *parser) atom() (n *node, quantifiable bool) {
	c := p.src[p.i]
	switch c {
	case '(':
		return p.parens()
	case '[':
		return p.brackets(), true
	case '\\':
		return p.escape()
	}
	p.i++
	switch c {
	case '.':
		if p.flags&DotAll != 0 {
			return p.setNode(all, false), true
		}
		return p.setNode(newline.not(), false), true
	case '^':
		if p.flags&MultiLine != 0 {
			return assert(atLineStart), false
		}
		return assert(atStart), false
	case '$':
		switch {
		case p.flags&MultiLine != 0:
			return assert(atLineEnd), false
		case p.flags&DollarEndOnly != 0:
			return assert(atEnd), false
		}
		return assert(atLastLine), false
	}
	return p.literal(c), true
}
