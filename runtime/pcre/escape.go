package pcre

import (
	"fmt"
	"strings"
)

// Escapes of one byte, in and out of brackets.
var simple = map[byte]byte{'a': 7, 'e': 27, 'f': 12, 'n': 10, 'r': 13, 't': 9}

// escape reads an escape outside brackets, from its backslash on.
func (p *parser) escape() (n *node, quantifiable bool) {
	at := p.i
	if at+1 >= len(p.src) {
		p.fail(at, `\ at the end of the pattern`, `write \\ for a literal one`)
		return nil, false
	}
	c := p.src[at+1]
	if s, ok := classes[c]; ok {
		p.i += 2
		return p.setNode(s, false), true
	}
	switch c {
	case 'A', 'G': // \G is where the search began: always 0 in httpd
		p.i += 2
		return assert(atStart), false
	case 'z':
		p.i += 2
		return assert(atEnd), false
	case 'Z':
		p.i += 2
		return assert(atLastLine), false
	case 'b':
		p.i += 2
		return assert(atWord), false
	case 'B':
		p.i += 2
		return assert(notAtWord), false
	case 'C':
		p.i += 2
		return p.setNode(all, false), true
	case 'N':
		p.i += 2
		if _, _, size := p.counts(); p.at("{") && size == 0 {
			p.fail(at, `\N{…} is not supported`, "")
			return nil, false
		}
		return p.setNode(newline.not(), false), true
	case 'R':
		p.i += 2
		return anyNewline(), true
	case 'K':
		return p.keepOut(at), false
	case 'g', 'k':
		return p.namedRef(at), true
	}
	if c >= '1' && c <= '9' {
		if n := p.numberedRef(at); n != nil {
			return n, true
		}
	}
	b, ok := p.byteEscape()
	if !ok {
		return nil, false
	}
	return p.literal(b), true
}

// anyNewline is \R: \r\n as one, or any byte that ends a line.
func anyNewline() *node {
	one := func(pairs string) *node { return &node{op: opSet, set: setOf(pairs)} }
	pair := &node{op: opCat, subs: []*node{one("\r\r"), one("\n\n")}}
	return &node{op: opAtomic, subs: []*node{{op: opAlt, subs: []*node{pair, one("\n\r\x85\x85")}}}}
}

// keepOut reads \K. One is enough for any use known, and it must not stand in an
// assertion (PCRE2 10.38 and later refuse that too).
func (p *parser) keepOut(at int) *node {
	if p.look > 0 {
		p.fail(at, `\K is not allowed in an assertion`, "")
	}
	if p.keep {
		p.fail(at, `second \K is not supported`, "")
	}
	p.keep = true
	p.i = min(at+2, len(p.src))
	return &node{op: opKeep}
}

// numberedRef reads \1 … as PCRE does: a back-reference when below 10, or when
// that many groups are open so far, or when it can't be octal.
func (p *parser) numberedRef(at int) *node {
	j, v := at+1, 0
	for j < len(p.src) && digits.has(p.src[j]) {
		v = min(v*10+int(p.src[j]-'0'), maxCount)
		j++
	}
	if v >= 10 && p.src[at+1] < '8' && v >= len(p.names) {
		return nil
	}
	p.i = j
	return p.reference(v, "", at)
}

// namedRef reads \g1 \g{-1} \g{name} \k<name> \k'name' \k{name}.
func (p *parser) namedRef(at int) *node {
	kind := p.src[at+1]
	p.i += 2
	switch {
	case kind == 'k' && p.take("<"):
		return p.reference(0, p.name(">"), at)
	case kind == 'k' && p.take("'"):
		return p.reference(0, p.name("'"), at)
	case kind == 'g' && (p.at("<") || p.at("'")):
		p.fail(at, `subroutine call \g<…> is not supported`, "")
		return nil
	}
	brace := p.take("{")
	if brace && p.more() && words.has(p.src[p.i]) && !digits.has(p.src[p.i]) {
		return p.reference(0, p.name("}"), at)
	}
	sign := 0
	if kind == 'g' && p.take("-") {
		sign = -1
	} else if kind == 'g' && p.take("+") {
		sign = 1
	}
	start, v := p.i, 0
	for kind == 'g' && p.more() && digits.has(p.src[p.i]) {
		v = min(v*10+int(p.src[p.i]-'0'), maxCount)
		p.i++
	}
	if p.i == start || brace && !p.take("}") {
		p.fail(at, "reference to a group expected", `write \g{1}, \g{-1} or \k<name>`)
		return nil
	}
	switch sign {
	case -1:
		v = len(p.names) - v
	case 1:
		v = len(p.names) - 1 + v
	}
	return p.reference(v, "", at)
}

func (p *parser) escapeInClass() (b byte, cls set, single bool) {
	if p.i+1 < len(p.src) {
		c := p.src[p.i+1]
		if s, ok := classes[c]; ok {
			p.i += 2
			return 0, s, false
		}
		if c == 'b' {
			p.i += 2
			return 8, set{}, true
		}
		if strings.IndexByte("ABCGKNRXZgkz", c) >= 0 {
			p.fail(p.i, `\`+string(c)+" is not allowed in a class", "")
			return
		}
	}
	b, _ = p.byteEscape()
	return b, set{}, true
}

// byteEscape reads an escape that stands for one byte.
func (p *parser) byteEscape() (byte, bool) {
	at := p.i
	if at+1 >= len(p.src) {
		p.fail(at, `\ at the end of the pattern`, `write \\ for a literal one`)
		return 0, false
	}
	c := p.src[at+1]
	p.i += 2
	if b, ok := simple[c]; ok {
		return b, true
	}
	switch {
	case c >= '0' && c <= '7':
		return p.octal(at, 1)
	case c == '8' || c == '9' || !words.has(c) || c == '_':
		return c, true
	case c == 'o' && p.take("{"):
		return p.braced(at, 8)
	case c == 'x' && p.take("{"):
		return p.braced(at, 16)
	case c == 'x':
		v := 0
		for k := 0; k < 2 && p.more() && hexValue(p.src[p.i]) < 16; k++ {
			v = v*16 + hexValue(p.src[p.i])
			p.i++
		}
		return byte(v), true
	case c == 'c':
		if !p.more() || p.src[p.i] < ' ' || p.src[p.i] > '~' {
			p.fail(at, `\c must be followed by a printable character`, "")
			return 0, false
		}
		b := p.src[p.i]
		if b >= 'a' && b <= 'z' {
			b -= 32
		}
		p.i++
		return b ^ 64, true
	case strings.IndexByte("pPX", c) >= 0:
		p.fail(at, `\`+string(c)+" (Unicode properties) is not supported", "write a class of bytes, as [A-Za-z]")
	default:
		p.fail(at, `unknown escape \`+string(c), "PCRE keeps letters and digits after a backslash for its own use")
	}
	return 0, false
}

// octal reads up to three octal digits, the first of which is read already.
func (p *parser) octal(at, have int) (byte, bool) {
	v := int(p.src[at+1] - '0')
	for ; have < 3 && p.more() && p.src[p.i] >= '0' && p.src[p.i] <= '7'; have++ {
		v = v*8 + int(p.src[p.i]-'0')
		p.i++
	}
	if v > 255 {
		p.fail(at, "octal value is more than one byte", `the greatest is \377`)
		return 0, false
	}
	return byte(v), true
}

func (p *parser) braced(at, base int) (byte, bool) {
	v, n := 0, 0
	for ; p.more() && hexValue(p.src[p.i]) < base; n++ {
		v = min(v*base+hexValue(p.src[p.i]), 256)
		p.i++
	}
	if n == 0 || !p.take("}") {
		p.fail(p.i, fmt.Sprintf("digits to base %d and } expected", base), "")
		return 0, false
	}
	if v > 255 {
		p.fail(at, "character value is more than one byte", "httpd matches bytes, not Unicode: write the bytes of its UTF-8")
		return 0, false
	}
	return byte(v), true
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return 99
}
